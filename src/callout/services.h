// What the server does for the callouts that it loads (sdk/include/hookline/host.h): the log, the
// registry key, and which file stands for a name.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "hookline/host.h"
#include "io/library.h"
#include "line/config.h"

// Exported from the program; callouts look it up by its name.
extern "C" __attribute__((visibility("default"))) const HooklineHost* hookline_current_host(void);

namespace hookline::callout {

// A line of a callout, in the server's log.
void log_callout_line(Logger& log, uint32_t severity, std::string_view source, uint32_t event_id,
                      std::string_view text);

// Immutable once made: callouts ask from any of their threads. Lives as long as a library that it
// was given to.
class Services {
 public:
  // Where lines of callouts go: HooklineHost::log, with empty texts for NULL. Any thread.
  using Say = std::function<void(uint32_t severity, std::string_view source, uint32_t event_id,
                                 std::string_view text)>;

  // The references outlive it.
  Services(const CalloutConfig& config, const io::Libraries& libraries, Logger& log);
  Services(const CalloutConfig& config, const io::Libraries& libraries, Say say);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  const HooklineHost* host() const { return &host_; }
  const CalloutConfig& config() const { return config_; }
  // The file of a configured name: by the path map, else beside the configuration, where mac.so
  // also stands for a mac.dll that is not there. Missing: a Windows path that nothing maps.
  Result<std::string> file_of(std::string_view name) const;

 private:
  static void log_line(void* self, uint32_t severity, const char* source, uint32_t event_id,
                       const char* text);
  static uint32_t registry_query(void* self, const char* subkey, const char* value, uint32_t* type,
                                 void* data, uint32_t* size);
  static uint32_t map_path(void* self, const char* windows_path, char* out, uint32_t out_size);

  bool is_subkey(std::string_view subkey) const;
  const RegistryValue* find(std::string_view subkey, std::string_view name) const;

  CalloutConfig config_;
  const io::Libraries& libraries_;
  Say say_;
  HooklineHost host_{};
};

// While it lives, DllMain of whatever this thread loads gets these services: the program exports
// hookline_current_host() for it (sdk/include/hookline/host.h).
class CurrentServices {
 public:
  explicit CurrentServices(const Services& services);
  ~CurrentServices();
  CurrentServices(const CurrentServices&) = delete;
  CurrentServices& operator=(const CurrentServices&) = delete;

 private:
  const HooklineHost* before_;
};

}  // namespace hookline::callout
