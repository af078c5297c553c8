#include "base/inet.h"

#include <fmt/core.h>

#include <charconv>

namespace hookline {

std::optional<Ipv4> Ipv4::parse(std::string_view text) {
  uint32_t value = 0;
  const char* p = text.data();
  const char* const end = p + text.size();
  for (int i = 0; i < 4; ++i) {
    if (i != 0) {
      if (p == end || *p != '.') return std::nullopt;
      ++p;
    }
    uint8_t octet = 0;
    const auto [next, error] = std::from_chars(p, end, octet);
    // A leading zero is refused: some tools would read it as octal.
    if (error != std::errc{} || (next - p > 1 && *p == '0')) return std::nullopt;
    value = value << 8 | octet;
    p = next;
  }
  if (p != end) return std::nullopt;
  return Ipv4{value};
}

std::string Ipv4::text() const {
  return fmt::format("{}.{}.{}.{}", value >> 24, value >> 16 & 255, value >> 8 & 255, value & 255);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto base = Ipv4::parse(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  uint8_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (!base || error != std::errc{} || end != digits.data() + digits.size() || length > 32) {
    return std::nullopt;
  }
  const Prefix prefix{*base, length};
  if ((base->value & ~prefix.mask()) != 0) return std::nullopt;
  return prefix;
}

std::string Prefix::text() const { return fmt::format("{}/{}", base.text(), length); }

}  // namespace hookline
