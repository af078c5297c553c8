// The machine's clocks, as Windows has them.
#pragma once

#include "io/clock.h"

namespace hookline::io {

class WindowsClock final : public Clock {
 public:
  WindowsClock();  // takes 0.1 ms to find out how long a tick is
  ClockReading read() override;
  // The processor's time stamp counter.
  uint64_t ticks() override;
  int64_t ns_of(uint64_t ticks) const override {
    return static_cast<int64_t>(static_cast<double>(ticks) * ns_per_tick_);
  }

 private:
  double ns_per_tick_ = 1;
};

}  // namespace hookline::io
