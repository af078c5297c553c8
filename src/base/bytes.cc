#include "base/bytes.h"

namespace hookline {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

__extension__ using Wide = unsigned __int128;

uint64_t mix(uint64_t a, uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t load_le(const uint8_t* p, size_t size) {
  uint64_t v = 0;
  std::memcpy(&v, p, size);
  return v;
}

}  // namespace

std::string to_hex(Bytes bytes, char separator) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 3);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i != 0 && separator != '\0') out.push_back(separator);
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

std::optional<std::vector<uint8_t>> from_hex(std::string_view text) {
  std::vector<uint8_t> out;
  size_t i = 0;
  while (i < text.size()) {
    const bool between = !out.empty() && (text[i] == ':' || text[i] == '-' || text[i] == ' ');
    if (between) ++i;
    if (i + 2 > text.size()) return std::nullopt;
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<uint8_t>(high << 4 | low));
    i += 2;
  }
  return out;
}

// Multiply-and-fold over 8-byte words, as in wyhash: strong enough against chosen keys because the
// seed is secret, and a few nanoseconds for a hardware address.
uint64_t hash_bytes(Bytes bytes, uint64_t seed) {
  constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15ULL;
  constexpr uint64_t kOdd2 = 0xd6e8feb86659fd93ULL;
  uint64_t h = seed ^ mix(bytes.size() ^ kOdd1, kOdd2);
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) h = mix(h ^ load_le(&bytes[i], 8) ^ kOdd1, kOdd2 ^ seed);
  if (i < bytes.size()) h = mix(h ^ load_le(&bytes[i], bytes.size() - i) ^ kOdd2, kOdd1 ^ seed);
  return mix(h ^ kOdd1, kOdd2);
}

}  // namespace hookline
