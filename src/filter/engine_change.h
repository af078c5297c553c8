// What the two halves of the engine's management share.
#pragma once

#include <new>

#include "filter/engine.h"

namespace hookline::filter {

// A change is under way: nobody else begins one, while it calls callouts without the mutex.
class Engine::Change {
 public:
  // REQUIRES: the lock is held and the engine is not busy.
  Change(Engine& engine, Lock& lock) : engine_(engine), lock_(lock) {
    engine_.busy_ = true;
    engine_.busy_thread_ = std::this_thread::get_id();
  }
  ~Change() {
    if (!lock_.owns_lock()) lock_.lock();
    engine_.busy_ = false;
    engine_.changed_.notify_all();
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  Engine& engine_;
  Lock& lock_;
};

// Lets go of the mutex around callbacks.
class Unlocked {
 public:
  explicit Unlocked(std::unique_lock<std::mutex>& lock) : lock_(lock) { lock_.unlock(); }
  ~Unlocked() { lock_.lock(); }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  std::unique_lock<std::mutex>& lock_;
};

// A driver gets a status, never an exception.
template <class Function>
NTSTATUS without_exceptions(Function function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return STATUS_NO_MEMORY;
  }
}

}  // namespace hookline::filter
