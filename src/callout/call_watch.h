// How long the packet thread has waited for one call of a helper, and whether that is enough. A
// callout that takes too long has failed; one that a busy machine keeps from running has not.
//
// Who sleeps has its budget of the clock's time; who wants to run, so much of a processor. Whatever
// it is up to, it has kCallBudgetsMax budgets and kCallSlackNs of the clock's time. That is counted
// as the packet thread sees it: what it did itself in full, and of each sleep a step, so that a
// pause of the whole machine is not charged.
#pragma once

#include <cstdint>
#include <optional>

#include "io/helper.h"

namespace hookline::callout {

inline constexpr int64_t kCallBudgetsMax = 8;
inline constexpr int64_t kCallSlackNs = 50'000'000;

// Is it the helper's own doing that it makes no progress?
class ProcessorWatch {
 public:
  void progressed() { cpu_ns_.reset(); }
  // Not where it wants to run, and has not had a budget of a processor since it was asked first.
  bool hangs(io::HelperProcess& helper, int64_t budget_ns);

 private:
  std::optional<int64_t> cpu_ns_;
};

class CallWatch {
 public:
  // The packet thread begins to wait.
  CallWatch(int64_t budget_ns, int64_t now_ns);
  // How long it may sleep at once.
  int64_t step_ns() const { return step_ns_; }
  // The call has been answered, and another one is waited for.
  void progressed();
  // Before each sleep: is it time to give up?
  bool is_over(int64_t now_ns, io::HelperProcess& helper);
  // After each sleep, which began when is_over() was asked.
  void woke(int64_t now_ns);

 private:
  int64_t budget_ns_;
  int64_t step_ns_;
  int64_t seen_ns_;  // up to here it is counted
  int64_t spent_ns_ = 0;
  ProcessorWatch processor_;
};

}  // namespace hookline::callout
