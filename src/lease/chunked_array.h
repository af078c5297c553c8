// An array by number that grows without moving anything.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "lease/lazy_array.h"

namespace hookline::lease {

// Numbers come in blocks, each of memory of its own, which is touched as it is used. Number 0 is in
// none. A reference stays good until its array goes.
template <class T>
class ChunkedArray {
 public:
  static constexpr unsigned kChunkBits = 10;
  static constexpr uint32_t kChunk = 1u << kChunkBits;

  // Numbers from end() on, at least `count`. `dense`: most will be used, so that large pages do not
  // waste memory. False: no address space, and nothing changed.
  [[nodiscard]] bool add(size_t count, bool dense = false) {
    const size_t chunks = (count + kChunk - 1) / kChunk;
    LazyArray<T> block;
    if (dense) {
      block.reserve_large(chunks * kChunk, kReadyAddresses);
    } else if (!block.reserve(chunks * kChunk)) {
      return false;
    }
    for (size_t i = 0; i < chunks; ++i) chunks_.push_back(block.data() + i * kChunk);
    blocks_.push_back(std::move(block));
    return true;
  }

  // Takes the last add() back.
  void undo_add() {
    chunks_.resize(chunks_.size() - (blocks_.back().size() >> kChunkBits));
    blocks_.pop_back();
  }

  T& operator[](size_t i) { return chunks_[i >> kChunkBits][i & (kChunk - 1)]; }
  const T& operator[](size_t i) const { return chunks_[i >> kChunkBits][i & (kChunk - 1)]; }
  // The first number that is not there.
  size_t end() const { return chunks_.size() << kChunkBits; }

 private:
  std::vector<T*> chunks_{nullptr};  // the chunk of number 0
  std::vector<LazyArray<T>> blocks_;
};

}  // namespace hookline::lease
