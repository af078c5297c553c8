// A callout that is a Windows DLL: this helper becomes Wine's, which runs hookline-host.exe, which
// does what hosted.h says. What the DLL is to find there comes from the setup: its registry, the
// map of Windows paths, and the files that are granted.
#pragma once

#include <string>

#include "callout/setup.h"
#include "io/helper_side.h"

namespace hookline::hosted {

// The configuration says so, or the file is a Windows program of any kind.
bool is_for_wine(const callout::Setup& setup);

// Returns only where that fails: the server has been told why, and this is the process's exit
// status. REQUIRES: one thread.
int host_in_wine(io::HelperSide& side, const callout::Setup& setup, const std::string& program);

// The part of Wine's registry that is HKEY_LOCAL_MACHINE, as Wine keeps it in a file: what Wine
// itself needs, and the callout's key.
std::string system_registry(const CalloutConfig& config);

}  // namespace hookline::hosted
