// How often one kind of log line may be written, where others decide how often it would be due.
#pragma once

#include <cstdint>
#include <utility>

#include "base/time.h"

namespace hookline {

// So many in a burst, and then one (or `per_second`) more for every second that passes.
class LogLimit {
 public:
  explicit LogLimit(uint32_t burst, uint32_t per_second = 1)
      : burst_(burst), per_second_(per_second), left_(burst) {}

  // False: the line is due but not to be written; it is counted.
  bool allows(int64_t now_ns) {
    const int64_t seconds = (now_ns - refilled_ns_) / kNsPerSecond;
    if (seconds > 0) {
      refilled_ns_ = now_ns;
      const uint32_t missing = burst_ - left_;
      left_ = seconds >= missing || seconds * per_second_ >= missing
                  ? burst_
                  : left_ + static_cast<uint32_t>(seconds) * per_second_;
    }
    if (left_ == 0) {
      ++suppressed_;
      return false;
    }
    --left_;
    return true;
  }
  // Lines that were not written since the last call.
  uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  uint32_t burst_;
  uint32_t per_second_;
  uint32_t left_;
  int64_t refilled_ns_ = 0;
  uint64_t suppressed_ = 0;
};

}  // namespace hookline
