// The clock that leases live by: as good as the wall clock, and no jump of that ends or prolongs a
// lease.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hookline::lease {

// Lease time = boot clock + an offset. The boot clock counts suspend, so a machine that slept finds
// its leases as much older as they are.
//
// - It starts at the wall clock, but never before the newest time in the journal (a wall clock that
//   lost its battery): what is past stays past.
// - The wall clock drifts against the boot clock (NTP slews it): up to kDriftMax_s between two
//   readings is taken over.
// - The wall clock is stepped by more than that, either way: lease time goes on as if nothing had
//   happened. take_step() then tells, once, how far it is behind the wall clock. When the journal
//   has a record of that step (it reads all earlier times as that much later, so their distance to
//   now stays), the leases and this clock go to the new time together:
//
//     if (auto step = clock.take_step(); step && journal.commit_clock_step(*step, now)) {
//       engine.shift_times(*step);  // nothing may be pending
//       now = clock.follow(*step);
//     }
//
//   Without it lease time stays where it was, which is right for all leases; only wall_of() has to
//   make up for the difference.
// - Between two follow() it never goes back: a drift backwards makes it stand until it is reached.
//
// Pure: readings come in as arguments. Packet thread only.
class LeaseClock {
 public:
  static constexpr int64_t kDriftMax_s = 2;

  // `newest`: the newest time at which a record in the journal was committed; 0: none.
  explicit LeaseClock(LeaseSeconds newest = 0) : newest_(newest) {}

  // CLOCK_BOOTTIME and CLOCK_REALTIME, read together.
  Now read(int64_t boot_ns, int64_t wall_ns);

  // After a step of the wall clock: seconds from lease time to the wall clock, once a step.
  std::optional<int64_t> take_step();
  // Lease time goes by `step_s`. REQUIRES: read() was called.
  Now follow(int64_t step_s);

  // Lease time minus wall clock, in whole seconds.
  int64_t ahead_s() const { return ahead_s_; }
  // For people: seconds since 1970 on the wall clock as it is now.
  int64_t wall_of(LeaseSeconds time) const { return int64_t{time} - ahead_s_; }

 private:
  Now now() const;

  LeaseSeconds newest_;
  bool started_ = false;
  bool stepped_ = false;  // and not told yet
  int64_t boot_ns_ = 0;
  int64_t wall_ns_ = 0;
  int64_t offset_ns_ = 0;  // lease time minus boot clock
  int64_t ahead_s_ = 0;
  LeaseSeconds last_s_ = 0;
};

}  // namespace hookline::lease
