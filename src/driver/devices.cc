#include "driver/devices.h"

#include <algorithm>

#include "base/utf16.h"

namespace hookline::driver {
namespace {

constexpr std::string_view kLinkPrefixes[] = {"\\\\.\\", "\\\\?\\", "\\??\\", "\\DosDevices\\",
                                              "\\GLOBAL??\\"};

bool take_prefix(std::string_view& name, std::string_view prefix) {
  if (name.size() < prefix.size() || !equal_ignoring_case(name.substr(0, prefix.size()), prefix)) {
    return false;
  }
  name.remove_prefix(prefix.size());
  return true;
}

// One spelling for each name, but for its letters' case.
std::string plain(std::string_view name) {
  for (const std::string_view prefix : kLinkPrefixes) {
    if (!take_prefix(name, prefix)) continue;
    take_prefix(name, "Global\\");
    return "\\??\\" + std::string(name);
  }
  return std::string(name);
}

}  // namespace

bool Devices::add(const void* owner, uint32_t device, std::string_view name) {
  const std::lock_guard lock(mutex_);
  const std::string wanted = plain(name);
  auto mine = devices_.end();
  for (auto at = devices_.begin(); at != devices_.end(); ++at) {
    if (at->owner == owner && at->number == device) mine = at;
    for (const std::string& taken : at->names) {
      if (!name.empty() && equal_ignoring_case(plain(taken), wanted)) return false;
    }
  }
  if (mine == devices_.end()) mine = devices_.insert(mine, {owner, device, {}});
  if (!name.empty()) mine->names.emplace_back(name);
  return true;
}

void Devices::remove(const void* owner, uint32_t device) {
  const std::lock_guard lock(mutex_);
  std::erase_if(devices_, [&](const Device& d) { return d.owner == owner && d.number == device; });
}

size_t Devices::remove_all(const void* owner) {
  const std::lock_guard lock(mutex_);
  return std::erase_if(devices_, [&](const Device& d) { return d.owner == owner; });
}

Devices::Found Devices::find(std::string_view name) const {
  // As it is typed in a shell: a link without its prefix.
  const bool bare = name.find('\\') == std::string_view::npos;
  const std::string wanted = plain(bare ? "\\??\\" + std::string(name) : std::string(name));
  const std::lock_guard lock(mutex_);
  for (const Device& device : devices_) {
    for (const std::string& taken : device.names) {
      if (equal_ignoring_case(plain(taken), wanted)) return {device.owner, device.number};
    }
  }
  return {};
}

std::vector<std::string> Devices::names(const void* owner) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const Device& device : devices_) {
    if (device.owner != owner) continue;
    if (device.names.empty()) out.emplace_back("(no name)");
    out.insert(out.end(), device.names.begin(), device.names.end());
  }
  return out;
}

}  // namespace hookline::driver
