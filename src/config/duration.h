// Durations as operators write them: "30s", "5m", "8h", "1d", "2w", "1h30m", "infinite".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "line/config.h"

namespace hookline::config {

// Whole seconds; units descend and stand once each. kLeaseTimeInfinite for "infinite", and nothing
// finite is as large as that.
std::optional<uint32_t> parse_duration(std::string_view text);

// The shortest text that parse_duration() reads back as `seconds`: 5400 is "1h30m".
std::string duration_text(uint32_t seconds);

// "50%", "87.5%" (more than 0, at most 100, up to four decimals) or a duration.
std::optional<LeasePoint> parse_lease_point(std::string_view text);
std::string lease_point_text(const LeasePoint& point);

}  // namespace hookline::config
