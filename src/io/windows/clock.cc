#include "io/windows/clock.h"

#include <windows.h>
#include <x86intrin.h>

namespace hookline::io {

namespace {

constexpr int64_t kCalibrationNs = 100'000;
constexpr int64_t kUnixEpochIn100Ns = 116'444'736'000'000'000;

int64_t counter_ns() {
  LARGE_INTEGER count, frequency;
  ::QueryPerformanceCounter(&count);
  ::QueryPerformanceFrequency(&frequency);
  return count.QuadPart / frequency.QuadPart * 1'000'000'000 +
         count.QuadPart % frequency.QuadPart * 1'000'000'000 / frequency.QuadPart;
}

int64_t wall_ns() {
  FILETIME time;
  ::GetSystemTimePreciseAsFileTime(&time);
  const int64_t since_1601 = static_cast<int64_t>(time.dwHighDateTime) << 32 | time.dwLowDateTime;
  return (since_1601 - kUnixEpochIn100Ns) * 100;
}

}  // namespace

WindowsClock::WindowsClock() {
  const int64_t begin_ns = counter_ns();
  const uint64_t begin = __rdtsc();
  int64_t end_ns = begin_ns;
  while (end_ns - begin_ns < kCalibrationNs) end_ns = counter_ns();
  ns_per_tick_ = static_cast<double>(end_ns - begin_ns) / static_cast<double>(__rdtsc() - begin);
}

ClockReading WindowsClock::read() { return {counter_ns(), wall_ns()}; }

uint64_t WindowsClock::ticks() { return __rdtsc(); }

}  // namespace hookline::io
