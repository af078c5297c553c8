// Wine as a helper: a process becomes Wine's, which runs one Windows program in it, in a root
// folder of its own. What Wine needs besides is made there from nothing and is gone with the
// process: the "prefix" (some kilobytes on a tmpfs; the one that Wine makes itself has 700 MB and
// takes seconds) and a wineserver, which ends with it.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "io/linux/helper_sandbox.h"
#include "io/pe_file.h"

namespace hookline::io {

// Where Debian's package wine64 has its programs, and its Windows DLLs.
inline constexpr const char* kWineProgram = "/usr/lib/wine/wine64";
inline constexpr const char* kWineServer = "/usr/lib/wine/wineserver64";
inline constexpr const char* kWineDlls = "/usr/lib/x86_64-linux-gnu/wine/x86_64-windows";

// Missing: Wine or `program`, the .exe, is not installed; the text says what to install.
Result<void> look_for_wine(const std::string& program);

// It begins as programs and libraries of Windows do.
bool is_windows_file(const std::string& path);

// What of a Windows DLL's imports neither its own folder nor Wine has. Invalid: it is none, or none
// for this machine, or one that needs what Wine does not do; the text says which.
Result<std::vector<PeUnmet>> check_windows_dll(const std::string& path);
// "it needs dhcpsapi.dll, which …": the DLLs without which it is not loaded; empty: there are none.
std::string missing_dlls(const std::vector<PeUnmet>& unmet);

// A file or folder that is seen under a Windows path, "C:\Windows\System32\mac.dll". A bare name
// ("second.dll") is found where a program's own DLLs are.
struct WineLink {
  std::string windows_path;
  std::string file;
};

struct WinePlan {
  std::string program;     // the .exe
  std::string system_reg;  // HKEY_LOCAL_MACHINE, as Wine keeps it
  std::vector<WineLink> links;
  SandboxPlan sandbox;
};

// Returns only where that fails. The descriptors of a helper (helper_side.h) are handed on. From
// here on this process sees the plan's files only, has no capability, no network but what the plan
// grants, and is allowed the system calls of a callout and those few that Wine needs.
// REQUIRES: one thread; look_for_wine() found it.
Error become_wine(const WinePlan& plan);

}  // namespace hookline::io
