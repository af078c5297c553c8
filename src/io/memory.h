// Reading memory that may not be there, without a fault: for pointers that a callout hands back.
#pragma once

#include "base/bytes.h"

namespace hookline::io {

class Memory {
 public:
  virtual ~Memory() = default;
  // Fills `to` from this process's memory at `from`. False: not all of it can be read; `to` is
  // unspecified then. Any thread. A system call: not for pointers that are known to be good.
  virtual bool read(const void* from, MutableBytes to) = 0;
};

}  // namespace hookline::io
