#include "callout/ledger.h"

#include <utility>

#include "base/time.h"

namespace hookline::callout {

void Ledger::took(Hook hook, int64_t ns) {
  times_[static_cast<size_t>(hook)].add(ns);
  if (slow_ns_ == 0 || ns <= slow_ns_) return;
  ++slow_[static_cast<size_t>(hook)];
  if (!may_log()) return;
  log_.warning("a callout is slow; every packet waits meanwhile",
               {{"dll", name_},
                {"hook", hook_name(hook)},
                {"us", ns / 1000},
                {"lines_left_out", std::exchange(not_logged_, 0)}});
}

void Ledger::answered(const Call& call) {
  if (!call.process_it) {
    ++refused_;
  } else if (call.changed && call.size == 0) {
    ++suppressed_;
  } else if (call.changed) {
    ++edited_;
  }
}

void Ledger::breach(Hook hook, Breach what, std::string_view text) {
  ++breaches_[static_cast<size_t>(hook)][static_cast<size_t>(what)];
  if (what == Breach::Exception) {
    if (std::exchange(exception_logged_, true)) return;
    log_.error("a callout caused an exception; it is ignored, and all further ones will be",
               {{"event", 1031}, {"dll", name_}, {"hook", hook_name(hook)}, {"what", text}});
    return;
  }
  if (!may_log()) return;
  log_.warning("a callout broke its contract; the packet goes on as if it had not been called",
               {{"dll", name_},
                {"hook", hook_name(hook)},
                {"what", text},
                {"lines_left_out", std::exchange(not_logged_, 0)}});
}

bool Ledger::may_log() {
  const int64_t now_ns = clock_.read().boot_ns;
  if (logged_ns_ != 0 && now_ns - logged_ns_ < kNsPerSecond) {
    ++not_logged_;
    return false;
  }
  logged_ns_ = now_ns;
  return true;
}

HostStats Ledger::stats(std::string path, HookSet hooks) const {
  HostStats stats;
  stats.name = name_;
  stats.path = std::move(path);
  stats.hooks = hooks;
  stats.refused = refused_;
  stats.edited = edited_;
  stats.suppressed = suppressed_;
  stats.contexts = contexts_set_;
  for (size_t i = 0; i < kHookCount; ++i) {
    const HookTimes& times = times_[i];
    stats.by_hook[i] = {times.count(),
                        times.total_ns(),
                        times.percentile_ns(500),
                        times.percentile_ns(990),
                        times.max_ns(),
                        slow_[i],
                        breaches_[i],
                        0};
  }
  return stats;
}

}  // namespace hookline::callout
