// A thread that waits for jobs, and wakes the packet thread when one has ended.
#pragma once

#include <atomic>
#include <thread>

#include "io/offload.h"
#include "io/wakeups.h"

namespace hookline::io {

class LinuxOffload final : public Offload {
 public:
  explicit LinuxOffload(Wakeups& wakeups);
  ~LinuxOffload() override;  // waits for the job that runs

  void start(Job& job) override;
  bool ended() const override { return job_.load(std::memory_order_acquire) == nullptr; }
  void wait() override;

 private:
  void run();

  Wakeups& wakeups_;
  std::atomic<Job*> job_{nullptr};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace hookline::io
