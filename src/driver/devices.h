// Control devices by their names, of all drivers together: the object manager's namespace, as far
// as drivers and operators see it. Any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace hookline::driver {

class Devices {
 public:
  // Names are kept as they were given and compared without regard to case; "\\.\Name",
  // "\??\Name" and "\DosDevices\Name" are one name, with and without "Global\". False: another
  // device has the name. An empty name only says that the device is there.
  bool add(const void* owner, uint32_t device, std::string_view name);
  void remove(const void* owner, uint32_t device);
  // How many of the owner's devices were left.
  size_t remove_all(const void* owner);

  struct Found {
    const void* owner = nullptr;  // null: nobody has this name
    uint32_t device = 0;
  };
  // A name without any backslash is a link's without its prefix.
  Found find(std::string_view name) const;
  // The names, device by device; "(no name)" for one without.
  std::vector<std::string> names(const void* owner) const;

 private:
  struct Device {
    const void* owner;
    uint32_t number;
    std::vector<std::string> names;
  };

  mutable std::mutex mutex_;
  std::vector<Device> devices_;
};

}  // namespace hookline::driver
