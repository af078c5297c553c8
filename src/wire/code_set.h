// A set of option codes in 32 bytes.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

namespace hookline::wire {

class CodeSet {
 public:
  constexpr CodeSet() = default;
  constexpr CodeSet(std::initializer_list<uint8_t> codes) {
    for (uint8_t code : codes) add(code);
  }
  constexpr void add(uint8_t code) { bits_[code >> 6] |= uint64_t{1} << (code & 63); }
  constexpr bool has(uint8_t code) const { return (bits_[code >> 6] >> (code & 63) & 1) != 0; }
  constexpr bool empty() const { return (bits_[0] | bits_[1] | bits_[2] | bits_[3]) == 0; }

 private:
  std::array<uint64_t, 4> bits_{};
};

}  // namespace hookline::wire
