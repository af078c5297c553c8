// Headers of what drivers inject: read, mended and put in front. Pure; a frame here may be
// anything, and is never read past its end.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/inet_frame.h"
#include "line/classifier.h"

namespace hookline::inject {

inline constexpr size_t kIpv4HeaderBytesMax = 60;

// Whether this is an IPv4 packet with its header whole, whose total length the bytes hold.
bool is_ipv4(Bytes packet);
// The total length that the header says. REQUIRES: is_ipv4(packet).
size_t ipv4_bytes(Bytes packet);
Ipv4 ipv4_source(Bytes packet);
Ipv4 ipv4_destination(Bytes packet);

// Where the UDP header begins; 0 when there is none, or only a piece of it. REQUIRES: is_ipv4().
size_t udp_offset(Bytes packet);

// Fills in the checksums of the IP header and of a whole UDP datagram. REQUIRES: is_ipv4().
void fill_checksums(MutableBytes packet);

// The facts of a frame, as far as it has them. It begins at its Ethernet header, or at its IP
// header. The interface's facts are the caller's to add.
Traffic traffic_of(Bytes frame, bool has_mac, Direction direction);

}  // namespace hookline::inject
