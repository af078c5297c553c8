#include "io/linux/offload.h"

#include "base/check.h"

namespace hookline::io {

namespace {

// What the destructor hands over, so that the thread has one thing to wait for.
class Nothing final : public Offload::Job {
 public:
  void run() override {}
};

}  // namespace

LinuxOffload::LinuxOffload(Wakeups& wakeups) : wakeups_(wakeups), thread_([this] { run(); }) {}

LinuxOffload::~LinuxOffload() {
  wait();
  Nothing nothing;
  stopping_ = true;
  start(nothing);
  thread_.join();
}

void LinuxOffload::start(Job& job) {
  CHECK(ended(), "one job at a time");
  job_.store(&job, std::memory_order_release);
  job_.notify_all();
}

void LinuxOffload::wait() {
  for (Job* job = job_.load(std::memory_order_acquire); job != nullptr;
       job = job_.load(std::memory_order_acquire)) {
    job_.wait(job, std::memory_order_acquire);
  }
}

void LinuxOffload::run() {
  while (!stopping_) {
    job_.wait(nullptr, std::memory_order_acquire);
    Job* const job = job_.load(std::memory_order_acquire);
    if (job == nullptr) continue;
    job->run();
    job_.store(nullptr, std::memory_order_release);
    job_.notify_all();
    wakeups_.wake();
  }
}

}  // namespace hookline::io
