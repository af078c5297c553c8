// Leases whose address is in no scope of the present configuration. They are kept until they run
// out, shown, written to snapshots, and come back when a scope does. Never on the packet path.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "line/lease.h"

namespace hookline::lease {

class Orphans {
 public:
  // Keeps a copy; an older record of the same address gives way, a newer one stays.
  void put(const LeaseRecord& record);
  std::optional<LeaseRecord> find(Ipv4 address) const;
  // Waits for a record to be committed: not taken out again meanwhile. False: it waits already, or
  // there is none.
  bool set_pending(Ipv4 address, bool pending);
  // One that is bound or in quarantine and whose time is over at `now`, not pending.
  std::optional<Ipv4> first_over(LeaseSeconds now) const;
  LeaseSeconds next_expiry() const { return times_.empty() ? 0 : times_.begin()->first; }
  void shift_times(int64_t step_s);
  // Those of addresses that a scope has again: no more orphans.
  void forget(Ipv4 address);
  size_t size() const { return kept_.size(); }
  // By LeaseState.
  const std::array<uint64_t, kLeaseStateCount>& counts() const { return counts_; }
  size_t memory_bytes() const { return bytes_; }

  // Ascending addresses from `from` on, as long as `visit` returns true.
  template <class Visitor>
  void visit(Ipv4 from, Visitor visit) const {
    for (auto it = kept_.lower_bound(from.value); it != kept_.end(); ++it) {
      if (!visit(view(it->second))) return;
    }
  }

 private:
  struct Kept {
    LeaseRecord record;  // its views are not valid: the bytes follow
    std::vector<uint8_t> bytes;
    bool pending = false;
  };
  static LeaseRecord view(const Kept& kept);
  static bool ends(const LeaseRecord& record);

  std::map<uint32_t, Kept> kept_;
  std::set<std::pair<LeaseSeconds, uint32_t>> times_;  // those that end and are not pending
  size_t bytes_ = 0;
  std::array<uint64_t, kLeaseStateCount> counts_{};
};

}  // namespace hookline::lease
