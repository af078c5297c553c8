// The host whose hooks run in this process, on the packet thread: fastest, and trusting. What is
// caught: C++ exceptions, nonsense sizes, swapped pointers to memory that is not there, writes just
// outside the buffers. A crash ends the server.
//
// Shows the SDK's types, as hook_runner.h does: for the loader, which makes hosts, and for tests.
#pragma once

#include <string_view>

#include "base/log.h"
#include "callout/hook_runner.h"
#include "callout/host.h"
#include "callout/ledger.h"
#include "callout/loading.h"
#include "io/clock.h"
#include "io/memory.h"

namespace hookline::callout {

class InProcessHost final : public Host, private HookWatcher {
 public:
  struct Options {
    int64_t slow_ns = 1'000'000;  // calls that take longer are counted and logged; 0: none
    size_t slots = kPacketsMax;   // of the packet pool
  };

  // Reserves its buffers (about 12.5 KB a slot, touched when used). The references outlive it.
  InProcessHost(LoadedCallout callout, Options options, io::Clock& clock, io::Memory& memory,
                Logger& log);
  ~InProcessHost() override;

  std::string_view name() const override { return callout_.name; }
  HookSet hooks() const override { return runner_.hooks(); }
  void run(std::span<Call> calls) override;
  HostStats stats() const override { return ledger_.stats(callout_.path, hooks()); }

 private:
  void breach(Hook hook, Breach what, std::string_view text) override {
    ledger_.breach(hook, what, text);
  }
  void context_set() override { ledger_.context_set(); }

  LoadedCallout callout_;
  io::Clock& clock_;
  Ledger ledger_;
  HookRunner runner_;
};

}  // namespace hookline::callout
