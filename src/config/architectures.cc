#include "config/architectures.h"

#include <array>
#include <iterator>

namespace hookline::config {

namespace {

struct Architecture {
  std::string_view name;
  uint16_t codes[2];
  size_t count;
};

constexpr Architecture kArchitectures[] = {
    {"bios", {0}, 1},          {"efi-ia32", {6}, 1},        {"efi-x64", {7, 9}, 2},
    {"efi-arm32", {10}, 1},    {"efi-arm64", {11}, 1},      {"efi-ia32-http", {15}, 1},
    {"efi-x64-http", {16}, 1}, {"efi-arm32-http", {18}, 1}, {"efi-arm64-http", {19}, 1},
    {"bios-http", {20}, 1},    {"efi-riscv64", {27}, 1},    {"efi-riscv64-http", {28}, 1},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kArchitectures)> names;
  for (size_t i = 0; i < names.size(); ++i) names[i] = kArchitectures[i].name;
  return names;
}();

}  // namespace

std::span<const uint16_t> architecture_codes(std::string_view name) {
  for (const Architecture& a : kArchitectures) {
    if (a.name == name) return {a.codes, a.count};
  }
  return {};
}

std::span<const std::string_view> architecture_names() { return kNames; }

std::string architecture_name_list() {
  std::string out;
  for (const std::string_view name : kNames) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace hookline::config
