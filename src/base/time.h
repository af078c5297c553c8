// One reading of the clock, made once a turn and handed down: nothing below reads a clock itself.
#pragma once

#include <cstdint>

namespace hookline {

inline constexpr int64_t kNsPerSecond = 1'000'000'000;

// Seconds since 1970-01-01 UTC on the server's lease clock, which follows the wall clock but never
// jumps (lease/lease_clock.h says how). 0 is "never". Good until 2106.
using LeaseSeconds = uint32_t;

struct Now {
  int64_t boot_ns = 0;       // monotonic, counts suspend: for ages and deadlines
  LeaseSeconds lease_s = 0;  // for leases
};

}  // namespace hookline
