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

// Writes an IPv4 header without options in front of `data`: kIpv4HeaderBytes before it must be
// writable, and the packet be no larger than 65535 bytes.
void write_ipv4_header(uint8_t* data, size_t size, Ipv4 source, Ipv4 destination, uint8_t protocol);

// Writes an Ethernet header, with a tag if `vlan` is not 0, in front of `packet`; returns its size.
size_t write_ethernet_header(uint8_t* packet, const MacAddress& destination,
                             const MacAddress& source, uint16_t vlan);

// The facts of a frame, as far as it has them. It begins at its Ethernet header, or at its IP
// header. The interface's facts are the caller's to add.
Traffic traffic_of(Bytes frame, bool has_mac, Direction direction);

}  // namespace hookline::inject
