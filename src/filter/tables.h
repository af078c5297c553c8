// What the packet thread reads: for each layer the sublayers that have filters, by weight, and in
// each the filters by weight with their callouts. Immutable; made anew after each change.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "filter/layers.h"
#include "filter/objects.h"
#include "filter/registry.h"

namespace hookline::filter {

struct TableFilter {
  std::shared_ptr<const Filter> filter;
  std::shared_ptr<const Callout> callout;  // null: none, or not registered
};

struct TableSubLayer {
  std::shared_ptr<const SubLayer> sublayer;
  std::vector<TableFilter> filters;  // the heaviest first; of equals, the older
};

struct Tables {
  std::array<std::vector<TableSubLayer>, kLayerCount> layers;  // the heaviest first

  // Somebody wants to know of flows: flows.h says who.
  bool asks_for_flows = false;
  // Or keeps contexts with TCP flows alone.
  bool keeps_contexts = false;
  // By the direction in which flows begin: changes when the filters do that authorize them.
  std::array<uint32_t, 2> auth_versions{};
  // Changes when the filters of any ALE layer do.
  uint32_t ale_version = 0;
  void set_versions(const Tables& before);

  // A bit for each layer that has filters.
  uint64_t occupied() const;
};

using Rules = std::vector<std::shared_ptr<const Filter>>;

// Disabled filters are left out.
std::unique_ptr<Tables> compile(const Objects& objects, const Registry& registry,
                                const Rules& rules);

}  // namespace hookline::filter
