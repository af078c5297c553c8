// What the hooks of one host did: counted, timed, and said in the log, at most one line a second,
// since a callout that goes wrong does so with every packet. Packet thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "base/log.h"
#include "callout/hook_times.h"
#include "callout/host.h"
#include "io/clock.h"

namespace hookline::callout {

class Ledger {
 public:
  // `slow_ns`: calls that take longer are counted and logged; 0: none. The references outlive it.
  Ledger(std::string name, int64_t slow_ns, io::Clock& clock, Logger& log)
      : name_(std::move(name)), slow_ns_(slow_ns), clock_(clock), log_(log) {}

  const std::string& name() const { return name_; }
  void took(Hook hook, int64_t ns);
  // The answer of NewPkt or PktSend.
  void answered(const Call& call);
  void breach(Hook hook, Breach what, std::string_view text);
  void context_set() { ++contexts_set_; }
  // Allocates.
  HostStats stats(std::string path, HookSet hooks) const;

 private:
  bool may_log();

  std::string name_;
  int64_t slow_ns_;
  io::Clock& clock_;
  Logger& log_;
  std::array<HookTimes, kHookCount> times_;
  std::array<uint64_t, kHookCount> slow_{};
  std::array<std::array<uint64_t, kBreachCount>, kHookCount> breaches_{};
  uint64_t refused_ = 0, edited_ = 0, suppressed_ = 0, contexts_set_ = 0;
  bool exception_logged_ = false;
  int64_t logged_ns_ = 0;    // when the last line was written
  uint64_t not_logged_ = 0;  // lines since then
};

}  // namespace hookline::callout
