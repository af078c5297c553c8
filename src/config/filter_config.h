// [filter]: rules and drivers, from TOML to FilterConfig.
#pragma once

#include "config/problems.h"
#include "config/reader.h"
#include "line/config.h"

namespace hookline::config {

// `dir` is left empty.
FilterConfig decode_filter(const Reader& filter, Problems& problems);

// "10/s", "600/m", "50/h": one in so many nanoseconds, and how many. None: it is no rate.
struct Rate {
  int64_t interval_ns;
  uint32_t count;
};
std::optional<Rate> parse_rate(std::string_view text);

}  // namespace hookline::config
