#include "callout/call_watch.h"

#include <algorithm>

namespace hookline::callout {

namespace {

// A budget has this many steps.
constexpr int64_t kBudgetSteps = 4;

}  // namespace

bool ProcessorWatch::hangs(io::HelperProcess& helper, int64_t budget_ns) {
  const auto activity = helper.activity();
  if (!activity) return true;
  const bool asked_first = !cpu_ns_;
  if (asked_first) cpu_ns_ = activity->cpu_ns;
  if (!activity->is_runnable) return true;
  return !asked_first && activity->cpu_ns - *cpu_ns_ >= budget_ns;
}

CallWatch::CallWatch(int64_t budget_ns, int64_t now_ns)
    : budget_ns_(budget_ns),
      step_ns_(std::max<int64_t>(budget_ns / kBudgetSteps, 1)),
      seen_ns_(now_ns) {}

void CallWatch::progressed() {
  spent_ns_ = 0;
  processor_.progressed();
}

bool CallWatch::is_over(int64_t now_ns, io::HelperProcess& helper) {
  spent_ns_ += now_ns - seen_ns_;
  seen_ns_ = now_ns;
  // From the first step on, what it gets of a processor counts.
  const bool overdue =
      spent_ns_ >= step_ns_ && processor_.hangs(helper, budget_ns_) && spent_ns_ >= budget_ns_;
  return overdue || spent_ns_ >= kCallBudgetsMax * budget_ns_ + kCallSlackNs;
}

void CallWatch::woke(int64_t now_ns) {
  spent_ns_ += std::min(now_ns - seen_ns_, step_ns_);
  seen_ns_ = now_ns;
}

}  // namespace hookline::callout
