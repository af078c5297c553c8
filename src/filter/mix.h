// Spreads keys that senders choose over a table: add a secret seed first. The finalizer of
// SplitMix64.
#pragma once

#include <cstdint>

namespace hookline::filter {

inline uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace hookline::filter
