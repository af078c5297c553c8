// The number that lease records know a scope by.
#pragma once

#include <cstdint>
#include <string_view>

namespace hookline::config {

// 32-bit FNV-1a of the id. Never changes: it is in every lease journal.
uint32_t scope_key(std::string_view id);

inline constexpr uint8_t kRoutersOption = 3;
inline constexpr uint8_t kHostNameOption = 12;

}  // namespace hookline::config
