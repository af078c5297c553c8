// The test host's side: drives the exchanges, and fills the sheet.
#pragma once

#include <cstdint>

#include "base/log.h"
#include "line/config.h"
#include "server/check_sheet.h"

namespace hookline::check {

// The callout is the only one of `callouts`. Exchanges before `first` are left out, but for the
// start of those that are not.
void drive_exchanges(const CalloutConfig& callouts, uint32_t first, uint32_t rounds,
                     int64_t budget_ns, Logger& log, Sheet& sheet);

}  // namespace hookline::check
