// [filter.driver.parameters] as the values of a registry key.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "line/config.h"

namespace hookline::driver {

// Numbers are REG_DWORD, texts REG_SZ.
std::vector<RegistryValue> registry_values(const std::vector<DriverParameter>& parameters);

// HooklineDriverHost::parameter_query.
uint32_t query(std::span<const RegistryValue> values, std::string_view name, uint32_t* type,
               void* data, uint32_t* size);

}  // namespace hookline::driver
