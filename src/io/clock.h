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
  // For measuring what takes little: ticks() costs less than a reading, and ns_of() makes
  // nanoseconds of a difference of two, to about a per cent.
  virtual uint64_t ticks() { return static_cast<uint64_t>(read().boot_ns); }
  virtual int64_t ns_of(uint64_t ticks) const { return static_cast<int64_t>(ticks); }
};

}  // namespace hookline::io
