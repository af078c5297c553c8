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

LinuxOffload::LinuxOffload() {
  CHECK(::sem_init(&started_, 0, 0) == 0 && ::sem_init(&ended_, 0, 0) == 0, "semaphores");
  thread_ = std::thread([this] { run(); });
}

LinuxOffload::~LinuxOffload() {
  wait();
  Nothing nothing;
  stopping_ = true;
  start(nothing);
  thread_.join();
  ::sem_destroy(&started_);
  ::sem_destroy(&ended_);
}

void LinuxOffload::start(Job& job) {
  CHECK(ended() && waited_, "one job at a time");
  waited_ = false;
  job_.store(&job, std::memory_order_release);
  ::sem_post(&started_);
}

void LinuxOffload::wait() {
  while (!waited_) waited_ = ::sem_wait(&ended_) == 0;  // a signal interrupts it
}

void LinuxOffload::run() {
  // It only starts disk work and sleeps: without a real-time priority it would get its turn on a
  // shared CPU when the packet thread sleeps, and nothing would be gained.
  const sched_param priority{1};
  ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &priority);
  while (!stopping_) {
    if (::sem_wait(&started_) != 0) continue;
    job_.load(std::memory_order_acquire)->run();
    job_.store(nullptr, std::memory_order_release);
    ::sem_post(&ended_);
  }
}

}  // namespace hookline::io
