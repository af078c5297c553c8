#include "callout/services.h"

#include <algorithm>
#include <cstring>

#include "base/utf16.h"

namespace {

// The one thing that DllMain can reach: it runs inside dlopen, where nothing can be handed to it.
thread_local const HooklineHost* current_host = nullptr;

}  // namespace

const HooklineHost* hookline_current_host(void) { return current_host; }

namespace hookline::callout {

namespace {

constexpr uint32_t kFound = 0;
constexpr uint32_t kFileNotFound = 2;
constexpr uint32_t kMoreData = 234;

LogLevel level_of(uint32_t severity) {
  switch (severity) {
    case HOOKLINE_LOG_ERROR:
      return LogLevel::Error;
    case HOOKLINE_LOG_WARNING:
      return LogLevel::Warning;
    case HOOKLINE_LOG_DEBUG:
      return LogLevel::Debug;
    default:
      return LogLevel::Info;
  }
}

bool is_dll(std::string_view name) {
  return name.size() > 4 && equal_ignoring_case(name.substr(name.size() - 4), ".dll");
}

bool is_windows_path(std::string_view name) {
  return name.find('\\') != std::string_view::npos || (name.size() > 1 && name[1] == ':');
}

std::string_view without_backslashes(std::string_view key) {
  while (!key.empty() && key.front() == '\\') key.remove_prefix(1);
  while (!key.empty() && key.back() == '\\') key.remove_suffix(1);
  return key;
}

}  // namespace

Services::Services(const CalloutConfig& config, const io::Libraries& libraries, Logger& log)
    : Services(config, libraries,
               [&log](uint32_t severity, std::string_view source, uint32_t event_id,
                      std::string_view text) {
                 log_callout_line(log, severity, source, event_id, text);
               }) {}

Services::Services(const CalloutConfig& config, const io::Libraries& libraries, Say say)
    : config_(config), libraries_(libraries), say_(std::move(say)) {
  host_.size = sizeof host_;
  host_.context = this;
  host_.log = &Services::log_line;
  host_.registry_query = &Services::registry_query;
  host_.map_path = &Services::map_path;
}

Result<std::string> Services::file_of(std::string_view name) const {
  for (const CalloutPath& path : config_.files) {
    if (equal_ignoring_case(path.name, name)) return path.file;
  }
  if (is_windows_path(name)) {
    return fail(ErrorKind::Missing,
                "a Windows path that stands for no file: name its file in map of [callouts]");
  }
  std::string file =
      name.starts_with('/') ? std::string(name) : config_.dir + "/" + std::string(name);
  if (is_dll(file) && !libraries_.exists(file)) file.replace(file.size() - 4, 4, ".so");
  return file;
}

void log_callout_line(Logger& log, uint32_t severity, std::string_view source, uint32_t event_id,
                      std::string_view text) {
  const LogLevel level = level_of(severity);
  if (!log.enabled(level)) return;
  if (event_id == 0) {
    log.log(level, "callout", {{"source", source}, {"text", text}});
  } else {
    log.log(level, "callout", {{"source", source}, {"event", event_id}, {"text", text}});
  }
}

void Services::log_line(void* self, uint32_t severity, const char* source, uint32_t event_id,
                        const char* text) {
  static_cast<Services*>(self)->say_(severity, source != nullptr ? source : "", event_id,
                                     text != nullptr ? text : "");
}

bool Services::is_subkey(std::string_view subkey) const {
  const auto same = [&](const std::string& key) { return equal_ignoring_case(key, subkey); };
  return subkey.empty() ||
         std::any_of(config_.registry_subkeys.begin(), config_.registry_subkeys.end(), same);
}

const RegistryValue* Services::find(std::string_view subkey, std::string_view name) const {
  for (const RegistryValue& value : config_.registry) {
    if (equal_ignoring_case(value.name, name) && equal_ignoring_case(value.subkey, subkey)) {
      return &value;
    }
  }
  return nullptr;
}

uint32_t Services::registry_query(void* self, const char* subkey, const char* value, uint32_t* type,
                                  void* data, uint32_t* size) {
  const auto& services = *static_cast<const Services*>(self);
  const std::string_view key = without_backslashes(subkey != nullptr ? subkey : "");
  if (value == nullptr) return services.is_subkey(key) ? kFound : kFileNotFound;
  const RegistryValue* found = services.find(key, value);
  if (found == nullptr) return kFileNotFound;
  const uint32_t room = size != nullptr ? *size : 0;
  if (type != nullptr) *type = found->type;
  if (size != nullptr) *size = static_cast<uint32_t>(found->data.size());
  if (data == nullptr || room < found->data.size()) return kMoreData;
  if (!found->data.empty()) std::memcpy(data, found->data.data(), found->data.size());
  return kFound;
}

uint32_t Services::map_path(void* self, const char* windows_path, char* out, uint32_t out_size) {
  const auto& services = *static_cast<const Services*>(self);
  const std::string_view name = windows_path != nullptr ? windows_path : "";
  const auto mapped = [&](const CalloutPath& path) { return equal_ignoring_case(path.name, name); };
  const auto same = [&](const std::string& other) { return equal_ignoring_case(other, name); };
  const CalloutConfig& config = services.config_;
  // Anything else is searched for by the callout itself, beside its own file.
  if (std::none_of(config.files.begin(), config.files.end(), mapped) &&
      std::none_of(config.names.begin(), config.names.end(), same)) {
    return 0;
  }
  const auto file = services.file_of(name);
  if (!file || out == nullptr || file->size() >= out_size) return 0;
  std::memcpy(out, file->c_str(), file->size() + 1);
  return static_cast<uint32_t>(file->size());
}

CurrentServices::CurrentServices(const Services& services) : before_(current_host) {
  current_host = services.host();
}

CurrentServices::~CurrentServices() { current_host = before_; }

}  // namespace hookline::callout
