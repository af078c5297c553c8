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

// "500us", "1ms", "2s", "1m", "1h": one unit, in nanoseconds. None beyond a thousand hours.
std::optional<int64_t> parse_fine_duration(std::string_view text);
// The largest unit that holds it whole: 1500000 is "1500us".
std::string fine_duration_text(int64_t ns);

// "50%", "87.5%" (more than 0, at most 100, up to four decimals) or a duration.
std::optional<LeasePoint> parse_lease_point(std::string_view text);
std::string lease_point_text(const LeasePoint& point);

}  // namespace hookline::config
