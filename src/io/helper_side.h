// A helper process as it sees itself (helper.h is the server's view): the shared memory, the calls
// back and forth, and what it can still say when the code in it crashes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace hookline::io {

// The descriptors of a helper. Its standard input is empty; its standard output and error go to
// the pipe of kHelperOutputFd.
inline constexpr int kHelperMemoryFd = 3;
inline constexpr int kHelperWorkFd = 4;      // pipe: the server wakes the helper
inline constexpr int kHelperCallBackFd = 5;  // pipe: the helper wakes the server
inline constexpr int kHelperOutputFd = 6;

// Where a helper crashed. Plain words, the same in every process.
struct Fault {
  uint64_t address;        // what it touched
  uint64_t code_address;   // where it was
  uint64_t module_offset;  // the same within the module
  uint32_t signal;         // or the code of an exception of Windows (exception.h)
  uint32_t other_thread;   // not 0: not the thread that runs the hooks
  uint32_t module_size;    // bytes of the module's file name; 0: in none that is known
  std::array<char, 116> module;
};

// Written into the shared memory by a helper that crashes.
struct FaultNote {
  std::atomic<uint32_t> written;  // 1: the rest is there
  uint32_t reserved;
  Fault fault;
};

class HelperSide {
 public:
  virtual ~HelperSide() = default;
  virtual MutableBytes shared() = 0;
  // Sleeps until the server wakes it; false: it never will again.
  virtual bool wait() = 0;
  virtual void call_back() = 0;
  // One line to the server's log, whole, from any thread. Waits while the server does not read.
  virtual void write_output(std::string_view line) = 0;
  // From here on a fault is noted before it ends the process; then `more` is called, which must
  // not lock or allocate, and the server is called back. The modules are those that are loaded now.
  virtual void note_faults(FaultNote& note, void (*more)()) = 0;
};

}  // namespace hookline::io
