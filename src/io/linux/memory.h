// This process's memory, read by process_vm_readv(2), which fails where a load would fault.
#pragma once

#include "io/memory.h"

namespace hookline::io {

class LinuxMemory final : public Memory {
 public:
  bool read(const void* from, MutableBytes to) override;
};

}  // namespace hookline::io
