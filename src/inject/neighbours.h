// Where replies went lately: a driver that absorbs a reply and injects a changed copy of it names
// only its IP address, and a client that has none yet answers no ARP. Fixed size; of addresses that
// share a place the last one stays. Packet thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/inet.h"
#include "base/limits.h"

namespace hookline::inject {

struct Neighbour {
  Ipv4 address;
  uint32_t ifindex = 0;
  uint16_t vlan = 0;
  MacAddress mac;
};

class RecentNeighbours {
 public:
  RecentNeighbours() : places_(kRecentNeighboursMax) {}

  void note(const Neighbour& neighbour) { places_[place_of(neighbour.address)] = neighbour; }
  // Null: it is not remembered.
  const Neighbour* find(Ipv4 address) const {
    if (!address) return nullptr;
    const Neighbour& found = places_[place_of(address)];
    return found.address == address ? &found : nullptr;
  }

 private:
  static size_t place_of(Ipv4 address) {
    return std::hash<Ipv4>{}(address) >> 32 & (kRecentNeighboursMax - 1);
  }

  std::vector<Neighbour> places_;
};
static_assert((kRecentNeighboursMax & (kRecentNeighboursMax - 1)) == 0, "a mask");

}  // namespace hookline::inject
