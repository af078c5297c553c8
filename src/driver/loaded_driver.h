// One driver in memory: what the filter and the injector know it by, and the table of functions
// that it calls. Made by Drivers, which decides when it is started, unloaded and forgotten.
//
// Threads: whatever the driver runs on. The functions of its table are called by any of them; start
// and unload by the one thread that Drivers has made for it.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"
#include "driver/devices.h"
#include "driver/image.h"
#include "driver/services.h"
#include "hookline/driver_host.h"
#include "line/config.h"
#include "line/driver.h"

namespace hookline::driver {

enum class State : uint8_t {
  Starting,  // its file is being loaded, or DriverEntry runs
  Running,
  Unloading,
  Hanging,  // DriverEntry did not return in time; what it runs is left alone
  Stuck,    // it did not unload in time, or left threads: its file stays in memory
  Gone,     // nothing of it runs any more
};
std::string_view state_name(State state);

// Lines that a driver may log at once, and in each second.
inline constexpr uint32_t kDriverLogLinesMax = 200;

// The functions of fwp_calls.def that nobody here has: they give STATUS_NOT_SUPPORTED.
std::vector<std::string_view> lacking_functions();

class LoadedDriver final : public Driver {
 public:
  LoadedDriver(FilterDriver config, Services services, Devices& devices, Logger& log);
  LoadedDriver(const LoadedDriver&) = delete;
  LoadedDriver& operator=(const LoadedDriver&) = delete;

  // --- line/driver.h --------------------------------------------------------------------------
  std::string_view name() const override { return config_.name; }
  uint8_t enter(uint8_t irql) override;
  void leave(uint8_t before) override;
  void breach(std::string_view function, std::string_view text) override;

  // Between before() and after() of one call: what a breach in it is called by.
  void enter_callout(std::string_view function, uint8_t irql);
  void leave_callout();

  // --- its life -------------------------------------------------------------------------------
  struct Start {
    std::string path;
    std::vector<HooklineDriverAttach> known;  // of the other drivers that are in memory
    HooklineDriverClock clock = nullptr;      // null: the system's
    void* clock_context = nullptr;
  };
  // On a thread of its own: maps the file, attaches and runs DriverEntry.
  Result<void> start(io::Libraries& libraries, const Start& how);
  bool has_entered() const { return entered_; }  // DriverEntry was called: unload() is due
  // On a thread of its own, until `deadline`: runs its unload routine, and takes away and reports
  // what it left. Empty: nothing of it runs any more, and close() may be called; else why it must
  // stay in memory.
  std::string unload(std::chrono::steady_clock::time_point deadline);
  void close() { image_.library.reset(); }

  // Blocks until the driver has completed the request. Any thread; false: it is being unloaded.
  bool control(uint32_t device, uint32_t code, const std::vector<uint8_t>& in,
               std::vector<uint8_t>& out, uint32_t& status);

  const FilterDriver& config() const { return config_; }
  const Image& image() const { return image_; }
  uint64_t breaches() const { return breaches_.load(std::memory_order_relaxed); }
  std::atomic<State> state{State::Starting};

  // --- its calls (host_table.cc) --------------------------------------------------------------
  Services& services() { return services_; }
  void not_supported(const char* function);
  void check_no_locks(const char* function);
  void session_opened(HANDLE session, bool dynamic);
  void session_closed(HANDLE session);

 private:
  void fill_table();
  void write_log(uint32_t severity, const char* text);
  uint32_t device_created(uint32_t device, const char* name);
  void wait_for_controls(std::chrono::steady_clock::time_point deadline, std::string& stuck);
  void sweep(std::string& stuck);

  const FilterDriver config_;
  const std::vector<RegistryValue> parameters_;  // of its Parameters key
  Services services_;
  Devices& devices_;
  Logger& log_;
  Image image_;
  HooklineDriverHost host_{};
  bool entered_ = false;
  std::atomic<uint64_t> breaches_{0};
  std::atomic<uint32_t> controls_{0};  // that are inside the library
  std::atomic<bool> closing_{false};

  std::mutex mutex_;                 // what follows
  std::vector<const char*> missed_;  // functions that it called and that are not there
  struct Session {
    HANDLE handle;
    bool dynamic;
  };
  std::vector<Session> sessions_;  // open ones, and those that may have left something
  uint32_t log_lines_ = 0;
  uint64_t log_lines_lost_ = 0;
  std::chrono::steady_clock::time_point log_second_{};
};

}  // namespace hookline::driver
