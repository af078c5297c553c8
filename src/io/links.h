// The machine's interfaces, addresses, routes and neighbours, as the kernel tells them (netlink).
// Used by the packet thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/inet.h"

namespace hookline::io {

struct LinkAddress {
  Ipv4 address;
  Prefix network;
};

// One served interface.
struct Link {
  uint32_t ifindex = 0;
  std::string name;
  MacAddress mac;
  uint32_t mtu = 1500;
  bool up = false;                     // administratively up and running
  std::vector<LinkAddress> addresses;  // primary first
  // VLAN ids that have an interface of their own on top of this one: frames with such a tag are
  // that interface's and not this one's.
  std::vector<uint16_t> vlans;

  bool has_vlan(uint16_t id) const {
    for (uint16_t mine : vlans) {
      if (mine == id) return true;
    }
    return false;
  }
  Ipv4 primary() const { return addresses.empty() ? Ipv4{} : addresses.front().address; }
  bool has(Ipv4 a) const {
    for (const LinkAddress& mine : addresses) {
      if (mine.address == a) return true;
    }
    return false;
  }
  // To everybody on this link: 255.255.255.255, or the last address of one of its networks.
  bool is_broadcast(Ipv4 a) const {
    for (const LinkAddress& mine : addresses) {
      // A /31 or /32 has no broadcast address (RFC 3021).
      if (mine.network.length <= 30 && mine.network.last() == a) return true;
    }
    return a == kBroadcast;
  }
};

// Served interfaces at one moment; immutable once handed out.
struct LinkTable {
  std::vector<Link> links;

  const Link* find(uint32_t ifindex) const {
    for (const Link& link : links) {
      if (link.ifindex == ifindex) return &link;
    }
    return nullptr;
  }
};

struct NextHop {
  uint32_t ifindex = 0;
  Ipv4 source;                    // the address that the kernel would send from
  std::optional<MacAddress> mac;  // none: the neighbour is not resolved
};

class LinkMonitor {
 public:
  virtual ~LinkMonitor() = default;
  // The table now. The pointer stays valid until the next call that returns true from changed().
  virtual const LinkTable& table() const = 0;
  // Takes in what the kernel has told since the last call; true when the table is another one.
  virtual bool changed() = 0;
  // By which interface, from which address and to which neighbour a datagram for `to` leaves.
  // None: there is no route.
  virtual std::optional<NextHop> resolve(Ipv4 to) = 0;
};

}  // namespace hookline::io
