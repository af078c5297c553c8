#include "inject/addressing.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "io/packet_port.h"

namespace hookline::inject {
namespace {

bool is_ours(Ipv4 address, const io::Link& ingress, const io::LinkTable& table) {
  if (ingress.has(address)) return true;
  return std::any_of(table.links.begin(), table.links.end(),
                     [&](const io::Link& link) { return link.has(address); });
}

// What a driver injected may have no Ethernet source that anybody knows.
bool is_heard_neighbour(const Packet& packet) {
  if (packet.destination.address != packet.ingress.source) return false;
  if (packet.ingress.source_mac == MacAddress{}) return false;
  const auto& mine = packet.ingress.link->addresses;
  return std::any_of(mine.begin(), mine.end(), [&](const io::LinkAddress& a) {
    return a.network.contains(packet.ingress.source);
  });
}

void leave_by_ingress(const Packet& packet, const MacAddress& to, Outbound& out) {
  const io::Link& link = *packet.ingress.link;
  out.ifindex = link.ifindex;
  out.mtu = link.mtu;
  out.headers.source_mac = link.mac;
  out.headers.destination_mac = to;
  out.headers.vlan = packet.ingress.vlan;
}

void leave_by_route(const Packet& packet, io::LinkMonitor& links, Outbound& out) {
  const std::optional<io::NextHop> hop = links.resolve(packet.destination.address);
  if (!hop) {
    out.error = ENETUNREACH;
    return;
  }
  if (!out.headers.source) out.headers.source = hop->source;
  out.ifindex = hop->ifindex;
  const io::Link* link = links.table().find(hop->ifindex);
  // Frames leave by served interfaces only; the kernel may use any.
  out.by_socket = link == nullptr || !hop->mac;
  if (out.by_socket) return;
  out.mtu = link->mtu;
  out.headers.source_mac = link->mac;
  out.headers.destination_mac = *hop->mac;
}

}  // namespace

Outbound address_reply(const Packet& packet, io::LinkMonitor& links) {
  Outbound out;
  const Destination& to = packet.destination;
  const io::Link& link = *packet.ingress.link;
  // The server identifier may be a relay's address (RFC 5107): that is not ours to send from.
  const Ipv4 server_id = packet.grant.server_id;
  const bool routed = to.reach == Reach::Routed;
  out.headers.source = server_id && is_ours(server_id, link, links.table()) ? server_id
                       : routed && !is_heard_neighbour(packet)              ? Ipv4{}
                                                                            : link.primary();
  out.headers.destination = to.address;
  out.headers.source_port = io::kServerPort;
  out.headers.destination_port = to.port;
  if (!routed) {
    leave_by_ingress(packet, to.reach == Reach::Broadcast ? kBroadcastMac : to.mac, out);
  } else if (is_heard_neighbour(packet)) {
    leave_by_ingress(packet, packet.ingress.source_mac, out);
  } else {
    leave_by_route(packet, links, out);
  }
  if (out.error == 0 && !out.headers.source) out.error = EADDRNOTAVAIL;
  return out;
}

}  // namespace hookline::inject
