// Asking for memory before it is needed.
#pragma once

namespace hookline {

// A hint: `address` will be read, or written, soon. Any address is allowed.
//
// GCC takes a function that only prefetches for one without effect, and drops calls of it; the
// empty asm keeps them.
inline void prefetch(const void* address) {
  asm volatile("" : : "r"(address));
  __builtin_prefetch(address);
}
inline void prefetch_to_write(const void* address) {
  asm volatile("" : : "r"(address));
  __builtin_prefetch(address, 1);
}

}  // namespace hookline
