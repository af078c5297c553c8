#include "io/linux/memory.h"

#include <sys/uio.h>
#include <unistd.h>

namespace hookline::io {

bool LinuxMemory::read(const void* from, MutableBytes to) {
  if (to.empty()) return true;
  const iovec local{to.data(), to.size()};
  const iovec remote{const_cast<void*>(from), to.size()};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) ==
         static_cast<ssize_t>(to.size());
}

}  // namespace hookline::io
