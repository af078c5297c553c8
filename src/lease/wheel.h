// When leases run out: a hierarchical timing wheel on seconds, linked through the slots.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "lease/slot.h"

namespace hookline::lease {

// Four levels of 256 buckets, one level per byte of the time. A slot lies on the level of the
// highest byte in which its time differs from the wheel's, and comes down as time gets there: each
// slot moves at most four times, and never more than the caller's budget at once, so that a million
// leases that end together do not stall a turn. A lease that is renewed stays where it is; it is
// put to its new time when the old one is reached.
class Wheel {
 public:
  static constexpr uint32_t kHeads = 4 * 256;

  // `lists` has kHeads heads for the wheel, from 0 on.
  void reset(Slots* slots, SlotLists* lists);
  // Where an empty wheel starts; without effect otherwise.
  void start_at(LeaseSeconds time);

  // Its time goes by `step_s`, and it is empty: the caller puts what is scheduled in again.
  void shift_time(int64_t step_s);

  // Due at `when`: a slot's expiry plus one.
  void insert(uint32_t number, uint64_t when);
  void remove(uint32_t number);

  // The next slot that is bound or in quarantine and due at `now`, unlinked. Each slot that it
  // looks at costs one of `budget`; none left, or none due: nothing.
  std::optional<uint32_t> take_due(LeaseSeconds now, size_t& budget);

  // No slot is due before this; 0: none will be.
  LeaseSeconds next_due() const;

 private:
  using Occupied = std::array<std::array<uint64_t, 4>, 4>;

  uint32_t byte_of_time(int level) const { return time_ >> (8 * level) & 255; }
  static uint32_t head(int level, uint32_t bucket) {
    return static_cast<uint32_t>(level) * 256 + bucket;
  }
  // The first occupied bucket of the level after `bucket`; 256: none.
  uint32_t next_occupied(int level, uint32_t bucket) const;
  std::optional<LeaseSeconds> next_event() const;
  bool cascade_one();

  Slots* slots_ = nullptr;
  SlotLists* lists_ = nullptr;
  LeaseSeconds time_ = 0;
  size_t size_ = 0;
  Occupied occupied_{};  // a bit may be left behind when a bucket is emptied by remove()
};

}  // namespace hookline::lease
