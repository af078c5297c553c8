// The helper's end of a ring: takes the calls, runs the hooks, writes the answers. One thread, in
// the helper process.
#pragma once

#include <string_view>

#include "callout/hook_runner.h"
#include "callout/ring.h"
#include "io/clock.h"
#include "io/helper_side.h"

namespace hookline::callout {

class RingServer final : private HookWatcher {
 public:
  // The references outlive it.
  RingServer(io::HelperSide& side, io::Clock& clock)
      : side_(side), clock_(clock), view_(side.shared().data()) {}

  // What came of loading: this first.
  void loaded(HookSet hooks, std::string_view path);
  void failed(bool exception, std::string_view why);

  HookWatcher& watcher() { return *this; }
  // Runs what comes until the server says to stop. False: it can't be heard any more.
  bool serve(HookRunner& runner);

 private:
  void breach(Hook hook, Breach what, std::string_view text) override;
  void context_set() override { answer_->context_set = 1; }

  bool wait_for_work();
  void run_one(HookRunner& runner, uint32_t n);
  void finish(uint32_t n);
  void say(ring::Stage stage, std::string_view text);

  io::HelperSide& side_;
  io::Clock& clock_;
  ring::View view_;
  ring::Answer* answer_ = nullptr;
  int64_t spin_ns_ = 0;
  uint64_t ticks_ = 0;  // when the call before ended, or the wait
};

}  // namespace hookline::callout
