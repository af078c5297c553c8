#include "base/inet_frame.h"

#include <cstring>

#include "base/check.h"

namespace hookline {
namespace {

MacAddress load_mac(const uint8_t* p) {
  MacAddress mac;
  std::memcpy(mac.octets.data(), p, mac.octets.size());
  return mac;
}

void store_mac(uint8_t* p, const MacAddress& mac) {
  std::memcpy(p, mac.octets.data(), mac.octets.size());
}

// The sum of the pseudo header of RFC 768.
uint64_t pseudo_header_sum(Ipv4 source, Ipv4 destination, size_t udp_bytes) {
  return uint64_t{source.value >> 16} + (source.value & 0xFFFF) + (destination.value >> 16) +
         (destination.value & 0xFFFF) + kProtocolUdp + udp_bytes;
}

// Where the IPv4 header starts; 0 with `fault` set when there is none.
size_t parse_ethernet(Bytes frame, UdpFrame& out, FrameFault& fault) {
  fault = FrameFault::Truncated;
  if (frame.size() < kEthernetHeaderBytes) return 0;
  out.destination_mac = load_mac(&frame[0]);
  out.source_mac = load_mac(&frame[6]);
  size_t at = kEthernetHeaderBytes;
  uint16_t type = load_be16(&frame[12]);
  if (type == kEtherTypeVlan) {
    if (frame.size() < at + kVlanTagBytes) return 0;
    out.vlan = load_be16(&frame[at]) & kVlanIdMask;
    type = load_be16(&frame[at + 2]);
    at += kVlanTagBytes;
  }
  fault = type == kEtherTypeIpv4 ? FrameFault::None : FrameFault::NotIpv4Udp;
  return at;
}

}  // namespace

uint64_t checksum_add(Bytes bytes, uint64_t sum) {
  // Sums in the machine's order, 32 bits at a time, and swaps once: RFC 1071 section 2 (B).
  const uint8_t* p = bytes.data();
  size_t left = bytes.size();
  uint64_t low = 0;
  uint64_t high = 0;
  for (; left >= 8; left -= 8, p += 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    low += word & 0xFFFFFFFF;
    high += word >> 32;
  }
  uint64_t total = low + high;
  for (; left >= 2; left -= 2, p += 2) {
    uint16_t word;
    std::memcpy(&word, p, sizeof word);
    total += word;
  }
  if (left != 0) total += *p;  // padded with a zero behind it
  while (total >> 16 != 0) total = (total & 0xFFFF) + (total >> 16);
  return sum + __builtin_bswap16(static_cast<uint16_t>(total));
}

uint16_t checksum_finish(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

FrameFault parse_udp_frame(Bytes frame, UdpFrame& out) {
  out = UdpFrame{};
  FrameFault fault;
  const size_t ip_at = parse_ethernet(frame, out, fault);
  if (fault != FrameFault::None) return fault;

  const Bytes ip = frame.subspan(ip_at);
  if (ip.size() < kIpv4HeaderBytes) return FrameFault::Truncated;
  const size_t header_bytes = size_t{ip[0] & 0x0Fu} * 4;
  const size_t total_bytes = load_be16(&ip[2]);
  if (ip[0] >> 4 != 4 || header_bytes < kIpv4HeaderBytes || total_bytes < header_bytes) {
    return FrameFault::BadIpHeader;
  }
  if (ip.size() < header_bytes) return FrameFault::Truncated;
  if (checksum_finish(checksum_add(ip.first(header_bytes))) != 0) return FrameFault::BadIpHeader;
  if (ip[9] != kProtocolUdp) return FrameFault::NotIpv4Udp;
  if ((load_be16(&ip[6]) & kMoreFragmentsAndOffset) != 0) return FrameFault::Fragment;
  out.source = Ipv4::load(&ip[12]);
  out.destination = Ipv4::load(&ip[16]);

  if (total_bytes < header_bytes + kUdpHeaderBytes) return FrameFault::BadUdpLength;
  if (ip.size() < header_bytes + kUdpHeaderBytes) return FrameFault::Truncated;
  const Bytes udp = ip.subspan(header_bytes);
  const size_t udp_bytes = load_be16(&udp[4]);
  if (udp_bytes < kUdpHeaderBytes || udp_bytes > total_bytes - header_bytes) {
    return FrameFault::BadUdpLength;
  }
  out.source_port = load_be16(&udp[0]);
  out.destination_port = load_be16(&udp[2]);
  out.udp_checksum = load_be16(&udp[6]);
  out.payload_offset = ip_at + header_bytes + kUdpHeaderBytes;
  out.payload_size = udp_bytes - kUdpHeaderBytes;
  if (ip.size() < total_bytes) return FrameFault::Truncated;
  out.udp = udp.first(udp_bytes);
  return FrameFault::None;
}

bool udp_checksum_is_right(const UdpFrame& frame) {
  if (frame.udp_checksum == 0) return true;
  const uint64_t pseudo = pseudo_header_sum(frame.source, frame.destination, frame.udp.size());
  return checksum_finish(checksum_add(frame.udp, pseudo)) == 0;
}

void write_ipv4_header(uint8_t* data, size_t size, Ipv4 source, Ipv4 destination,
                       uint8_t protocol) {
  const size_t total = size + kIpv4HeaderBytes;
  CHECK(total <= 0xFFFF, "an IPv4 packet is no larger");
  uint8_t* const ip = data - kIpv4HeaderBytes;
  ip[0] = 0x45;
  ip[1] = 0;
  store_be16(ip + 2, static_cast<uint16_t>(total));
  store_be16(ip + 4, 0);
  store_be16(ip + 6, kDontFragment);
  ip[8] = kTimeToLive;
  ip[9] = protocol;
  store_be16(ip + 10, 0);
  source.store(ip + 12);
  destination.store(ip + 16);
  store_be16(ip + 10, checksum_finish(checksum_add({ip, kIpv4HeaderBytes})));
}

size_t write_ethernet_header(uint8_t* packet, const MacAddress& destination,
                             const MacAddress& source, uint16_t vlan) {
  uint8_t* start = packet - 2;
  store_be16(start, kEtherTypeIpv4);
  if (vlan != 0) {
    start -= kVlanTagBytes;
    store_be16(start, kEtherTypeVlan);
    store_be16(start + 2, vlan);
  }
  start -= 12;
  store_mac(start, destination);
  store_mac(start + 6, source);
  return static_cast<size_t>(packet - start);
}

Bytes write_udp_headers(const UdpHeaders& headers, MutableBytes payload) {
  const size_t udp_bytes = kUdpHeaderBytes + payload.size();
  uint8_t* const udp = payload.data() - kUdpHeaderBytes;
  store_be16(udp + 0, headers.source_port);
  store_be16(udp + 2, headers.destination_port);
  store_be16(udp + 4, static_cast<uint16_t>(udp_bytes));
  store_be16(udp + 6, 0);
  const uint16_t sum = checksum_finish(checksum_add(
      {udp, udp_bytes}, pseudo_header_sum(headers.source, headers.destination, udp_bytes)));
  store_be16(udp + 6, sum == 0 ? 0xFFFF : sum);  // 0 would mean "none" (RFC 768)

  write_ipv4_header(udp, udp_bytes, headers.source, headers.destination, kProtocolUdp);
  uint8_t* const ip = udp - kIpv4HeaderBytes;
  const size_t ethernet_bytes =
      write_ethernet_header(ip, headers.destination_mac, headers.source_mac, headers.vlan);
  return {ip - ethernet_bytes, payload.data() + payload.size()};
}

}  // namespace hookline
