// What the operator asks for, done on the running server: control::Service over Core. Control
// thread; whatever touches the packet thread's state goes through the Mailbox.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "callout/loader.h"
#include "control/service.h"
#include "driver/drivers.h"
#include "server/core.h"
#include "server/mailbox.h"

namespace hookline::server {

// Where callouts come from, and which of them did not come at the start.
struct CalloutSource {
  std::function<callout::Loader::Prepared(const CalloutConfig&)> prepare;
  std::function<callout::Loader::Loaded(callout::Loader::Prepared)> finish;
  std::function<callout::Loader::Attempt(const CalloutConfig&, const std::string&)> load_again;
  std::vector<std::string> missing;
};

struct ServerFacts {
  std::string version;
  int64_t pid = 0;
  std::string state_dir;
};

class OperatorService final : public control::Service {
 public:
  // `load` reads the configuration file again: the new one, or all its errors.
  using LoadConfig = std::function<Result<std::shared_ptr<const Config>>()>;

  OperatorService(Core& core, Mailbox& mailbox, io::Clock& clock, ServerFacts facts,
                  LoadConfig load, CalloutSource callouts, driver::Drivers& drivers, Logger& log);

  const Counters& counters() const override { return core_.counters(); }
  Result<control::Status> status() override;
  Result<std::vector<control::ScopeRow>> scopes() override;
  Result<control::LeasePage> leases(const control::LeaseFilter& filter, uint64_t& cursor,
                                    size_t max) override;
  Result<void> release_lease(Ipv4 address) override;
  Result<void> delete_lease(Ipv4 address) override;
  Result<void> pause() override;
  Result<void> resume() override;
  Result<void> set_authorized(bool authorized) override;
  Result<std::string> reload() override;
  Result<std::vector<control::CalloutRow>> callouts() override;
  Result<std::vector<control::CalloutFaultRow>> callout_faults() override;
  Result<std::string> reload_callouts() override;
  Result<std::string> reload_callout(std::string_view name) override;
  Result<control::FilterView> filter() override;
  Result<std::string> reload_drivers() override;
  Result<uint64_t> ioctl_open(std::string_view name, uint32_t code,
                              std::vector<uint8_t> input) override;
  std::optional<Result<control::IoctlAnswer>> ioctl_next(uint64_t request) override;
  void ioctl_close(uint64_t request) override;
  Result<void> resume_journal() override;
  Result<uint64_t> trace_open(std::string_view client) override;
  bool trace_next(uint64_t trace, std::string& line) override;
  void trace_close(uint64_t trace) override;

 private:
  // Runs `job` on the packet thread; Busy when that has stopped.
  Result<void> on_packet_thread(const std::function<void()>& job);
  void fill_status(control::Status& status);
  void finish_reload();
  control::LeaseRow row_of(const LeaseRecord& record) const;
  control::ScopeRow row_of(const Scope& scope) const;

  Core& core_;
  Mailbox& mailbox_;
  io::Clock& clock_;
  ServerFacts facts_;
  LoadConfig load_;
  CalloutSource callouts_;
  driver::Drivers& drivers_;
  Logger& log_;
  io::ClockReading started_;
  std::mutex reloading_;  // by a signal or by an operator: one at a time
  std::atomic<int64_t> config_loaded_s_;
};

}  // namespace hookline::server
