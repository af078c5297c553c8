#include "driver_kit.h"

#include <algorithm>
#include <cstring>

namespace sdk {
namespace {

std::string lower(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

bool has(const std::vector<std::string>& lines, const std::string& part) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

}  // namespace

DriverHost::DriverHost() {
  table.size = sizeof table;
  table.context = this;
  table.name = "tested";
  table.log = [](void* self, uint32_t severity, const char* text) {
    auto* host = static_cast<DriverHost*>(self);
    const std::lock_guard<std::mutex> guard(host->lock_);
    host->lines_.push_back(std::to_string(severity) + " " + text);
  };
  table.breach = [](void* self, const char* function, const char* text) {
    auto* host = static_cast<DriverHost*>(self);
    const std::lock_guard<std::mutex> guard(host->lock_);
    host->breaches_.push_back(std::string(function) + ": " + text);
  };
  table.parameter_query = [](void* self, const char* value, uint32_t* type, void* data,
                             uint32_t* size) -> uint32_t {
    const auto* host = static_cast<const DriverHost*>(self);
    const auto found = host->values_.find(lower(value));
    if (found == host->values_.end()) {
      return 2;
    }
    const std::string& bytes = found->second.bytes;
    const uint32_t room = *size;
    *type = found->second.type;
    *size = static_cast<uint32_t>(bytes.size());
    if (data == nullptr || room < bytes.size()) {
      return 234;
    }
    std::memcpy(data, bytes.data(), bytes.size());
    return 0;
  };
  table.device_created = [](void* self, uint32_t device, const char* name) -> uint32_t {
    auto* host = static_cast<DriverHost*>(self);
    const std::lock_guard<std::mutex> guard(host->lock_);
    if (host->taken_ == name) {
      return static_cast<uint32_t>(STATUS_OBJECT_NAME_COLLISION);
    }
    host->devices_.push_back(std::to_string(device) + " " + name);
    return 0;
  };
  table.device_removed = [](void* self, uint32_t device) {
    auto* host = static_cast<DriverHost*>(self);
    const std::lock_guard<std::mutex> guard(host->lock_);
    host->devices_.push_back("gone " + std::to_string(device));
  };
}

void DriverHost::set_dword(const std::string& name, uint32_t value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  values_[lower(name)] = {4, bytes};
}

void DriverHost::set_text(const std::string& name, const std::u16string& text) {
  values_[lower(name)] = {
      1, std::string(reinterpret_cast<const char*>(text.c_str()), (text.size() + 1) * 2)};
}

std::vector<std::string> DriverHost::breaches() const {
  const std::lock_guard<std::mutex> guard(lock_);
  return breaches_;
}

std::vector<std::string> DriverHost::lines() const {
  const std::lock_guard<std::mutex> guard(lock_);
  return lines_;
}

std::vector<std::string> DriverHost::devices() const {
  const std::lock_guard<std::mutex> guard(lock_);
  return devices_;
}

bool DriverHost::logged(const std::string& part) const { return has(lines(), part); }
bool DriverHost::breached(const std::string& part) const { return has(breaches(), part); }

LoadedDriver::LoadedDriver(const std::string& file, DriverHost* host)
    : library_(dlopen((std::string(SDK_CALLOUTS) + "/" + file).c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) {
    ADD_FAILURE() << dlerror();
    std::abort();
  }
  EXPECT_EQ(function<HooklineDriverAttach>(HOOKLINE_DRIVER_ATTACH_SYMBOL)(&host->table), 0U);
}

LoadedDriver::~LoadedDriver() {
  if (!unloaded_) {
    unload();
  }
  if (still_running_ == 0) {
    dlclose(library_);
  }
}

uint32_t LoadedDriver::start() {
  return function<HooklineDriverStart>(HOOKLINE_DRIVER_START_SYMBOL)();
}

uint32_t LoadedDriver::unload() {
  unloaded_ = true;
  still_running_ = function<HooklineDriverUnload>(HOOKLINE_DRIVER_UNLOAD_SYMBOL)();
  return still_running_;
}

uint32_t LoadedDriver::control(uint32_t device, uint32_t code, const std::string& in,
                               std::string* out) {
  size_t size = out->size();
  const uint32_t status = function<HooklineDriverControl>(HOOKLINE_DRIVER_CONTROL_SYMBOL)(
      device, code, in.data(), in.size(), out->data(), &size);
  out->resize(size);
  return status;
}

}  // namespace sdk
