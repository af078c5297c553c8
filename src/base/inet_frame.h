// Ethernet, IPv4 and UDP headers: read from a received frame, written in front of a payload.
// RFC 791, RFC 768, RFC 1071, RFC 6864, IEEE 802.1Q. Pure: bytes in, bytes out, nothing allocated.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/inet.h"

namespace hookline {

inline constexpr size_t kEthernetHeaderBytes = 14;
inline constexpr size_t kVlanTagBytes = 4;
inline constexpr size_t kIpv4HeaderBytes = 20;  // without options
inline constexpr size_t kUdpHeaderBytes = 8;
inline constexpr uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr uint16_t kEtherTypeVlan = 0x8100;
inline constexpr uint16_t kVlanIdMask = 0x0FFF;
inline constexpr uint8_t kProtocolUdp = 17;
// Of the flags and the fragment offset of an IPv4 header.
inline constexpr uint16_t kDontFragment = 0x4000;
inline constexpr uint16_t kMoreFragmentsAndOffset = 0x3FFF;
inline constexpr uint8_t kTimeToLive = 64;  // as Linux has it
// The most that write_udp_headers() puts in front of a payload.
inline constexpr size_t kUdpFrameHeaderBytesMax =
    kEthernetHeaderBytes + kVlanTagBytes + kIpv4HeaderBytes + kUdpHeaderBytes;

// Adds `bytes`, as 16-bit words in network order, to a running sum (RFC 1071). Only the last piece
// of a sum may have an odd size.
uint64_t checksum_add(Bytes bytes, uint64_t sum = 0);
// The ones' complement of the sum, in host order.
uint16_t checksum_finish(uint64_t sum);

// Why a frame is no UDP datagram that may be looked at; the first of these that is found.
enum class FrameFault : uint8_t {
  None,
  Truncated,     // ends before its headers say so
  NotIpv4Udp,    // another protocol
  BadIpHeader,   // version, header length, total length or checksum
  Fragment,      // any of them, the first included
  BadUdpLength,  // less than its own header, or more than the IP packet
  BadUdpChecksum,
};

struct UdpFrame {
  MacAddress source_mac;
  MacAddress destination_mac;
  uint16_t vlan = 0;  // the id of an 802.1Q tag inside the frame; 0: none, or a priority tag
  Ipv4 source;
  Ipv4 destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  size_t payload_offset = 0;
  // As the UDP header says. Behind FrameFault::Truncated it may exceed what the frame holds, and
  // is 0 when not even the UDP header was there.
  size_t payload_size = 0;
  Bytes udp;  // header and payload; empty unless all of it is in the frame
  uint16_t udp_checksum = 0;
};

// Reads everything but the UDP checksum, never past the end of `frame`. Bytes behind the IP packet
// (Ethernet padding) are ignored.
FrameFault parse_udp_frame(Bytes frame, UdpFrame& out);

// True when the checksum is right, or absent (0, RFC 768). REQUIRES: parse_udp_frame() found no
// fault.
bool udp_checksum_is_right(const UdpFrame& frame);

// Writes an IPv4 header without options, checksum filled in, in front of the `size` bytes at
// `data`. REQUIRES: kIpv4HeaderBytes writable bytes before them, and a packet of at most 65535
// bytes. It is atomic: DF, id 0 (RFC 6864).
void write_ipv4_header(uint8_t* data, size_t size, Ipv4 source, Ipv4 destination, uint8_t protocol);

// Writes an Ethernet header, with an 802.1Q tag if `vlan` is not 0, in front of the IPv4 packet at
// `packet`; returns its size.
size_t write_ethernet_header(uint8_t* packet, const MacAddress& destination,
                             const MacAddress& source, uint16_t vlan);

struct UdpHeaders {
  MacAddress source_mac;
  MacAddress destination_mac;
  uint16_t vlan = 0;  // 0: no tag
  Ipv4 source;
  Ipv4 destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
};

// Writes the headers directly in front of `payload`, checksums filled in, and returns the whole
// frame. REQUIRES: kUdpFrameHeaderBytesMax writable bytes before payload.data(), and a payload of
// at most 65507 bytes.
Bytes write_udp_headers(const UdpHeaders& headers, MutableBytes payload);

}  // namespace hookline
