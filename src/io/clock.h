// The only source of time. src/io/linux has the real one, tests/sim the virtual one.
#pragma once

#include <cstdint>

namespace hookline::io {

struct ClockReading {
  int64_t boot_ns = 0;  // since some fixed point, monotonic, counts suspend (CLOCK_BOOTTIME)
  int64_t wall_ns = 0;  // since 1970-01-01 UTC; may jump either way (CLOCK_REALTIME)
};

// May be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual ClockReading read() = 0;
};

}  // namespace hookline::io
