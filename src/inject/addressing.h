// By which interface, from and to which addresses a reply leaves. RFC 2131 section 4.1.
#pragma once

#include <cstdint>

#include "base/inet_frame.h"
#include "io/links.h"
#include "line/packet.h"

namespace hookline::inject {

struct Outbound {
  int error = 0;           // an errno value: there is no way
  bool by_socket = false;  // the kernel has to resolve the neighbour; headers.*_mac mean nothing
  uint32_t ifindex = 0;
  uint32_t mtu = 0;  // of the IP packet; not set when by_socket
  UdpHeaders headers;
};

// Reads packet.destination, ingress and grant.
//
// A routed reply to the very address that the request came from, in a network of the link it came
// in by, returns to the Ethernet address that it came from: that is the neighbour, and needs
// neither route nor ARP. Everything else that is routed goes as the kernel's tables say.
Outbound address_reply(const Packet& packet, io::LinkMonitor& links);

}  // namespace hookline::inject
