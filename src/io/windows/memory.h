// Reading memory that may not be there: it is tried.
#pragma once

#include "io/memory.h"

namespace hookline::io {

class WindowsMemory final : public Memory {
 public:
  bool read(const void* from, MutableBytes to) override;
};

}  // namespace hookline::io
