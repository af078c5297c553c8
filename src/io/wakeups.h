// Sleeping until there is something to do.
#pragma once

#include <cstdint>

namespace hookline::io {

class Wakeups {
 public:
  virtual ~Wakeups() = default;
  // Returns when a frame can be received, the links changed, wake() was called since the last
  // return, or `timeout_ns` passed. Packet thread. 0: only looks.
  virtual void wait(int64_t timeout_ns) = 0;
  // Any thread.
  virtual void wake() = 0;
};

}  // namespace hookline::io
