// Memory for large tables that are walked at random: on huge pages where the system has them, since
// a table of small pages costs more in address translation than in its own cache misses.
#pragma once

#include <cstddef>

namespace hookline::io {

// Zeroed, aligned to 2 MiB, given back by the destructor. Nothing is touched: what is never written
// costs no memory. CHECKs that there is address space.
class LargeMemory {
 public:
  explicit LargeMemory(size_t bytes);
  ~LargeMemory();
  LargeMemory(const LargeMemory&) = delete;
  LargeMemory& operator=(const LargeMemory&) = delete;

  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* mapping_;
  size_t mapping_size_;
  void* data_;
  size_t size_;
};

}  // namespace hookline::io
