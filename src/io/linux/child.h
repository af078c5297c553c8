// A process of its own for a function that may crash, hang or exit: it shares nothing with this one
// but memory that was made for that.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "base/result.h"

namespace hookline::io {

// Zeroed memory that this process shares with the children that it starts while it has it.
class SharedMemory {
 public:
  static Result<SharedMemory> make(size_t bytes);
  SharedMemory(SharedMemory&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();

  void* data() const { return data_; }

 private:
  SharedMemory(void* data, size_t size) : data_(data), size_(size) {}

  void* data_;
  size_t size_;
};

struct ChildEnd {
  enum class How { Exited, Killed, Stopped };
  How how = How::Exited;
  int code = 0;  // exit status, or the signal; of Stopped: nothing
};

// "SIGSEGV".
std::string signal_name(int signal);

// Runs `body` in a child; when it returns, the child exits with 0. Its standard input is empty, its
// standard output is this process's standard error. Asks `may_go_on` ten times a second, and kills
// the child when that says no. Whatever the child started in its process group ends with it, and
// the child ends with this process. REQUIRES: this process has one thread.
Result<ChildEnd> run_in_child(const std::function<void()>& body,
                              const std::function<bool()>& may_go_on);

}  // namespace hookline::io
