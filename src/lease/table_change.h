// For table*.cc only.
#pragma once

#include "lease/table.h"

namespace hookline::lease {

// Keeps the counts of a run true across a change of one of its slots, whose kind is brought up to
// date before.
class LeaseTable::Change {
 public:
  Change(LeaseTable& table, uint32_t number)
      : run_(table.run_of(number)), slot_(table.slots_[number]) {
    table.refresh(number);
    count(-1);
  }
  ~Change() { count(1); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  void count(int64_t by) {
    run_.counts[static_cast<size_t>(use_of(slot_))] += static_cast<uint64_t>(by);
    run_.leases[static_cast<size_t>(slot_.state)] += static_cast<uint64_t>(by);
  }
  Run& run_;
  const Slot& slot_;
};

}  // namespace hookline::lease
