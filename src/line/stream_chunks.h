// The memory that the bytes of streams lie in: pieces of one size, shared by whoever looks at parts
// of them. The filter fills them from sockets, the injector from drivers' lists; both draw from one
// bounded pool. Any thread, several at once; one chunk's references are counted by one at a time.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>

#include "base/limits.h"

namespace hookline {

inline constexpr size_t kStreamChunkBytes = size_t{16} << 10;
// 256 MiB: what all streams together hold at once.
inline constexpr size_t kStreamChunksMax = (size_t{256} << 20) / kStreamChunkBytes;

struct StreamChunk {
  StreamChunk* next = nullptr;  // of the free ones
  uint32_t references = 0;
  uint32_t used = 0;  // from its beginning
  std::array<uint8_t, kStreamChunkBytes> bytes;

  size_t room() const { return bytes.size() - used; }
};

class StreamChunks {
 public:
  explicit StreamChunks(size_t most = kStreamChunksMax) : most_(most) {}
  // REQUIRES: all were given back.
  ~StreamChunks() {
    while (StreamChunk* chunk = free_) {
      free_ = chunk->next;
      delete chunk;
    }
  }
  StreamChunks(const StreamChunks&) = delete;
  StreamChunks& operator=(const StreamChunks&) = delete;

  // An empty one with one reference; null: there are no more, or no memory.
  StreamChunk* take() {
    const std::lock_guard lock(mutex_);
    if (out_.load(std::memory_order_relaxed) == most_) return nullptr;
    StreamChunk* chunk = free_;
    if (chunk != nullptr) {
      free_ = chunk->next;
      --free_count_;
    } else {
      chunk = new (std::nothrow) StreamChunk;
      if (chunk == nullptr) return nullptr;
    }
    out_.fetch_add(1, std::memory_order_relaxed);
    chunk->references = 1;
    chunk->used = 0;
    return chunk;
  }
  // One reference less; the last gives the chunk back.
  void drop(StreamChunk* chunk) {
    if (--chunk->references != 0) return;
    const std::lock_guard lock(mutex_);
    out_.fetch_sub(1, std::memory_order_relaxed);
    if (free_count_ == kFreeMax) {
      delete chunk;
      return;
    }
    chunk->next = free_;
    free_ = chunk;
    ++free_count_;
  }
  // How many are out, and how many more there may be.
  size_t out() const { return out_.load(std::memory_order_relaxed); }
  size_t left() const { return most_ - out(); }

 private:
  static constexpr size_t kFreeMax = 256;  // kept for the next; the rest goes back to the system

  const size_t most_;
  std::atomic<size_t> out_{0};
  std::mutex mutex_;
  StreamChunk* free_ = nullptr;
  size_t free_count_ = 0;
};

}  // namespace hookline
