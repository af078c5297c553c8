// One worker thread that runs posted jobs in order. It takes no signals.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "io/background.h"

namespace hookline::io {

class LinuxBackground final : public Background {
 public:
  LinuxBackground();
  // Runs what was posted to its end, then joins.
  ~LinuxBackground() override;

  // Any thread.
  void post(std::function<void()> job) override;

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> jobs_;  // guarded by mutex_
  bool stopping_ = false;                   // guarded by mutex_
  std::thread thread_;
};

}  // namespace hookline::io
