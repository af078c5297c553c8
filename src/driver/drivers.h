// [[filter.driver]]: loading packet callout drivers into the running server, and out of it again
// under traffic.
//
// What a driver runs at its start and its end runs on a thread made for it, with a deadline: a
// driver that hangs costs an error, not the server. Whatever still runs a driver's code keeps the
// driver's file in memory; then it is "hanging" or "stuck", and only the end of the process frees
// it.
//
// Threads: start(), apply(), reload() and unload_all() one at a time, on any thread but the packet
// thread, which goes on with its turns meanwhile. before(), after() and breach() are the engine's
// (filter/call_watch.h). Everything else: any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "driver/loaded_driver.h"
#include "filter/call_watch.h"
#include "io/library.h"

namespace hookline::driver {

// Requests to control devices that run at once, those that nobody waits for any more included.
inline constexpr size_t kControlCallsMax = 16;
// Bytes that a request may carry each way.
inline constexpr size_t kControlBytesMax = size_t{16} * 1024;

struct Options {
  std::chrono::milliseconds start_wait{10'000};
  std::chrono::milliseconds unload_wait{5'000};
  std::chrono::milliseconds control_wait{10'000};
  // Called about every millisecond while a driver starts or unloads, by whoever waits for it: a
  // simulation, where that is the packet thread, takes turns here.
  std::function<void()> while_waiting;
  // The clock that drivers live by; null: the system's.
  HooklineDriverClock clock = nullptr;
  void* clock_context = nullptr;
};

// For `hookline filter`.
struct DriverReport {
  std::string name;
  std::string path;
  State state = State::Running;
  std::string why;  // when it is hanging or stuck, or could not be loaded
  bool required = false;
  uint64_t breaches = 0;
  std::vector<std::string> devices;
  const void* device = nullptr;  // what its callouts are registered with
};

struct ControlAnswer {
  uint32_t status = 0;  // NTSTATUS
  std::vector<uint8_t> data;
};

class Drivers final : public filter::CallWatch {
 public:
  Drivers(io::Libraries& libraries, Logger& log, Options options = {});
  // Unloads what is left. When something is stuck the process has to end without destroying what
  // drivers use: see any_left().
  ~Drivers();
  Drivers(const Drivers&) = delete;
  Drivers& operator=(const Drivers&) = delete;

  // Before anything is loaded; the services outlive the drivers.
  void connect(Services services) { services_.emplace(services); }

  // At the start of the server: loads them in order. The error is the first required one's.
  Result<void> start(const FilterConfig& config);
  // After a reload of the configuration: unloads what is not in it any more or differs, then loads
  // what is new. Lines for the operator, what failed included; a required driver that does not load
  // is no more than that here.
  std::vector<std::string> apply(const FilterConfig& config);
  // Unloads all and loads them again.
  std::vector<std::string> reload();
  // In the reverse order of loading.
  void unload_all();
  // Something of a driver still runs, or may.
  bool any_left() const;

  std::vector<DriverReport> report() const;
  // "name: why", of the drivers that are configured and did not load.
  std::vector<std::string> missing() const;
  // The driver whose function the packet thread is inside of; empty: none.
  std::string running() const;

  // `name`: a driver's, whose first device is meant, or a device's. The error is about the name or
  // the size; else a number for control_next() and control_close().
  Result<uint64_t> control_open(std::string_view name, uint32_t code, std::vector<uint8_t> in);
  // Nothing yet; or the answer; or why there is none.
  std::optional<Result<ControlAnswer>> control_next(uint64_t call);
  void control_close(uint64_t call);

  // After each change of the clock in the options: what has become due has run when this returns.
  void clock_changed();

  void before(const filter::CalloutName& callout, filter::CalloutCall call) override;
  void after(const filter::CalloutName& callout, filter::CalloutCall call) override;
  void breach(const filter::CalloutName& callout, filter::CalloutCall call,
              std::string_view text) override;

 private:
  using Shared = std::shared_ptr<LoadedDriver>;
  struct ControlCall;

  std::string path_of(const FilterDriver& driver) const;
  Result<void> load(const FilterDriver& config);
  std::string unload(const Shared& driver);
  void forget(const Shared& driver);
  bool run_within(std::chrono::milliseconds wait, std::function<void()> work);
  std::vector<HooklineDriverAttach> attached() const;
  Shared find(std::string_view name, uint32_t& device) const;
  std::vector<std::string> load_all(const std::vector<FilterDriver>& configs);
  void fail_load(const FilterDriver& config, const std::string& why);
  void reap();

  io::Libraries& libraries_;
  Logger& log_;
  Options options_;
  std::optional<Services> services_;
  Devices devices_;
  std::string dir_;  // where relative paths begin
  std::atomic<const LoadedDriver*> on_packet_thread_{nullptr};

  struct Missing {
    FilterDriver config;
    std::string why;
  };
  mutable std::mutex mutex_;     // what follows
  std::vector<Shared> drivers_;  // in the order of loading, those that are stuck included
  std::vector<Missing> missing_;
  std::vector<std::pair<const LoadedDriver*, std::string>> stuck_;
  std::vector<std::shared_ptr<ControlCall>> calls_;
  uint64_t next_call_ = 1;
};

}  // namespace hookline::driver
