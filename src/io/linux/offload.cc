#include "io/linux/offload.h"

#include <pthread.h>
#include <sched.h>

#include "base/check.h"

namespace hookline::io {

namespace {

// What the destructor hands over, so that the thread has one thing to wait for.
class Nothing final : public Offload::Job {
 public:
  void run() override {}
};

}  // namespace

LinuxOffload::LinuxOffload() : thread_([this] { run(); }) {}

LinuxOffload::~LinuxOffload() {
  wait();
  Nothing nothing;
  stopping_ = true;
  start(nothing);
  thread_.join();
}

void LinuxOffload::start(Job& job) {
  CHECK(job_.load(std::memory_order_acquire) == nullptr, "one job at a time");
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
  // It only starts disk work and sleeps: without a real-time priority it would get its turn on a
  // shared CPU when the packet thread sleeps, and nothing would be gained.
  const sched_param priority{1};
  ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &priority);
  while (!stopping_) {
    job_.wait(nullptr, std::memory_order_acquire);
    Job* const job = job_.load(std::memory_order_acquire);
    if (job == nullptr) continue;
    job->run();
    job_.store(nullptr, std::memory_order_release);
    job_.notify_all();
  }
}

}  // namespace hookline::io
