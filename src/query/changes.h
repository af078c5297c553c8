// The last changes of leases, for active leasequery: which addresses, in order.
#pragma once

#include <cstdint>
#include <memory>

#include "base/inet.h"
#include "base/limits.h"

namespace hookline::query {

// Readers keep a position of their own, at most kActiveQueryBacklogMax behind end().
class Changes {
 public:
  Changes() : addresses_(std::make_unique<Ipv4[]>(kActiveQueryBacklogMax)) {}

  void add(Ipv4 address) { addresses_[end_++ % kActiveQueryBacklogMax] = address; }
  uint64_t end() const { return end_; }
  // False: what was at that position is overwritten.
  bool has(uint64_t position) const { return end_ - position <= kActiveQueryBacklogMax; }
  // REQUIRES: has(position), position < end().
  Ipv4 at(uint64_t position) const { return addresses_[position % kActiveQueryBacklogMax]; }

 private:
  std::unique_ptr<Ipv4[]> addresses_;
  uint64_t end_ = 0;
};

}  // namespace hookline::query
