// How the control thread gets something done on the packet thread, which owns all state: one job at
// a time, between two turns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "io/wakeups.h"

namespace hookline::server {

class Mailbox {
 public:
  explicit Mailbox(io::Wakeups& wakeups) : wakeups_(wakeups) {}

  // Any thread but the packet thread. Returns after `job` ran there; false when the packet thread
  // has stopped taking jobs. Keep jobs short: packets wait meanwhile.
  bool call(const std::function<void()>& job);

  // Packet thread, once a turn: a single load when there is nothing.
  void serve();
  // Packet thread, at the end: whoever waits or comes later gets false.
  void close();

 private:
  io::Wakeups& wakeups_;
  std::mutex callers_;  // one caller at a time
  std::mutex mutex_;
  std::condition_variable done_;
  std::atomic<const std::function<void()>*> job_{nullptr};
  bool closed_ = false;
};

}  // namespace hookline::server
