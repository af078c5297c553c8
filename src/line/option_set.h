// Options that a reply may carry, already encoded: made once when a configuration is read, looked
// up by code on the packet path.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace hookline {

class OptionSet {
 public:
  // `value` may be longer than 255 bytes: the encoder splits it (RFC 3396). Replaces.
  void set(uint8_t code, Bytes value);
  bool has(uint8_t code) const { return index_[code] != 0; }
  // Empty when absent (an option of length 0 is present and empty: ask has()).
  Bytes find(uint8_t code) const { return has(code) ? Bytes(values_[index_[code] - 1u]) : Bytes{}; }
  // Ascending.
  std::vector<uint8_t> codes() const;
  bool empty() const { return values_.empty(); }
  // This set on top of `base`: what both have is taken from this one.
  OptionSet over(const OptionSet& base) const;

 private:
  std::array<uint8_t, 256> index_{};  // 0: absent, else place in values_ plus 1
  std::vector<std::vector<uint8_t>> values_;
};

}  // namespace hookline
