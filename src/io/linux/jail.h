// A root folder of one's own, made of some of the system's files: by a user and a mount namespace,
// which need no privileges.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hookline::io {

struct JailPlan {
  std::vector<std::string> readable;  // with all below; those that are not there are left out
  std::vector<std::string> writable;
  std::vector<std::string> empty;  // folders of the jail's own, in memory
  bool network = false;            // false: without interfaces
};

// Afterwards / holds the plan's files at their own places, and nothing else. This process keeps its
// user and has no capability outside; it has them inside, until leave_capabilities(). Io: the
// system does not let it, and the text says what to look at. REQUIRES: one thread.
Result<void> enter_jail(const JailPlan& plan);

// For good, and for whatever it runs.
Result<void> leave_capabilities();

}  // namespace hookline::io
