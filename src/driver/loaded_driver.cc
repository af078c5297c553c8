#include "driver/loaded_driver.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <thread>

#include "driver/parameters.h"
#include "driver/status.h"

namespace hookline::driver {
namespace {

using Clock = std::chrono::steady_clock;

// Breaches are all counted; of each driver so many are logged, and then those whose number is a
// power of two.
constexpr uint64_t kBreachesLogged = 8;

// The functions of drivers that the thread is inside of, the innermost last. Inline completions
// nest; how deep is bounded by the injector.
struct Inside {
  std::string_view function;
  uint8_t level = 0;   // that it was called at
  uint8_t before = 0;  // the thread's level before
  uint32_t locks = 0;  // that the thread held already
};
class InsideStack {
 public:
  void push(Inside inside) {
    if (depth_ < stack_.size()) stack_[depth_] = inside;
    ++depth_;
  }
  Inside pop() {
    CHECK(depth_ > 0, "a function of a driver ends once");
    --depth_;
    return depth_ < stack_.size() ? stack_[depth_] : Inside{"a callback", 0, 0, 0};
  }

 private:
  std::array<Inside, 64> stack_{};
  size_t depth_ = 0;
};
thread_local InsideStack inside_stack;

LogLevel log_level(uint32_t severity) {
  switch (severity) {
    case HOOKLINE_DRIVER_LOG_ERROR:
      return LogLevel::Error;
    case HOOKLINE_DRIVER_LOG_WARNING:
      return LogLevel::Warning;
    case HOOKLINE_DRIVER_LOG_DEBUG:
      return LogLevel::Debug;
    default:
      return LogLevel::Info;
  }
}

std::string level_name(uint8_t level) {
  constexpr std::string_view kNames[] = {"PASSIVE_LEVEL", "APC_LEVEL", "DISPATCH_LEVEL"};
  return level < std::size(kNames) ? std::string(kNames[level]) : fmt::format("level {}", level);
}

// "1 session", "2 sessions".
std::string counted(size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::string_view state_name(State state) {
  switch (state) {
    case State::Starting:
      return "starting";
    case State::Running:
      return "running";
    case State::Unloading:
      return "unloading";
    case State::Hanging:
      return "hanging";
    case State::Stuck:
      return "stuck";
    case State::Gone:
      break;
  }
  return "gone";
}

LoadedDriver::LoadedDriver(FilterDriver config, Services services, Devices& devices, Logger& log)
    : config_(std::move(config)),
      parameters_(registry_values(config_.parameters)),
      services_(services),
      devices_(devices),
      log_(log) {
  fill_table();
  host_.size = sizeof host_;
  host_.context = this;
  host_.name = config_.name.c_str();
  host_.log = [](void* self, uint32_t severity, const char* text) {
    static_cast<LoadedDriver*>(self)->write_log(severity, text);
  };
  host_.breach = [](void* self, const char* function, const char* text) {
    static_cast<LoadedDriver*>(self)->breach(function, text);
  };
  host_.parameter_query = [](void* self, const char* value, uint32_t* type, void* data,
                             uint32_t* size) {
    return query(static_cast<LoadedDriver*>(self)->parameters_, value, type, data, size);
  };
  host_.device_created = [](void* self, uint32_t device, const char* name) {
    return static_cast<LoadedDriver*>(self)->device_created(device, name);
  };
  host_.device_removed = [](void* self, uint32_t device) {
    auto* driver = static_cast<LoadedDriver*>(self);
    driver->devices_.remove(driver, device);
  };
}

// --- calls into it ---------------------------------------------------------------------------

uint8_t LoadedDriver::enter(uint8_t irql) {
  const uint8_t before = image_.set_irql(irql);
  inside_stack.push({"a completion function", irql, before, image_.locks_held()});
  return before;
}

void LoadedDriver::leave(uint8_t before) {
  const Inside inside = inside_stack.pop();
  const uint32_t locks = image_.locks_held();
  const uint8_t level = image_.set_irql(before);
  if (locks > inside.locks) {
    breach(inside.function,
           fmt::format("returned while it holds {}", counted(locks - inside.locks, "spin lock")));
  } else if (level != inside.level) {
    breach(inside.function, fmt::format("returned at {}; it was called at {}", level_name(level),
                                        level_name(inside.level)));
  }
}

void LoadedDriver::enter_callout(std::string_view function, uint8_t irql) {
  const uint8_t before = image_.set_irql(irql);
  inside_stack.push({function, irql, before, image_.locks_held()});
}

void LoadedDriver::leave_callout() {
  const Inside inside = inside_stack.pop();
  inside_stack.push(inside);
  leave(inside.before);
}

void LoadedDriver::breach(std::string_view function, std::string_view text) {
  const uint64_t count = breaches_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (count > kBreachesLogged && !std::has_single_bit(count)) return;
  log_.warning("driver broke a rule",
               {{"driver", config_.name}, {"in", function}, {"what", text}, {"breaches", count}});
}

// --- calls of it -----------------------------------------------------------------------------

void LoadedDriver::write_log(uint32_t severity, const char* text) {
  uint64_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    const Clock::time_point now = Clock::now();
    if (now - log_second_ >= std::chrono::seconds(1)) {
      log_second_ = now;
      log_lines_ = 0;
    }
    if (log_lines_ == kDriverLogLinesMax) {
      ++log_lines_lost_;
      return;
    }
    ++log_lines_;
    lost = std::exchange(log_lines_lost_, 0);
  }
  if (lost != 0) {
    log_.warning("driver's lines not logged: too many in a second",
                 {{"driver", config_.name}, {"lines", lost}});
  }
  log_.log(log_level(severity), "driver says", {{"driver", config_.name}, {"text", text}});
}

uint32_t LoadedDriver::device_created(uint32_t device, const char* name) {
  if (devices_.add(this, device, name)) return static_cast<uint32_t>(STATUS_SUCCESS);
  log_.warning("another device has this name", {{"driver", config_.name}, {"name", name}});
  return static_cast<uint32_t>(STATUS_OBJECT_NAME_COLLISION);
}

void LoadedDriver::not_supported(const char* function) {
  {
    const std::lock_guard lock(mutex_);
    if (std::find(missed_.begin(), missed_.end(), function) != missed_.end()) return;
    missed_.push_back(function);
  }
  log_.warning("driver called a function that this version does not have",
               {{"driver", config_.name}, {"function", function}});
}

void LoadedDriver::check_no_locks(const char* function) {
  const uint32_t locks = image_.locks_held();
  if (locks == 0) return;
  breach(function, fmt::format("called with {} held: a completion may ask for the same",
                               counted(locks, "spin lock")));
}

void LoadedDriver::session_opened(HANDLE session, bool dynamic) {
  const std::lock_guard lock(mutex_);
  sessions_.push_back({session, dynamic});
}

// What was added in a session that is not dynamic outlives it.
void LoadedDriver::session_closed(HANDLE session) {
  const std::lock_guard lock(mutex_);
  std::erase_if(sessions_, [&](const Session& s) { return s.handle == session && s.dynamic; });
}

bool LoadedDriver::control(uint32_t device, uint32_t code, const std::vector<uint8_t>& in,
                           std::vector<uint8_t>& out, uint32_t& status) {
  controls_.fetch_add(1);
  const bool open = !closing_.load();
  if (open) {
    size_t size = out.size();
    status = image_.control(device, code, in.data(), in.size(), out.data(), &size);
    out.resize(std::min(size, out.size()));
  }
  controls_.fetch_sub(1);
  return open;
}

// --- its life --------------------------------------------------------------------------------

Result<void> LoadedDriver::start(io::Libraries& libraries, const Start& how) {
  auto image = open_image(libraries, how.path);
  if (!image) return tl::unexpected(image.error());
  if (std::find(how.known.begin(), how.known.end(), image->attach) != how.known.end()) {
    return fail(ErrorKind::Busy,
                "this file is in memory already, as another driver or as one that "
                "could not be unloaded");
  }
  image_ = std::move(*image);
  if (const uint32_t error = image_.attach(&host_); error != 0) {
    return fail(ErrorKind::Invalid,
                fmt::format("it does not take this server's functions (error {}): it was built by "
                            "another version of the SDK",
                            error));
  }
  if (how.clock != nullptr && image_.set_clock != nullptr) {
    image_.set_clock(how.clock, how.clock_context);
  }
  entered_ = true;
  const uint32_t status = image_.start();
  if (!NT_SUCCESS(status)) {
    return fail(ErrorKind::Invalid, "its DriverEntry failed: " + status_text(status));
  }
  return {};
}

std::string LoadedDriver::unload(Clock::time_point deadline) {
  closing_ = true;
  uint32_t threads = image_.unload();
  while (threads != 0 && Clock::now() < deadline) threads = image_.unload();
  if (const uint32_t locks = image_.locks_held(); locks != 0) {
    breach("DriverUnload", fmt::format("returned while it holds {}", counted(locks, "spin lock")));
  }
  std::string stuck;
  if (threads != 0) stuck = counted(threads, "thread") + " of it did not end";
  wait_for_controls(deadline, stuck);
  sweep(stuck);
  return stuck;
}

void LoadedDriver::wait_for_controls(Clock::time_point deadline, std::string& stuck) {
  while (controls_.load() != 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (controls_.load() != 0) stuck = "control requests of it did not end";
}

// What the driver should have taken back itself.
void LoadedDriver::sweep(std::string& stuck) {
  std::vector<HANDLE> sessions;
  {
    const std::lock_guard lock(mutex_);
    for (const Session& session : sessions_) sessions.push_back(session.handle);
  }
  filter::Engine::Swept swept;
  if (!services_.engine.sweep(this, sessions, swept)) {
    stuck = "another driver's transaction did not end, so that its callouts could not be removed";
  }
  const auto report = [&](size_t count, std::string_view what) {
    if (count != 0) {
      breach("DriverUnload", fmt::format("left {}; removed", counted(count, what)));
    }
  };
  report(swept.callouts, "registered callout");
  report(swept.sessions, "open session");
  report(swept.filters, "filter");
  report(swept.objects, "sublayer or callout object");
  report(swept.contexts, "flow context");
  report(swept.handles, "classify handle");
  if (swept.pended != 0) {
    breach("DriverUnload",
           fmt::format("left {}; completed", counted(swept.pended, "pended operation")));
  }
  report(devices_.remove_all(this), "device");
  services_.injections.driver_unloaded(*this);
  // Whatever still runs may use its lists.
  if (stuck.empty()) services_.lists.driver_unloaded(*this);
}

}  // namespace hookline::driver
