// Work that must not hold up a turn (writing a snapshot). One worker thread in the server; the
// simulator runs the jobs itself, when its seed says so.
#pragma once

#include <functional>

namespace hookline::io {

class Background {
 public:
  virtual ~Background() = default;
  // Runs `job` once, later, on another thread, jobs in the order they were posted. What it shares
  // with its poster is the poster's business.
  virtual void post(std::function<void()> job) = 0;
};

}  // namespace hookline::io
