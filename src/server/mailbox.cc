#include "server/mailbox.h"

namespace hookline::server {

Mailbox::Outcome Mailbox::call(const std::function<void()>& job) {
  const std::lock_guard one_caller(callers_);
  std::unique_lock lock(mutex_);
  if (closed_) return Outcome::Closed;
  done_ = false;
  job_.store(&job, std::memory_order_release);
  wakeups_.wake();
  const auto is_over = [this] { return done_ || closed_; };
  if (!changed_.wait_for(lock, patience_, is_over)) {
    if (job_.exchange(nullptr) != nullptr) return Outcome::Refused;
    changed_.wait(lock, is_over);  // it has begun
  }
  job_.store(nullptr, std::memory_order_relaxed);
  return done_ ? Outcome::Done : Outcome::Closed;
}

void Mailbox::serve() {
  if (job_.load(std::memory_order_relaxed) == nullptr) return;
  const std::function<void()>* job = job_.exchange(nullptr, std::memory_order_acquire);
  if (job == nullptr) return;
  (*job)();
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
}

void Mailbox::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

}  // namespace hookline::server
