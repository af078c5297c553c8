// A turn's products: at most kTurnPacketsMax of them, in place, in order of arrival.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace hookline {

// Move-only elements are moved out by take(); whatever is left must be destructible.
template <class T, size_t N = kTurnPacketsMax>
class Batch {
 public:
  Batch() = default;
  Batch(Batch&& other) noexcept { take_all(other); }
  Batch& operator=(Batch&& other) noexcept {
    if (this != &other) {
      clear();
      take_all(other);
    }
    return *this;
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;
  ~Batch() { clear(); }

  T& push(T&& item) {
    CHECK(size_ < N, "a batch has room for every packet of its turn");
    return *new (&storage_[size_++]) T(std::move(item));
  }

  T* begin() { return std::launder(reinterpret_cast<T*>(storage_)); }
  T* end() { return begin() + size_; }
  const T* begin() const { return std::launder(reinterpret_cast<const T*>(storage_)); }
  const T* end() const { return begin() + size_; }
  T& operator[](size_t i) { return begin()[i]; }
  const T& operator[](size_t i) const { return begin()[i]; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == N; }

  void clear() {
    for (T& item : *this) item.~T();
    size_ = 0;
  }

 private:
  void take_all(Batch& other) {
    for (T& item : other) push(std::move(item));
    other.clear();
  }

  size_t size_ = 0;
  alignas(T) std::byte storage_[N][sizeof(T)];
};

}  // namespace hookline
