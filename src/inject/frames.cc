#include "inject/frames.h"

#include <cstring>

namespace hookline::inject {
namespace {

constexpr size_t kMacBytes = 6;

size_t header_bytes(Bytes packet) { return size_t{packet[0] & 0x0Fu} * 4; }

uint64_t pseudo_header_sum(Bytes packet, size_t udp_bytes) {
  return checksum_add(packet.subspan(12, 8)) + kProtocolUdp + udp_bytes;
}

void fill_udp_checksum(MutableBytes packet) {
  const size_t at = udp_offset(packet);
  if (at == 0) return;
  const size_t udp_bytes = load_be16(&packet[at + 4]);
  if (udp_bytes < kUdpHeaderBytes || udp_bytes > packet.size() - at) return;
  store_be16(&packet[at + 6], 0);
  const uint16_t sum = checksum_finish(
      checksum_add(packet.subspan(at, udp_bytes), pseudo_header_sum(packet, udp_bytes)));
  store_be16(&packet[at + 6], sum == 0 ? 0xFFFF : sum);
}

void read_ip(Bytes packet, Traffic& out) {
  if (!is_ipv4(packet)) return;
  const bool inbound = out.direction == Direction::Inbound;
  (inbound ? out.remote : out.local) = ipv4_source(packet);
  (inbound ? out.local : out.remote) = ipv4_destination(packet);
  (inbound ? out.local_is_broadcast : out.remote_is_broadcast) =
      ipv4_destination(packet) == kBroadcast;
  out.protocol = packet[9];
  out.ip_header_bytes = static_cast<uint32_t>(header_bytes(packet));
  const size_t udp_at = udp_offset(packet);
  if (udp_at == 0) return;
  out.transport_header_bytes = kUdpHeaderBytes;
  (inbound ? out.remote_port : out.local_port) = load_be16(&packet[udp_at]);
  (inbound ? out.local_port : out.remote_port) = load_be16(&packet[udp_at + 2]);
}

}  // namespace

bool is_ipv4(Bytes packet) {
  if (packet.size() < kIpv4HeaderBytes || packet[0] >> 4 != 4) return false;
  const size_t header = header_bytes(packet);
  const size_t total = load_be16(&packet[2]);
  return header >= kIpv4HeaderBytes && total >= header && total <= packet.size();
}

size_t ipv4_bytes(Bytes packet) { return load_be16(&packet[2]); }
Ipv4 ipv4_source(Bytes packet) { return Ipv4::load(&packet[12]); }
Ipv4 ipv4_destination(Bytes packet) { return Ipv4::load(&packet[16]); }

size_t udp_offset(Bytes packet) {
  const size_t at = header_bytes(packet);
  if (packet[9] != kProtocolUdp || (load_be16(&packet[6]) & kMoreFragmentsAndOffset) != 0) return 0;
  return ipv4_bytes(packet) >= at + kUdpHeaderBytes ? at : 0;
}

void fill_checksums(MutableBytes packet) {
  fill_udp_checksum(packet.first(ipv4_bytes(packet)));
  store_be16(&packet[10], 0);
  store_be16(&packet[10], checksum_finish(checksum_add(packet.first(header_bytes(packet)))));
}

Traffic traffic_of(Bytes frame, bool has_mac, Direction direction) {
  Traffic out;
  out.direction = direction;
  out.protocol = 0;
  if (!has_mac) {
    read_ip(frame, out);
    return out;
  }
  if (frame.size() < kEthernetHeaderBytes) return out;
  const bool inbound = direction == Direction::Inbound;
  std::memcpy((inbound ? out.local_mac : out.remote_mac).octets.data(), &frame[0], kMacBytes);
  std::memcpy((inbound ? out.remote_mac : out.local_mac).octets.data(), &frame[kMacBytes],
              kMacBytes);
  size_t at = kEthernetHeaderBytes;
  out.ether_type = load_be16(&frame[at - 2]);
  if (out.ether_type == kEtherTypeVlan && frame.size() >= at + kVlanTagBytes) {
    out.vlan = load_be16(&frame[at]) & kVlanIdMask;
    out.ether_type = load_be16(&frame[at + 2]);
    at += kVlanTagBytes;
  }
  out.mac_header_bytes = static_cast<uint32_t>(at);
  if (out.ether_type == kEtherTypeIpv4) read_ip(frame.subspan(at), out);
  return out;
}

}  // namespace hookline::inject
