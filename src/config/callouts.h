// [callouts]: from TOML and a registry export to CalloutConfig.
#pragma once

#include "config/draft.h"
#include "config/load.h"
#include "config/reader.h"

namespace hookline::config {

CalloutsDraft decode_callouts(const Reader& callouts, Problems& problems);
// Reads the registry export, makes the path map's files absolute (relative ones begin in `dir`),
// and decides whether callouts are on.
void finish_callouts(CalloutsDraft& draft, const std::string& dir, const ReadFile& read,
                     Problems& problems);

}  // namespace hookline::config
