// Lets one thread read what others replace, without a lock: the packet thread marks that it is
// inside a section; whoever has replaced something waits until the section that may still see the
// old one is over, then frees it.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

namespace hookline::filter {

class ReadSection {
 public:
  // The reading thread only. Nested entries are one section.
  void enter() {
    if (depth_++ != 0) return;
    reader_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    // Sequentially consistent, like the writers' replacement and their look at the count: either
    // the reader sees the new, or the writer sees the reader.
    count_.fetch_add(1, std::memory_order_seq_cst);
  }
  void leave() {
    if (--depth_ != 0) return;
    count_.fetch_add(1, std::memory_order_seq_cst);
    count_.notify_all();
  }
  // Whether the calling thread is inside: it must not wait then.
  bool is_mine() const {
    return (count_.load(std::memory_order_relaxed) & 1) != 0 &&
           reader_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

  // Returns once no section is open that began before the call. REQUIRES: !is_mine().
  void wait_until_over() const {
    const uint32_t now = count_.load(std::memory_order_seq_cst);
    if ((now & 1) != 0) count_.wait(now, std::memory_order_seq_cst);
  }

 private:
  std::atomic<uint32_t> count_{0};  // odd: inside
  std::atomic<std::thread::id> reader_{};
  int depth_ = 0;
};

class ReadGuard {
 public:
  explicit ReadGuard(ReadSection& section) : section_(section) { section_.enter(); }
  ~ReadGuard() { section_.leave(); }
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

 private:
  ReadSection& section_;
};

}  // namespace hookline::filter
