// The machine's clocks: CLOCK_BOOTTIME and CLOCK_REALTIME, both read without a system call.
#pragma once

#include "io/clock.h"

namespace hookline::io {

class LinuxClock final : public Clock {
 public:
  ClockReading read() override;
};

}  // namespace hookline::io
