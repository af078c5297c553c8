// What the operator asks for, done on the running server: control::Service over Core. Control
// thread; whatever touches the packet thread's state goes through the Mailbox.
#pragma once

#include <functional>
#include <string>

#include "control/service.h"
#include "server/core.h"
#include "server/mailbox.h"

namespace hookline::server {

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
                  LoadConfig load, Logger& log);

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
  Result<void> resume_journal() override;
  Result<uint64_t> trace_open(std::string_view client) override;
  bool trace_next(uint64_t trace, std::string& line) override;
  void trace_close(uint64_t trace) override;

 private:
  // Runs `job` on the packet thread; Busy when that has stopped.
  Result<void> on_packet_thread(const std::function<void()>& job);
  void fill_status(control::Status& status);
  control::LeaseRow row_of(const LeaseRecord& record) const;
  control::ScopeRow row_of(const Scope& scope) const;

  Core& core_;
  Mailbox& mailbox_;
  io::Clock& clock_;
  ServerFacts facts_;
  LoadConfig load_;
  Logger& log_;
  io::ClockReading started_;
  int64_t config_loaded_s_;
};

}  // namespace hookline::server
