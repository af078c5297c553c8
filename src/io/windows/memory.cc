#include "io/windows/memory.h"

#include <cstring>

#include "io/windows/fault_trap.h"

namespace hookline::io {

// Not by ReadProcessMemory(): Wine does that through another process, which may not look in here.
bool WindowsMemory::read(const void* from, MutableBytes to) {
  struct Copy {
    const void* from;
    MutableBytes to;
  } copy{from, to};
  std::string what;
  WindowsFaultTrap trap;
  return trap.run(
      [](void* argument) {
        const Copy& plan = *static_cast<Copy*>(argument);
        std::memcpy(plan.to.data(), plan.from, plan.to.size());
      },
      &copy, what);
}

}  // namespace hookline::io
