// Whether the callouts of a configuration can be hosted on this machine as it says, and whom their
// helper processes become. `hookline serve`, a reload and `hookline check` ask the same.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "line/config.h"

namespace hookline::server {

// The program that hosts them, beside this one or in ../libexec/hookline.
inline constexpr const char* kHostProgram = "hookline-host";

// Is there a callout whose hooks run in a process of its own?
bool needs_helpers(const CalloutConfig& callouts);

// Missing: callouts are to be isolated, and can't be. The text says what helps.
Result<void> check_hosting(const CalloutConfig& callouts);

struct HelperUser {
  std::string name;
  std::string note;  // for the log, where helpers have no user of their own; else empty
  bool is_root = false;
};
// Missing: callouts.user names nobody.
Result<HelperUser> helper_user(const Config& config);

// Files and folders that isolated callouts are granted and that are not there: a grant is for what
// is there when a helper starts.
std::vector<std::string> missing_grants(const CalloutConfig& callouts);

}  // namespace hookline::server
