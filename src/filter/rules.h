// [[filter.rule]] of the configuration as filters of the engine, in the sublayer of the rules.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "filter/objects.h"
#include "io/links.h"
#include "line/config.h"

namespace hookline::filter {

// For Engine::set_rules(), at start and again whenever the rules or the links change. An interface
// that is not among the links has no traffic: its condition holds for nothing. `seed` is secret.
// REQUIRES: rules that the configuration's check has found right; each layer and field is known.
std::vector<std::shared_ptr<Filter>> make_rules(std::span<const FilterRule> rules,
                                                const io::LinkTable& links, uint64_t seed);

}  // namespace hookline::filter
