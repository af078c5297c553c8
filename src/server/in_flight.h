// The packets that have entered and not ended, by what makes a retransmission: so that the same
// message is not processed twice at once (DHCP_DROP_DUPLICATE). Packet thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "line/packet.h"

namespace hookline::server {

class InFlight {
 public:
  explicit InFlight(uint64_t hash_seed);

  // False: the same message (ingress, giaddr, client, xid, type) is in already; nothing changes.
  bool enter(Packet& packet);
  // Does nothing for a packet that never entered.
  void leave(const Packet& packet);
  size_t size() const { return size_; }

 private:
  // At most half full, so that runs stay short.
  static constexpr size_t kPlaces = 2 * kPacketsMax;
  static_assert((kPlaces & (kPlaces - 1)) == 0);

  static size_t home(const Packet& packet);
  void close_gap(size_t gap);

  uint64_t hash_seed_;
  size_t size_ = 0;
  std::vector<const Packet*> places_;
};

}  // namespace hookline::server
