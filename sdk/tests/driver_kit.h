#pragma once

// A test's side of a driver: a host that writes down, and the library with its functions.

#include <dlfcn.h>
#include <hookline/driver_entry.h>
#include <hookline/driver_host.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sdk {

class DriverHost {
 public:
  struct Value {
    uint32_t type;
    std::string bytes;
  };

  DriverHost();
  DriverHost(const DriverHost&) = delete;

  void set_dword(const std::string& name, uint32_t value);
  void set_text(const std::string& name, const std::u16string& text);
  void take_name(const std::string& name) { taken_ = name; }  // devices of this name collide

  // "function: text" and the log's lines; names of devices as "0 \Device\Name", "gone 0".
  std::vector<std::string> breaches() const;
  std::vector<std::string> lines() const;
  std::vector<std::string> devices() const;
  bool logged(const std::string& part) const;
  bool breached(const std::string& part) const;

  HooklineDriverHost table{};

 private:
  mutable std::mutex lock_;
  std::vector<std::string> breaches_;
  std::vector<std::string> lines_;
  std::vector<std::string> devices_;
  std::map<std::string, Value> values_;  // by name in lower case
  std::string taken_;
};

// A loaded and attached driver. Unloads when it goes, unless unload() was called; closes the
// library if nothing of it runs any more.
class LoadedDriver {
 public:
  LoadedDriver(const std::string& file, DriverHost* host);
  ~LoadedDriver();
  LoadedDriver(const LoadedDriver&) = delete;

  uint32_t start();
  uint32_t unload();
  uint32_t control(uint32_t device, uint32_t code, const std::string& in, std::string* out);

  template <typename Function>
  Function function(const std::string& name) const {
    auto found = reinterpret_cast<Function>(dlsym(library_, name.c_str()));
    EXPECT_NE(found, nullptr) << name;
    return found;
  }

 private:
  void* library_;
  bool unloaded_ = false;
  uint32_t still_running_ = 0;
};

}  // namespace sdk
