// Whether this thread is just inside a completion function: what would wait for completions must
// not wait there.
#pragma once

namespace hookline::inject {

class Injections;

class InCompletion {
 public:
  explicit InCompletion(const Injections* of) : before_(current()) { current() = of; }
  ~InCompletion() { current() = before_; }
  InCompletion(const InCompletion&) = delete;
  InCompletion& operator=(const InCompletion&) = delete;

  static bool of(const Injections* injections) { return current() == injections; }

 private:
  static const Injections*& current() {
    static thread_local const Injections* completing = nullptr;
    return completing;
  }

  const Injections* before_;
};

}  // namespace hookline::inject
