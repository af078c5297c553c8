#include "server/mailbox.h"

namespace hookline::server {

bool Mailbox::call(const std::function<void()>& job) {
  const std::lock_guard one_caller(callers_);
  std::unique_lock lock(mutex_);
  if (closed_) return false;
  job_.store(&job, std::memory_order_release);
  wakeups_.wake();
  done_.wait(lock, [this] { return closed_ || job_.load(std::memory_order_relaxed) == nullptr; });
  const bool ran = job_.load(std::memory_order_relaxed) == nullptr;
  job_.store(nullptr, std::memory_order_relaxed);
  return ran;
}

void Mailbox::serve() {
  const std::function<void()>* job = job_.load(std::memory_order_acquire);
  if (job == nullptr) return;
  (*job)();
  {
    const std::lock_guard lock(mutex_);
    job_.store(nullptr, std::memory_order_relaxed);
  }
  done_.notify_all();
}

void Mailbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  done_.notify_all();
}

}  // namespace hookline::server
