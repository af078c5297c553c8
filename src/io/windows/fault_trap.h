// Faults caught as Windows catches them: by a scope of structured exceptions, behind whatever the
// code handles itself.
#pragma once

#include "io/fault_trap.h"

namespace hookline::io {

class WindowsFaultTrap final : public FaultTrap {
 public:
  bool run(void (*function)(void*), void* argument, std::string& what) override;
};

}  // namespace hookline::io
