// Memory for large tables that are walked at random: on huge pages where the system has them, since
// a table of small pages costs more in address translation than in its own cache misses.
#pragma once

#include <cstddef>

namespace hookline::io {

// Zeroed, aligned to 2 MiB, given back by the destructor. Nothing is touched but what make_real()
// was told: what is never written costs no memory. CHECKs that there is address space.
class LargeMemory {
 public:
  explicit LargeMemory(size_t bytes);
  ~LargeMemory();
  LargeMemory(const LargeMemory&) = delete;
  LargeMemory& operator=(const LargeMemory&) = delete;

  // The first `bytes`, or all there is, so that their first use costs no page fault. A wish.
  void make_real(size_t bytes);

  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* mapping_;
  size_t mapping_size_;
  void* data_;
  size_t size_;
};

}  // namespace hookline::io
