// The reasons of drop.def as an enum and a table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hookline {

enum class Drop : uint8_t {
#define FRAME_DROP(name, counter, text) name,
#define PACKET_DROP(name, counter, code, text) name,
#include "line/drop.def"
#undef FRAME_DROP
#undef PACKET_DROP
};

struct DropInfo {
  Drop drop;
  std::string_view counter;  // as in metrics and `hookline drops`
  uint32_t dhcp_code;        // DHCP_DROP_*; 0 for frame drops, which no hook sees
  std::string_view text;     // for people
};

inline constexpr std::array kDrops = {
#define FRAME_DROP(name, counter, text) DropInfo{Drop::name, counter, 0, text},
#define PACKET_DROP(name, counter, code, text) DropInfo{Drop::name, counter, code, text},
#include "line/drop.def"
#undef FRAME_DROP
#undef PACKET_DROP
};
inline constexpr size_t kDropCount = kDrops.size();

inline constexpr const DropInfo& drop_info(Drop drop) { return kDrops[static_cast<size_t>(drop)]; }

}  // namespace hookline
