// Options tables: [options], [scope.options], [scope.reservation.options]. Names, types and bytes
// are wire/option_table.h's; here is what stands between it and TOML.
#pragma once

#include <cstdint>
#include <vector>

#include "config/problems.h"
#include "config/toml.h"
#include "line/option_set.h"

namespace hookline::config {

struct OptionsDraft {
  OptionSet set;
  std::vector<Placed<uint8_t>> codes;  // where each option of `set` was set

  // Where `code` was set; null: not here.
  const Position* place_of(uint8_t code) const;
};

OptionsDraft read_options(const toml::table& table, Problems& problems);

}  // namespace hookline::config
