// The server's numbers in the Prometheus text exposition format, version 0.0.4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/service.h"

namespace hookline::control {

// Ends with a newline. Names and labels are listed in docs/operating.md and never change meaning.
std::string metrics_text(const Counters& counters, const Status& status,
                         const std::vector<ScopeRow>& scopes,
                         const std::vector<CalloutRow>& callouts = {},
                         const FilterView& filter = {});

// A label's value, without its quotes: '\', '"' and newline escaped.
std::string escape_label(std::string_view value);

}  // namespace hookline::control
