// What a reload means for the addresses: made ahead, on whatever thread asks for the reload, so
// that the packet thread only has to take it over.
#pragma once

#include <cstdint>
#include <vector>

#include "lease/plan.h"

namespace hookline::lease {

struct PlanChange {
  // `before`: nullptr at the start. Both outlive the change.
  PlanChange(const Plan* before_plan, const Plan& after_plan);

  const Plan* before;
  const Plan* after;
  // By scope of `after`: where its addresses become something else, compared with the scope of
  // `before` that has the same subnet, or with addresses that were nobody's.
  std::vector<std::vector<KindChange>> kinds;
  struct Gone {
    uint32_t scope_before;
    std::vector<KindChange> kinds;
  };
  // Scopes of `before` whose subnet `after` does not have.
  std::vector<Gone> gone;
};

}  // namespace hookline::lease
