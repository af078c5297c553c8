#include "receive/frame_check.h"

#include <algorithm>

#include "base/check.h"
#include "base/inet_frame.h"

namespace hookline::receive {
namespace {

Drop drop_of(FrameFault fault) {
  switch (fault) {
    case FrameFault::Truncated:
      return Drop::Truncated;
    case FrameFault::NotIpv4Udp:
      return Drop::NotIpv4Udp;
    case FrameFault::BadIpHeader:
      return Drop::BadIpHeader;
    case FrameFault::Fragment:
      return Drop::Fragment;
    case FrameFault::BadUdpLength:
      return Drop::BadUdpLength;
    case FrameFault::BadUdpChecksum:
      return Drop::BadUdpChecksum;
    case FrameFault::None:
      break;
  }
  CHECK(false, "only a fault is dropped");
}

bool is_for_us(Ipv4 destination, const io::Link& link, const io::LinkTable& links) {
  if (link.is_broadcast(destination) || link.has(destination)) return true;
  // A relay may reach an address of ours by way of another of our interfaces.
  return std::any_of(links.links.begin(), links.links.end(),
                     [&](const io::Link& other) { return other.has(destination); });
}

}  // namespace

std::optional<Drop> check_frame(const io::RxFrame& frame, const io::Link* link,
                                const io::LinkTable& links, Packet& packet) {
  if (link == nullptr) return Drop::InterfaceGone;
  UdpFrame udp;
  const FrameFault fault = parse_udp_frame(frame.buffer.first(frame.size), udp);
  // What is too large for the buffer arrives cut off; the reason is its size.
  if (udp.payload_size > kPacketBytesMax) return Drop::TooLarge;
  if (fault != FrameFault::None) return drop_of(fault);
  if (udp.source_mac == link->mac) return Drop::OwnReply;
  if (udp.destination_port != io::kServerPort) return Drop::NotForUs;
  const uint16_t vlan = frame.vlan != 0 ? frame.vlan : udp.vlan;
  if (vlan != 0 && link->has_vlan(vlan)) return Drop::NotForUs;
  if (!is_for_us(udp.destination, *link, links)) return Drop::NotForUs;
  if (udp.payload_size == 0) return Drop::Empty;
  // Last, for it costs most.
  if (!frame.checksum_partial && !udp_checksum_is_right(udp)) return Drop::BadUdpChecksum;

  // What was made on this machine may not have its checksum yet. "None" is right, too, for whoever
  // looks at the frame or injects it again (RFC 768).
  if (frame.checksum_partial) store_be16(&frame.buffer[udp.payload_offset - 2], 0);

  Ingress& ingress = packet.ingress;
  ingress.ifindex = frame.ifindex;
  ingress.vlan = vlan;
  ingress.source_mac = udp.source_mac;
  ingress.source = udp.source;
  ingress.destination = udp.destination;
  ingress.source_port = udp.source_port;
  ingress.link = link;
  packet.payload_offset = static_cast<uint16_t>(udp.payload_offset);
  packet.request_size = static_cast<uint16_t>(udp.payload_size);
  return std::nullopt;
}

}  // namespace hookline::receive
