#include "line/classifier.h"

namespace hookline {

Traffic outbound_traffic(const UdpHeaders& headers, uint32_t ifindex, bool has_mac_header,
                         int64_t now_ns) {
  Traffic out;
  out.direction = Direction::Outbound;
  out.ifindex = ifindex;
  out.interface_mac = headers.source_mac;
  out.local_mac = headers.source_mac;
  out.remote_mac = headers.destination_mac;
  out.vlan = headers.vlan;
  out.local = headers.source;
  out.remote = headers.destination;
  out.remote_is_broadcast = headers.destination == kBroadcast;
  out.local_port = headers.source_port;
  out.remote_port = headers.destination_port;
  const size_t tag = headers.vlan != 0 ? kVlanTagBytes : 0;
  out.mac_header_bytes = static_cast<uint32_t>(has_mac_header ? kEthernetHeaderBytes + tag : 0);
  out.ip_header_bytes = kIpv4HeaderBytes;
  out.transport_header_bytes = kUdpHeaderBytes;
  out.now_ns = now_ns;
  return out;
}

}  // namespace hookline
