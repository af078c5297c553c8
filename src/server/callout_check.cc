#include "server/callout_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <new>

#include "base/time.h"
#include "config/load.h"
#include "io/linux/child.h"
#include "io/linux/clock.h"
#include "io/linux/wine.h"
#include "server/check_exchanges.h"
#include "server/check_report.h"
#include "server/check_run.h"
#include "server/cli_errors.h"

namespace hookline::check {

namespace {

// Test hosts that may end early before the check gives up.
constexpr int kHostsMax = 16;

class Check {
 public:
  Check(const CheckOptions& options, CalloutConfig callouts, Sheet& sheet)
      : options_(options), callouts_(std::move(callouts)), sheet_(sheet) {}

  Result<void> run();
  const std::vector<Finding>& ends() const { return ends_; }

 private:
  Result<io::ChildEnd> run_host(uint32_t first);
  bool makes_progress();
  // False: there is no use in going on behind the exchange where it ended.
  bool note_end(const io::ChildEnd& end);
  std::string text_of(const io::ChildEnd& end) const;

  const CheckOptions& options_;
  CalloutConfig callouts_;
  Sheet& sheet_;
  std::vector<Finding> ends_;
  io::LinuxClock clock_;
  uint64_t steps_ = 0;
  int64_t stepped_ns_ = 0;
};

bool Check::makes_progress() {
  const int64_t now_ns = clock_.read().boot_ns;
  const uint64_t steps = sheet_.steps.load(std::memory_order_relaxed);
  if (steps != steps_) stepped_ns_ = now_ns;
  steps_ = steps;
  return now_ns - stepped_ns_ < options_.timeout_ns;
}

Result<io::ChildEnd> Check::run_host(uint32_t first) {
  sheet_.place = kPlaceOutside;
  sheet_.fault = {};
  stepped_ns_ = clock_.read().boot_ns;
  return io::run_in_child(
      [&] {
        std::FILE* const log_file = options_.verbose ? stderr : std::fopen("/dev/null", "we");
        Logger log(log_file, LogLevel::Info);
        drive_exchanges(callouts_, first, options_.rounds, options_.budget_ns, log, sheet_);
      },
      [&] { return makes_progress(); });
}

std::string Check::text_of(const io::ChildEnd& end) const {
  const auto& fault = sheet_.fault;
  if (fault[0] != '\0') {
    return "crashed: " + std::string(fault.begin(), std::find(fault.begin(), fault.end(), '\0'));
  }
  switch (end.how) {
    case io::ChildEnd::How::Stopped:
      return fmt::format("did not return within {} s",
                         static_cast<double>(options_.timeout_ns) / kNsPerSecond);
    case io::ChildEnd::How::Killed:
      return fmt::format("crashed: {}", io::signal_name(end.code));
    case io::ChildEnd::How::Exited:
      break;
  }
  return fmt::format("ended the process, with exit status {}", end.code);
}

bool Check::note_end(const io::ChildEnd& end) {
  Finding finding{place_name(sheet_.place), text_of(end), exchange_name(sheet_.exchange), 1};
  for (Finding& before : ends_) {
    if (before.where != finding.where || before.what != finding.what) continue;
    ++before.times;
    return false;
  }
  ends_.push_back(std::move(finding));
  return true;
}

// Behind an exchange in which it ended, another test host goes on; until one ends as one did
// before.
Result<void> Check::run() {
  uint32_t first = 0;
  for (int hosts = 0; hosts < kHostsMax && first < exchange_count(); ++hosts) {
    const auto end = run_host(first);
    if (!end) return tl::unexpected(end.error());
    if (sheet_.done || sheet_.load_failed) return {};
    const uint32_t place = sheet_.place;
    const bool was_loaded = sheet_.loaded;
    if (!note_end(*end)) return {};
    // What it does while it is loaded it does every time.
    if (!was_loaded && (place == kPlaceLoading || place == kPlaceEntry)) return {};
    first = std::max(first, sheet_.exchange.load()) + 1;
  }
  return {};
}

Result<CalloutConfig> callouts_of(const CheckOptions& options) {
  CalloutConfig callouts;
  if (!options.config.empty()) {
    const config::Loaded loaded = config::load_file(options.config);
    if (loaded.config == nullptr) {
      return fail(ErrorKind::Invalid,
                  loaded.errors.empty() ? "it cannot be read" : config::format(loaded.errors[0]));
    }
    callouts = loaded.config->callouts;
  }
  std::error_code error;
  const auto path = std::filesystem::absolute(options.file, error);
  if (error) return fail(ErrorKind::Invalid, options.file + ": " + error.message());
  callouts.enabled = true;
  callouts.chaining = CalloutChaining::ByServer;
  callouts.names = {path.string()};
  callouts.warn_slower_ns = 0;
  callouts.each = {callouts.hosting};
  callouts.each[0].budget_ns = options.timeout_ns;
  if (io::is_windows_file(callouts.names[0])) callouts.each[0].place = CalloutPlace::Wine;
  return callouts;
}

// What a Windows DLL needs and cannot get, before anything of it runs. Invalid: it will not load.
Result<void> tell_imports(const std::string& path, std::FILE* out) {
  const auto unmet = io::check_windows_dll(path);
  if (!unmet) return fail(unmet.error().kind, path + ": " + unmet.error().text);
  for (const io::PeUnmet& one : *unmet) fmt::print(out, "UNMET import {}\n", one.text());
  const std::string missing = io::missing_dlls(*unmet);
  if (!missing.empty()) return fail(ErrorKind::Invalid, path + ": " + missing);
  return {};
}

}  // namespace

int run_callout_check(const CheckOptions& options, cli::Streams streams) {
  auto callouts = callouts_of(options);
  if (!callouts) {
    cli::failed(callouts.error(), streams);
    return cli::kExitUsage;
  }
  if (io::is_windows_file(callouts->names[0])) {
    if (auto can = tell_imports(callouts->names[0], options.json ? streams.err : streams.out);
        !can) {
      cli::failed(can.error(), streams);
      return cli::kExitUsage;
    }
  }
  const auto memory = io::SharedMemory::make(sizeof(Sheet));
  if (!memory) return cli::failed(memory.error(), streams);
  auto& sheet = *new (memory->data()) Sheet;
  Check check(options, std::move(*callouts), sheet);
  if (auto done = check.run(); !done) return cli::failed(done.error(), streams);
  if (!sheet.loaded && sheet.load_failed) {
    cli::failed(failure_text(sheet), streams);
    if (options.json) print_json(options, sheet, {}, streams.out);
    return cli::kExitUsage;
  }
  const std::vector<Finding> findings = find_breaches(options, sheet, check.ends());
  if (options.json) {
    print_json(options, sheet, findings, streams.out);
  } else {
    print_table(options, sheet, findings, streams.out);
  }
  return findings.empty() ? cli::kExitOk : cli::kExitFailed;
}

}  // namespace hookline::check
