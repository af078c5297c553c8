// SIGTERM, SIGINT and SIGHUP as something to wait for and to ask, instead of handlers.
#pragma once

#include <memory>

#include "base/result.h"
#include "io/linux/fd.h"

namespace hookline::io {

enum class Signal { None, Stop, Reload };  // SIGTERM or SIGINT; SIGHUP

class LinuxSignals {
 public:
  // Blocks them in the calling thread, and so in every thread that it makes from now on: call it in
  // main() before any. SIGPIPE is ignored from here on.
  static Result<LinuxSignals> open();

  // Readable when take() has one. For LinuxPacketPort::watch().
  int fd() const { return fd_.get(); }
  // The next that has arrived, without waiting.
  Signal take();
  // Waits for the next.
  Signal wait();

 private:
  explicit LinuxSignals(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

}  // namespace hookline::io
