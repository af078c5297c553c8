// What a helper process gives up before it loads code of others: for good, and whatever that code
// does. The spawner has taken its user and its capabilities away already (helpers.h).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hookline::io {

struct SandboxPlan {
  // Files and folders with all below; those that are not there are skipped. Besides them it can
  // read the system's libraries (/usr, /lib…) and what the loader needs of /etc.
  std::vector<std::string> readable;
  std::vector<std::string> writable;
  bool network = false;
};

// Files by Landlock, everything else by seccomp: no other programs, no other processes, no signals
// to them, no sockets (unless `network`), no memory beside what its limit counts, no namespaces,
// mounts, debugging or kernel modules. The text is empty, or says what this kernel cannot do.
// REQUIRES: this process has one thread.
Result<std::string> enter_sandbox(const SandboxPlan& plan);

// What becomes Wine's program, or the wineserver that works for it.
struct WinePart {
  int process;          // of the former, which alone may be sent signals
  const char* program;  // what is run next, by this very pointer, and nothing after that
};

// The same for these, in a root folder of their own (wine.h). They have local sockets, too.
Result<std::string> enter_wine_sandbox(const SandboxPlan& plan, const WinePart& part);

// What every helper can read of the system: libraries, and for the network its configuration.
std::vector<std::string> system_readable(bool network);

}  // namespace hookline::io
