#include "lease/plan_change.h"

#include <map>

namespace hookline::lease {

PlanChange::PlanChange(const Plan* before_plan, const Plan& after_plan)
    : before(before_plan), after(&after_plan) {
  std::map<std::pair<uint32_t, uint8_t>, uint32_t> olds;  // subnet to scope
  const auto key = [](const Scope& s) { return std::pair(s.subnet.base.value, s.subnet.length); };
  if (before != nullptr) {
    for (const Scope& scope : before->config().scopes) olds[key(scope)] = scope.index;
  }
  for (const Scope& scope : after->config().scopes) {
    const auto same = olds.find(key(scope));
    const bool known = same != olds.end();
    kinds.push_back(
        after->changes_from(known ? before : nullptr, known ? same->second : 0, scope.index));
    if (known) olds.erase(same);
  }
  if (before == nullptr) return;
  for (const auto& [subnet, scope_before] : olds) {
    gone.push_back({scope_before, before->changes_to_outside(scope_before)});
  }
}

}  // namespace hookline::lease
