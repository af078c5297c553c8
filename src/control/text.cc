#include "control/text.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <array>
#include <ctime>

#include "control/service.h"

namespace hookline::control {

namespace {

constexpr size_t kHardwareBytesMax = 16;
constexpr int64_t kYear10000_s = 253402300800;

std::optional<std::vector<uint8_t>> bounded(std::optional<std::vector<uint8_t>> bytes,
                                            size_t bytes_max) {
  if (!bytes || bytes->empty() || bytes->size() > bytes_max) return std::nullopt;
  return bytes;
}

}  // namespace

std::string time_text(int64_t wall_s) {
  if (wall_s == 0) return "never";
  if (wall_s < 0 || wall_s >= kYear10000_s) return "infinite";
  const std::time_t time = wall_s;
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:%FT%T}Z", parts);
}

std::string duration_text(int64_t seconds) {
  if (seconds <= 0) return "0s";
  struct Unit {
    int64_t seconds;
    char name;
  };
  constexpr std::array<Unit, 4> kUnits = {{{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}}};
  std::string text;
  for (const Unit& unit : kUnits) {
    const int64_t count = seconds / unit.seconds;
    seconds %= unit.seconds;
    if (count == 0 && text.empty()) continue;
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", count, unit.name);
  }
  return text;
}

std::string size_text(uint64_t bytes) {
  constexpr std::array<const char*, 5> kNames = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kNames[unit]);
}

std::string printable(Bytes bytes) {
  std::string text;
  for (uint8_t byte : bytes) {
    if (byte < 32 || byte > 126 || byte == '\\') {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += static_cast<char>(byte);
    }
  }
  return text;
}

std::string id_text(Bytes bytes) { return to_hex(bytes, ':'); }

std::optional<std::vector<uint8_t>> parse_id(std::string_view text, size_t bytes_max) {
  if (text.starts_with("hex:")) return bounded(from_hex(text.substr(4)), bytes_max);
  if (text.find_first_of(":-") != std::string_view::npos) {
    if (auto bytes = bounded(from_hex(text), bytes_max)) return bytes;
  }
  const Bytes bytes = as_bytes(text);
  return bounded(std::vector<uint8_t>(bytes.begin(), bytes.end()), bytes_max);
}

std::optional<std::vector<uint8_t>> parse_hardware_address(std::string_view text) {
  if (text.starts_with("hex:")) text.remove_prefix(4);
  return bounded(from_hex(text), kHardwareBytesMax);
}

std::optional<LeaseState> parse_lease_state(std::string_view text) {
  for (size_t i = 0; i < kLeaseStateCount; ++i) {
    const auto state = static_cast<LeaseState>(i);
    if (lease_state_name(state) == text) return state;
  }
  return std::nullopt;
}

}  // namespace hookline::control
