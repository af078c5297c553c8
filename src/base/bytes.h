// Views of bytes, and big-endian loads and stores on them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hookline {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline uint16_t load_be16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap16(v);
}

inline uint32_t load_be32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return __builtin_bswap32(v);
}

inline void store_be16(uint8_t* p, uint16_t v) {
  v = __builtin_bswap16(v);
  std::memcpy(p, &v, sizeof v);
}

inline void store_be32(uint8_t* p, uint32_t v) {
  v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}

inline bool equal(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lower-case hex with `separator` between bytes ('\0': none). "0a:ff".
std::string to_hex(Bytes bytes, char separator = '\0');

// Hex digits, with or without ':' '-' ' ' between bytes. Nothing else is taken.
std::optional<std::vector<uint8_t>> from_hex(std::string_view text);

// A seeded 64-bit hash for tables that hostile clients can fill: the seed is secret and per
// process.
uint64_t hash_bytes(Bytes bytes, uint64_t seed);

// Bytes of at most N, held in place: no allocation, cheap to copy when short.
template <size_t N>
class InlineBytes {
  static_assert(N <= 255);

 public:
  InlineBytes() = default;
  explicit InlineBytes(Bytes from) { assign(from); }

  // Keeps the first N bytes; callers that must not lose bytes check the size before.
  void assign(Bytes from) {
    size_ = static_cast<uint8_t>(std::min(from.size(), N));
    if (size_ != 0) std::memcpy(data_, from.data(), size_);
  }
  Bytes view() const { return {data_, size_}; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool operator==(const InlineBytes& other) const { return equal(view(), other.view()); }

 private:
  uint8_t size_ = 0;
  uint8_t data_[N] = {};
};

}  // namespace hookline
