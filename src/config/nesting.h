// A guard before toml++, which follows dotted keys (a.b.c = 1) down its stack without a bound.
#pragma once

#include <optional>
#include <string_view>

#include "config/problems.h"

namespace hookline::config {

// Where one statement (a header, or a key with its value) has more dots than kConfigDotsMax outside
// of texts and comments. A plain scan: what is no TOML is left for the parser to refuse.
std::optional<Position> find_deep_nesting(std::string_view text);

inline constexpr size_t kConfigDotsMax = 1024;

}  // namespace hookline::config
