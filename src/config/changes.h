// What a reload changes: for the log, and what it cannot change.
#pragma once

#include <string>
#include <vector>

#include "line/config.h"

namespace hookline::config {

// One line each, in the order of the file; at most kChangeLinesMax, the last saying how many more
// there are. Empty: the two mean the same.
std::vector<std::string> describe_changes(const Config& before, const Config& after);

// Keys that differ and are read at the start only, as "server.state-dir"; the values of `before`
// stay in force until a restart.
std::vector<std::string> needs_restart(const Config& before, const Config& after);

inline constexpr size_t kChangeLinesMax = 64;

}  // namespace hookline::config
