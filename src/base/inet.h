// Addresses of the network, and their text.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hookline {

// An IPv4 address in host order: 192.0.2.1 is 0xC0000201. 0 is "none".
struct Ipv4 {
  uint32_t value = 0;

  constexpr auto operator<=>(const Ipv4&) const = default;
  constexpr explicit operator bool() const { return value != 0; }

  static Ipv4 load(const uint8_t* network_order) { return {load_be32(network_order)}; }
  void store(uint8_t* network_order) const { store_be32(network_order, value); }
  static std::optional<Ipv4> parse(std::string_view text);
  std::string text() const;
};

inline constexpr Ipv4 kBroadcast{0xFFFFFFFF};

struct Prefix {
  Ipv4 base;           // host bits are zero
  uint8_t length = 0;  // 0 to 32

  constexpr bool operator==(const Prefix&) const = default;
  constexpr uint32_t mask() const { return length == 0 ? 0 : ~uint32_t{0} << (32 - length); }
  constexpr bool contains(Ipv4 a) const { return (a.value & mask()) == base.value; }
  constexpr Ipv4 last() const { return {base.value | ~mask()}; }
  constexpr uint64_t size() const { return uint64_t{1} << (32 - length); }

  // "10.0.0.0/8"; host bits that are set make it fail.
  static std::optional<Prefix> parse(std::string_view text);
  std::string text() const;
};

// Both ends included.
struct AddressRange {
  Ipv4 first;
  Ipv4 last;

  constexpr bool operator==(const AddressRange&) const = default;
  constexpr bool contains(Ipv4 a) const { return first <= a && a <= last; }
  constexpr uint64_t size() const { return uint64_t{last.value} - first.value + 1; }
};

struct MacAddress {
  std::array<uint8_t, 6> octets{};

  constexpr auto operator<=>(const MacAddress&) const = default;
  Bytes view() const { return octets; }
  std::string text() const { return to_hex(octets, ':'); }
};

inline constexpr MacAddress kBroadcastMac{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

}  // namespace hookline

template <>
struct std::hash<hookline::Ipv4> {
  size_t operator()(hookline::Ipv4 a) const noexcept { return a.value * 0x9e3779b97f4a7c15ULL; }
};
