// Zeroed memory that costs nothing until it is touched: reserved once, at configure().
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <type_traits>

#include "io/large_memory.h"

namespace hookline::lease {

// A fixed array of T whose zero bytes are its empty value. calloc() takes a large block straight
// from the system, whose pages are zero and become real at their first touch.
template <class T>
class LazyArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  LazyArray() = default;

  // False: the system does not promise that much address space. The array is then empty.
  [[nodiscard]] bool reserve(size_t count) {
    constexpr size_t kLine = 64;  // an element of a cache line's size must not lie across two
    size_ = 0;
    data_ = nullptr;
    block_.reset(std::calloc(count * sizeof(T) + kLine, 1));
    if (!block_) return false;
    const auto start = reinterpret_cast<uintptr_t>(block_.get());
    data_ = reinterpret_cast<T*>((start + kLine - 1) / kLine * kLine);
    size_ = count;
    return true;
  }

  // The same on huge pages where the system has them: for what is looked at all over, at random.
  // Touching an element makes 2 MiB real; the first `ready` are real at once.
  void reserve_large(size_t count, size_t ready = 0) {
    block_.reset();
    large_ = std::make_unique<io::LargeMemory>(count * sizeof(T));
    if (ready != 0) large_->make_real(ready * sizeof(T));
    data_ = static_cast<T*>(large_->data());
    size_ = count;
  }

  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> block_;
  std::unique_ptr<io::LargeMemory> large_;
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace hookline::lease
