// A thread that waits for jobs. It has a real-time priority where the process may give it one: make
// it before privileges are dropped.
#pragma once

#include <atomic>
#include <thread>

#include "io/offload.h"

namespace hookline::io {

class LinuxOffload final : public Offload {
 public:
  LinuxOffload();
  ~LinuxOffload() override;  // waits for the job that runs

  void start(Job& job) override;
  void wait() override;

 private:
  void run();

  std::atomic<Job*> job_{nullptr};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace hookline::io
