// A thread that waits for jobs. It has a real-time priority where the process may give it one: make
// it before privileges are dropped.
#pragma once

#include <semaphore.h>

#include <atomic>
#include <thread>

#include "io/offload.h"

namespace hookline::io {

class LinuxOffload final : public Offload {
 public:
  LinuxOffload();
  ~LinuxOffload() override;  // waits for the job that runs

  void start(Job& job) override;
  bool ended() const override { return job_.load(std::memory_order_acquire) == nullptr; }
  void wait() override;

 private:
  void run();

  std::atomic<Job*> job_{nullptr};
  std::atomic<bool> stopping_{false};
  bool waited_ = true;  // for the last job; packet thread
  // Plain semaphores: waiting on a std::atomic yields the CPU some times first, which costs a
  // shared core more than it gains.
  sem_t started_;
  sem_t ended_;
  std::thread thread_;
};

}  // namespace hookline::io
