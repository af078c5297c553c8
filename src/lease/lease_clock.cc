#include "lease/lease_clock.h"

#include <algorithm>

namespace hookline::lease {

Now LeaseClock::read(int64_t boot_ns, int64_t wall_ns) {
  if (!started_) {
    started_ = true;
    const int64_t behind_ns = int64_t{newest_} * kNsPerSecond - wall_ns;
    // Rounded up, so that it starts at the newest time or after it.
    if (behind_ns > 0) ahead_s_ = (behind_ns + kNsPerSecond - 1) / kNsPerSecond;
    offset_ns_ = wall_ns - boot_ns + ahead_s_ * kNsPerSecond;
  } else {
    const int64_t drift_ns = (wall_ns - wall_ns_) - (boot_ns - boot_ns_);
    const bool step =
        drift_ns > kDriftMax_s * kNsPerSecond || drift_ns < -kDriftMax_s * kNsPerSecond;
    // Of a step only the whole seconds count; what is left is a drift.
    const int64_t step_s = step ? drift_ns / kNsPerSecond : 0;
    ahead_s_ -= step_s;
    offset_ns_ += drift_ns - step_s * kNsPerSecond;
    if (step) stepped_ = true;
  }
  boot_ns_ = boot_ns;
  wall_ns_ = wall_ns;
  last_s_ = std::max(last_s_, now().lease_s);
  return {boot_ns_, last_s_};
}

std::optional<int64_t> LeaseClock::take_step() {
  if (!stepped_) return std::nullopt;
  stepped_ = false;
  // A clock that was wrong at the start and was set right may now agree.
  return ahead_s_ == 0 ? std::nullopt : std::optional(-ahead_s_);
}

Now LeaseClock::follow(int64_t step_s) {
  ahead_s_ += step_s;
  offset_ns_ += step_s * kNsPerSecond;
  last_s_ = now().lease_s;
  return {boot_ns_, last_s_};
}

// 0 is "never": the first second of 1970 is not used.
Now LeaseClock::now() const {
  const int64_t time_s = (boot_ns_ + offset_ns_) / kNsPerSecond;
  return {boot_ns_, static_cast<LeaseSeconds>(std::clamp<int64_t>(time_s, 1, 0xFFFFFFFE))};
}

}  // namespace hookline::lease
