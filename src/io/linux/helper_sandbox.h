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

// Files by Landlock, everything else by seccomp: no other programs, no other processes, no sockets
// (unless `network`), no namespaces, mounts, debugging or kernel modules. The text is empty, or
// says what this kernel cannot do. REQUIRES: this process has one thread.
Result<std::string> enter_sandbox(const SandboxPlan& plan);

// The same for what becomes Wine's, in a root folder of its own (wine.h): it may run programs, but
// start no process, and has local sockets. `process`: the one that may be sent signals.
Result<std::string> enter_wine_sandbox(const SandboxPlan& plan, int process);

// What every helper can read of the system: libraries, and for the network its configuration.
std::vector<std::string> system_readable(bool network);

}  // namespace hookline::io
