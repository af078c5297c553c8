// Running code of others so that a fault in it comes back as words, where the system can do that:
// Windows can (structured exceptions), Linux cannot, and its helpers end instead. src/io/windows
// has the only one.
#pragma once

#include <string>

namespace hookline::io {

class FaultTrap {
 public:
  virtual ~FaultTrap() = default;
  // Calls `function`. False: it faulted and was left where it was, with whatever it held, and
  // `what` says how: "exception 0xC0000005 (access violation): address 0x10, at mac.dll+0x1139".
  // C++ exceptions that this program can catch pass through. One thread.
  virtual bool run(void (*function)(void*), void* argument, std::string& what) = 0;
};

}  // namespace hookline::io
