// The callout under check, between the server and the host that really runs it: notes each call on
// the sheet before it is made, and what came of it.
#pragma once

#include <memory>
#include <string>

#include "callout/host.h"
#include "io/clock.h"
#include "io/library.h"
#include "server/check_sheet.h"

namespace hookline::check {

class WatchedHost;

// One for the whole test. One thread.
class Watch {
 public:
  Watch(Sheet& sheet, io::Clock& clock, int64_t budget_ns)
      : sheet_(sheet), clock_(clock), budget_ns_(budget_ns) {}

  void enter(uint32_t place);
  void leave() { enter(kPlaceOutside); }
  // From here on calls belong to this exchange; it is reached when this hook is called with this
  // code. 0: with any.
  void begin(uint32_t exchange, callout::Hook hook, uint32_t code);
  void end();

 private:
  friend class WatchedHost;
  void called(const callout::Call& call, bool wanted, int64_t ns);
  void add(const callout::HostStats& now, const callout::HostStats& before);

  Sheet& sheet_;
  io::Clock& clock_;
  int64_t budget_ns_;
  WatchedHost* host_ = nullptr;
  callout::Hook expected_ = callout::Hook::Control;
  uint32_t expected_code_ = 0;
  bool reached_ = false;
};

class WatchedHost final : public callout::Host {
 public:
  WatchedHost(std::unique_ptr<callout::Host> inner, Watch& watch);
  ~WatchedHost() override;

  std::string_view name() const override { return inner_->name(); }
  // All of them, so that the exchanges are seen whatever the callout asked for.
  callout::HookSet hooks() const override { return 0xFF; }
  void run(std::span<callout::Call> calls) override;
  callout::HostStats stats() const override { return inner_->stats(); }
  // What the inner host counted since the last time goes to the sheet.
  void settle();

 private:
  std::unique_ptr<callout::Host> inner_;
  Watch& watch_;
  // How long the hook took, without the way to it.
  int64_t wait_for_answer();

  callout::HostStats settled_;
  uint64_t wanted_ = 0;    // calls of the hooks that it set
  uint64_t total_ns_ = 0;  // that they took
};

// Notes on the sheet that a library is being loaded, and when its entry point is asked for, which
// is called next.
class WatchedLibraries final : public io::Libraries {
 public:
  WatchedLibraries(io::Libraries& inner, Watch& watch) : inner_(inner), watch_(watch) {}
  bool exists(const std::string& path) const override { return inner_.exists(path); }
  Result<std::unique_ptr<io::Library>> open(const std::string& path) override;

 private:
  io::Libraries& inner_;
  Watch& watch_;
};

}  // namespace hookline::check
