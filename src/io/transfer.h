// What one read or write of a stream did.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hookline::io {

struct Transfer {
  enum class Outcome : uint8_t { Done, WouldBlock, Ended, Failed };
  Outcome outcome = Outcome::Done;
  size_t size = 0;  // when Done
  int error = 0;    // errno when Failed
};

}  // namespace hookline::io
