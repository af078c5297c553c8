#include "lease/wheel.h"

#include <algorithm>
#include <bit>

namespace hookline::lease {

void Wheel::reset(Slots* slots, SlotLists* lists) {
  slots_ = slots;
  lists_ = lists;
  time_ = 0;
  size_ = 0;
  occupied_ = {};
}

void Wheel::start_at(LeaseSeconds time) {
  if (size_ == 0 && time > time_) {
    time_ = time;
    occupied_ = {};
  }
}

void Wheel::shift_time(int64_t step_s) {
  for (uint32_t i = 0; i < kHeads; ++i) lists_->forget(i);
  size_ = 0;
  occupied_ = {};
  time_ = shifted(time_, step_s);
}

void Wheel::insert(uint32_t number, uint64_t when) {
  const auto time = static_cast<uint32_t>(std::clamp<uint64_t>(when, time_, 0xFFFFFFFF));
  const uint32_t difference = time ^ time_;
  const int level = difference == 0 ? 0 : (31 - std::countl_zero(difference)) / 8;
  const uint32_t bucket = time >> (8 * level) & 255;
  lists_->push_back(head(level, bucket), number);
  occupied_[level][bucket / 64] |= uint64_t{1} << (bucket % 64);
  (*slots_)[number].set(Slot::kScheduled);
  ++size_;
}

void Wheel::remove(uint32_t number) {
  lists_->remove(number);
  (*slots_)[number].clear(Slot::kScheduled);
  --size_;
}

uint32_t Wheel::next_occupied(int level, uint32_t bucket) const {
  for (uint32_t b = bucket + 1; b < 256;) {
    const uint64_t word = occupied_[level][b / 64] >> (b % 64);
    if (word != 0) return b + static_cast<uint32_t>(std::countr_zero(word));
    b = (b / 64 + 1) * 64;
  }
  return 256;
}

// What lies on a lower level comes before all that lies on a higher one.
std::optional<LeaseSeconds> Wheel::next_event() const {
  for (int level = 0; level < 4; ++level) {
    const uint32_t bucket = next_occupied(level, byte_of_time(level));
    if (bucket == 256) continue;
    const uint64_t above =
        level == 3 ? 0 : uint64_t{time_} >> (8 * (level + 1)) << (8 * (level + 1));
    return static_cast<LeaseSeconds>(above | uint64_t{bucket} << (8 * level));
  }
  return std::nullopt;
}

// Takes one slot of a higher level whose time has come one level or more down.
bool Wheel::cascade_one() {
  for (int level = 3; level > 0; --level) {
    const uint32_t bucket = byte_of_time(level);
    uint64_t& word = occupied_[level][bucket / 64];
    const uint64_t bit = uint64_t{1} << (bucket % 64);
    if ((word & bit) == 0) continue;
    const uint32_t number = lists_->front(head(level, bucket));
    if (number == 0) {
      word &= ~bit;
      continue;
    }
    remove(number);
    const Slot& slot = (*slots_)[number];
    if (slot.expiry != kLeaseTimeInfinite) insert(number, uint64_t{slot.expiry} + 1);
    return true;
  }
  return false;
}

std::optional<uint32_t> Wheel::take_due(LeaseSeconds now, size_t& budget) {
  while (budget > 0) {
    if (cascade_one()) {
      --budget;
      continue;
    }
    const uint32_t bucket = byte_of_time(0);
    // The present second's bucket also holds what came in late: it is looked at, but the wheel's
    // time may be ahead of a caller's.
    if (const uint32_t number = lists_->front(bucket); number != 0 && time_ <= now) {
      --budget;
      remove(number);
      const Slot& slot = (*slots_)[number];
      if (slot.expiry == kLeaseTimeInfinite) continue;
      if (uint64_t{slot.expiry} + 1 <= time_) return number;
      insert(number, uint64_t{slot.expiry} + 1);
      continue;
    }
    if (time_ >= now) return std::nullopt;
    occupied_[0][bucket / 64] &= ~(uint64_t{1} << (bucket % 64));
    time_ = std::min(next_event().value_or(now), now);
  }
  return std::nullopt;
}

LeaseSeconds Wheel::next_due() const {
  if (size_ == 0) return 0;
  for (int level = 0; level < 4; ++level) {
    if (!lists_->empty(head(level, byte_of_time(level)))) return std::max<LeaseSeconds>(time_, 1);
  }
  return next_event().value_or(0);
}

}  // namespace hookline::lease
