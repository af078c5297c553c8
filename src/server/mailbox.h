// How the control thread gets something done on the packet thread, which owns all state: one job at
// a time, between two turns.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "io/wakeups.h"

namespace hookline::server {

class Mailbox {
 public:
  enum class Outcome : uint8_t {
    Done,
    Closed,   // the packet thread takes no jobs any more
    Refused,  // it did not look for so long that it must be inside of something that hangs
  };

  // `patience`: how long the packet thread may take until it begins with a job.
  explicit Mailbox(io::Wakeups& wakeups, std::chrono::milliseconds patience = kPatience)
      : wakeups_(wakeups), patience_(patience) {}

  // Any thread but the packet thread. Returns after `job` ran there, or will never run. Keep jobs
  // short: packets wait meanwhile.
  Outcome call(const std::function<void()>& job);

  // Packet thread, once a turn: a single load when there is nothing.
  void serve();
  // Packet thread, at the end: whoever waits or comes later is told so.
  void close();

 private:
  static constexpr std::chrono::milliseconds kPatience{10'000};

  io::Wakeups& wakeups_;
  const std::chrono::milliseconds patience_;
  std::mutex callers_;  // one caller at a time
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<const std::function<void()>*> job_{nullptr};  // that nobody has begun with
  bool done_ = false;
  bool closed_ = false;
};

}  // namespace hookline::server
