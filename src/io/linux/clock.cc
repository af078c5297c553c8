#include "io/linux/clock.h"

#include <time.h>

namespace hookline::io {
namespace {

int64_t read_ns(clockid_t id) {
  timespec t{};
  ::clock_gettime(id, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace

ClockReading LinuxClock::read() { return {read_ns(CLOCK_BOOTTIME), read_ns(CLOCK_REALTIME)}; }

}  // namespace hookline::io
