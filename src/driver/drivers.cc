#include "driver/drivers.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>

#include "base/utf16.h"

namespace hookline::driver {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint8_t kPassiveLevel = 0;
constexpr uint8_t kDispatchLevel = 2;

std::string_view function_name(filter::CalloutCall call) {
  switch (call) {
    case filter::CalloutCall::Classify:
      return "classifyFn";
    case filter::CalloutCall::Notify:
      return "notifyFn";
    case filter::CalloutCall::FlowDelete:
      break;
  }
  return "flowDeleteFn";
}

LoadedDriver* driver_of(const filter::CalloutName& callout) {
  return static_cast<LoadedDriver*>(callout.device);
}

}  // namespace

// A request on its way. The thread that carries it has one share of it, control_next() the other.
struct Drivers::ControlCall {
  uint64_t number = 0;
  Clock::time_point deadline;
  std::string driver;
  bool wanted = true;  // guarded by Drivers::mutex_, like the next two
  bool ended = false;
  Result<ControlAnswer> answer;
  std::thread thread;
};

Drivers::Drivers(io::Libraries& libraries, Logger& log, Options options)
    : libraries_(libraries), log_(log), options_(std::move(options)) {}

Drivers::~Drivers() {
  // What may still run stays in memory with its table of functions, to the end of the process.
  static auto* const for_ever = std::make_unique<std::vector<Shared>>().release();
  unload_all();
  const std::lock_guard lock(mutex_);
  for_ever->insert(for_ever->end(), drivers_.begin(), drivers_.end());
  for (const auto& call : calls_) call->wanted = false;
  reap();
  for (const auto& call : calls_) call->thread.detach();
}

// --- loading ---------------------------------------------------------------------------------

std::string Drivers::path_of(const FilterDriver& driver) const {
  return driver.path.starts_with('/') || dir_.empty() ? driver.path : dir_ + "/" + driver.path;
}

// Work that does not end in time goes on by itself: it owns what it uses.
bool Drivers::run_within(std::chrono::milliseconds wait, std::function<void()> work) {
  struct Work {
    std::mutex mutex;
    std::condition_variable changed;
    bool ended = false;
  };
  auto shared = std::make_shared<Work>();
  std::thread thread([shared, work = std::move(work)] {
    work();
    const std::lock_guard lock(shared->mutex);
    shared->ended = true;
    shared->changed.notify_all();
  });
  const auto deadline = Clock::now() + wait;
  std::unique_lock lock(shared->mutex);
  while (!shared->ended && Clock::now() < deadline) {
    if (!options_.while_waiting) {
      shared->changed.wait_until(lock, deadline);
      continue;
    }
    shared->changed.wait_for(lock, std::chrono::milliseconds(1));
    lock.unlock();
    options_.while_waiting();
    lock.lock();
  }
  const bool ended = shared->ended;
  lock.unlock();
  if (ended) {
    thread.join();
  } else {
    thread.detach();
  }
  return ended;
}

std::vector<HooklineDriverAttach> Drivers::attached() const {
  const std::lock_guard lock(mutex_);
  std::vector<HooklineDriverAttach> out;
  for (const Shared& driver : drivers_) out.push_back(driver->image().attach);
  return out;
}

void Drivers::fail_load(const FilterDriver& config, const std::string& why) {
  log_.error("driver not loaded", {{"driver", config.name}, {"why", why}});
  const std::lock_guard lock(mutex_);
  missing_.push_back({config, why});
}

// What DriverEntry made and failed with is taken back by the same thread, however late that is.
Result<void> Drivers::load(const FilterDriver& config) {
  const LoadedDriver::Start how{path_of(config), attached(), options_.clock,
                                options_.clock_context};
  struct Attempt {
    Shared driver;
    std::mutex mutex;
    bool given_up = false;
    Result<void> outcome;
  };
  auto attempt = std::make_shared<Attempt>();
  attempt->driver = std::make_shared<LoadedDriver>(config, *services_, devices_, log_);
  const auto work = [this, attempt, how] {
    LoadedDriver& driver = *attempt->driver;
    Result<void> outcome = driver.start(libraries_, how);
    std::unique_lock lock(attempt->mutex);
    if (outcome && !attempt->given_up) {
      driver.state = State::Running;
    } else {
      const bool late = attempt->given_up;
      lock.unlock();
      if (late && outcome) outcome = fail(ErrorKind::Busy, "its DriverEntry returned too late");
      std::string stuck;
      if (driver.has_entered()) stuck = driver.unload(Clock::now() + options_.unload_wait);
      if (stuck.empty()) {
        driver.close();
        driver.state = State::Gone;
      } else {
        driver.state = State::Stuck;
        outcome.error().text += "; " + stuck + ", so that its file stays in memory";
      }
      if (late) {
        log_.warning("driver returned from DriverEntry at last",
                     {{"driver", driver.name()}, {"state", state_name(driver.state)}});
      }
      lock.lock();
    }
    attempt->outcome = std::move(outcome);
    forget(attempt->driver);  // when nobody waits for it any more
  };
  {
    const std::lock_guard lock(mutex_);
    drivers_.push_back(attempt->driver);
  }
  const bool ended = run_within(options_.start_wait, work);
  const std::lock_guard lock(attempt->mutex);
  if (!ended && attempt->driver->state == State::Starting) {
    attempt->given_up = true;
    attempt->driver->state = State::Hanging;
    attempt->outcome = fail(
        ErrorKind::Busy, fmt::format("its DriverEntry did not return within {} s; what it runs is "
                                     "left alone, and its file stays in memory",
                                     options_.start_wait.count() / 1000));
  }
  if (!attempt->outcome) forget(attempt->driver);
  if (attempt->outcome) return {};
  return fail(attempt->outcome.error().kind, how.path + ": " + attempt->outcome.error().text);
}

// Those of which something may still run stay known.
void Drivers::forget(const Shared& driver) {
  const std::lock_guard lock(mutex_);
  if (driver->state == State::Gone) std::erase(drivers_, driver);
}

Result<void> Drivers::start(const FilterConfig& config) {
  dir_ = config.dir;
  for (const FilterDriver& driver : config.drivers) {
    auto loaded = load(driver);
    if (!loaded) {
      fail_load(driver, loaded.error().text);
      if (driver.required) {
        return fail(
            loaded.error().kind,
            fmt::format("driver {}: {} (with required = false the server starts without it)",
                        driver.name, loaded.error().text));
      }
      continue;
    }
    log_.info("driver loaded", {{"driver", driver.name}, {"path", path_of(driver)}});
  }
  return {};
}

std::vector<std::string> Drivers::load_all(const std::vector<FilterDriver>& configs) {
  std::vector<std::string> lines;
  for (const FilterDriver& config : configs) {
    if (auto loaded = load(config); !loaded) {
      fail_load(config, loaded.error().text);
      lines.push_back(fmt::format("driver {} not loaded: {}", config.name, loaded.error().text));
      continue;
    }
    log_.info("driver loaded", {{"driver", config.name}, {"path", path_of(config)}});
    lines.push_back(fmt::format("driver {} loaded", config.name));
  }
  return lines;
}

// --- unloading -------------------------------------------------------------------------------

// Empty, or why its file stays in memory.
std::string Drivers::unload(const Shared& driver) {
  driver->state = State::Unloading;
  struct Outcome {
    std::mutex mutex;
    bool given_up = false;
    std::string stuck;
  };
  auto outcome = std::make_shared<Outcome>();
  const auto work = [this, driver, outcome] {
    std::string stuck = driver->unload(Clock::now() + options_.unload_wait);
    if (stuck.empty()) driver->close();
    const std::lock_guard lock(outcome->mutex);
    driver->state = stuck.empty() ? State::Gone : State::Stuck;
    outcome->stuck = std::move(stuck);
    if (!outcome->given_up) return;
    log_.warning("driver ended at last",
                 {{"driver", driver->name()}, {"state", state_name(driver->state)}});
    forget(driver);
  };
  // unload() itself waits for threads and requests; what this has to bound is the driver's routine.
  const bool ended = run_within(2 * options_.unload_wait, work);
  const std::lock_guard lock(outcome->mutex);
  if (!ended && driver->state == State::Unloading) {
    outcome->given_up = true;
    driver->state = State::Stuck;
    outcome->stuck = "its unload routine does not return";
  }
  if (outcome->stuck.empty()) {
    log_.info("driver unloaded", {{"driver", driver->name()}, {"breaches", driver->breaches()}});
  } else {
    log_.error("driver not unloaded: its file stays in memory",
               {{"driver", driver->name()}, {"why", outcome->stuck}});
    const std::lock_guard guard(mutex_);
    stuck_.emplace_back(driver.get(), outcome->stuck);
  }
  forget(driver);
  return outcome->stuck;
}

void Drivers::unload_all() {
  std::vector<Shared> running;
  {
    const std::lock_guard lock(mutex_);
    running.assign(drivers_.rbegin(), drivers_.rend());
    missing_.clear();
  }
  for (const Shared& driver : running) {
    if (driver->state == State::Running) unload(driver);
  }
}

bool Drivers::any_left() const {
  const std::lock_guard lock(mutex_);
  return !drivers_.empty() || std::ranges::any_of(calls_, [](const auto& c) { return !c->ended; });
}

std::vector<std::string> Drivers::apply(const FilterConfig& config) {
  std::vector<Shared> going;
  std::vector<FilterDriver> coming = config.drivers;
  {
    const std::lock_guard lock(mutex_);
    const bool moved = dir_ != config.dir;
    for (const Shared& driver : drivers_) {
      if (driver->state != State::Running) continue;
      const auto same = std::ranges::find(coming, driver->config());
      if (!moved && same != coming.end()) {
        coming.erase(same);
      } else {
        going.push_back(driver);
      }
    }
    dir_ = config.dir;
    missing_.clear();
  }
  std::vector<std::string> lines;
  std::ranges::reverse(going);
  for (const Shared& driver : going) {
    const std::string stuck = unload(driver);
    lines.push_back(stuck.empty() ? fmt::format("driver {} unloaded", driver->name())
                                  : fmt::format("driver {} not unloaded: {}, so that its file "
                                                "stays in memory",
                                                driver->name(), stuck));
  }
  for (std::string& line : load_all(coming)) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> Drivers::reload() {
  FilterConfig config;
  config.dir = dir_;
  {
    const std::lock_guard lock(mutex_);
    for (const Shared& driver : drivers_) {
      if (driver->state == State::Running) config.drivers.push_back(driver->config());
    }
    for (const Missing& missing : missing_) config.drivers.push_back(missing.config);
  }
  FilterConfig none;
  none.dir = dir_;
  std::vector<std::string> lines = apply(none);
  for (std::string& line : apply(config)) lines.push_back(std::move(line));
  return lines;
}

// --- what it knows ---------------------------------------------------------------------------

std::vector<DriverReport> Drivers::report() const {
  const std::lock_guard lock(mutex_);
  std::vector<DriverReport> out;
  for (const Shared& driver : drivers_) {
    DriverReport line;
    line.name = driver->name();
    line.path = path_of(driver->config());
    line.state = driver->state;
    line.required = driver->config().required;
    line.breaches = driver->breaches();
    line.devices = devices_.names(driver.get());
    line.device = driver.get();
    for (const auto& [stuck, why] : stuck_) {
      if (stuck == driver.get()) line.why = why;
    }
    out.push_back(std::move(line));
  }
  for (const Missing& missing : missing_) {
    DriverReport line;
    line.name = missing.config.name;
    line.path = path_of(missing.config);
    line.state = State::Gone;
    line.required = missing.config.required;
    line.why = missing.why;
    out.push_back(std::move(line));
  }
  return out;
}

std::vector<std::string> Drivers::missing() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const Missing& missing : missing_) out.push_back(missing.config.name + ": " + missing.why);
  return out;
}

std::string Drivers::running() const {
  const LoadedDriver* inside = on_packet_thread_.load();
  const std::lock_guard lock(mutex_);
  for (const Shared& driver : drivers_) {
    if (driver.get() == inside) return std::string(driver->name());
  }
  return {};
}

void Drivers::clock_changed() {
  std::vector<Shared> running;
  {
    const std::lock_guard lock(mutex_);
    running = drivers_;
  }
  for (const Shared& driver : running) {
    const HooklineDriverClockChanged changed = driver->image().clock_changed;
    if (driver->state == State::Running && changed != nullptr) changed();
  }
}

// --- control devices -------------------------------------------------------------------------

Drivers::Shared Drivers::find(std::string_view name, uint32_t& device) const {
  const Devices::Found found = devices_.find(name);
  for (const Shared& driver : drivers_) {
    if (driver->state != State::Running) continue;
    if (driver.get() == found.owner) {
      device = found.device;
      return driver;
    }
  }
  device = 0;
  for (const Shared& driver : drivers_) {
    if (driver->state == State::Running && equal_ignoring_case(driver->name(), name)) return driver;
  }
  return nullptr;
}

Result<uint64_t> Drivers::control_open(std::string_view name, uint32_t code,
                                       std::vector<uint8_t> in) {
  const std::lock_guard lock(mutex_);
  if (in.size() > kControlBytesMax) {
    return fail(ErrorKind::Invalid, fmt::format("more than {} bytes", kControlBytesMax));
  }
  uint32_t device = 0;
  const Shared driver = find(name, device);
  if (driver == nullptr) {
    return fail(
        ErrorKind::Missing,
        fmt::format("no driver and no device has the name {}; 'hookline filter' shows them", name));
  }
  if (devices_.names(driver.get()).empty()) {
    return fail(ErrorKind::Missing, fmt::format("the driver {} has no control device", name));
  }
  reap();
  if (calls_.size() == kControlCallsMax) {
    return fail(ErrorKind::Busy,
                fmt::format("{} requests to control devices are not answered yet", calls_.size()));
  }
  auto call = std::make_shared<ControlCall>();
  call->number = next_call_++;
  call->deadline = Clock::now() + options_.control_wait;
  call->driver = driver->name();
  calls_.push_back(call);
  call->thread = std::thread([this, call, driver, device, code, bytes = std::move(in)] {
    ControlAnswer answer;
    answer.data.resize(kControlBytesMax);
    const bool open = driver->control(device, code, bytes, answer.data, answer.status);
    const std::lock_guard guard(mutex_);
    call->answer = fail(ErrorKind::Busy, "the driver is being unloaded");
    if (open) call->answer = std::move(answer);
    call->ended = true;
  });
  return call->number;
}

std::optional<Result<ControlAnswer>> Drivers::control_next(uint64_t number) {
  const std::lock_guard lock(mutex_);
  for (const auto& call : calls_) {
    if (call->number != number || !call->wanted) continue;
    if (call->ended) return call->answer;
    if (Clock::now() < call->deadline) return std::nullopt;
    return fail(ErrorKind::Busy,
                fmt::format("the driver {} has not completed the request within {} s; it stays "
                            "pending until the driver completes it or is unloaded",
                            call->driver, options_.control_wait.count() / 1000));
  }
  return fail(ErrorKind::Missing, "there is no such request");
}

void Drivers::control_close(uint64_t number) {
  const std::lock_guard lock(mutex_);
  for (const auto& call : calls_) {
    if (call->number != number) continue;
    call->wanted = false;
    break;
  }
  reap();
}

// REQUIRES: the mutex is held. Whoever has ended needs it no more.
void Drivers::reap() {
  std::erase_if(calls_, [](const std::shared_ptr<ControlCall>& call) {
    if (call->wanted || !call->ended) return false;
    call->thread.join();
    return true;
  });
}

// --- the engine's calls ----------------------------------------------------------------------

void Drivers::before(const filter::CalloutName& callout, filter::CalloutCall call) {
  LoadedDriver* driver = driver_of(callout);
  if (driver == nullptr) return;
  const bool classifies = call == filter::CalloutCall::Classify;
  if (classifies) on_packet_thread_.store(driver, std::memory_order_relaxed);
  const bool raised = call != filter::CalloutCall::Notify;
  driver->enter_callout(function_name(call), raised ? kDispatchLevel : kPassiveLevel);
}

void Drivers::after(const filter::CalloutName& callout, filter::CalloutCall call) {
  LoadedDriver* driver = driver_of(callout);
  if (driver == nullptr) return;
  driver->leave_callout();
  if (call == filter::CalloutCall::Classify) {
    on_packet_thread_.store(nullptr, std::memory_order_relaxed);
  }
}

void Drivers::breach(const filter::CalloutName& callout, filter::CalloutCall call,
                     std::string_view text) {
  LoadedDriver* driver = driver_of(callout);
  if (driver == nullptr) return;
  driver->breach(fmt::format("{} of callout {}", function_name(call), callout.id), text);
}

}  // namespace hookline::driver
