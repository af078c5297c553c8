// What is wrong between scopes, and the order of all checks.
#include "config/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "base/limits.h"
#include "config/scope_key.h"

namespace hookline::config {

namespace {

bool share_a_superscope(const ScopeDraft& a, const ScopeDraft& b) {
  return !a.superscope.value.empty() && a.superscope.value == b.superscope.value;
}

std::string name_of(const ScopeDraft& scope) {
  return fmt::format("scope {} (line {})", in_quotes(scope.id.value), scope.at.line);
}

void check_ids(const Draft& draft, Problems& problems) {
  std::unordered_map<uint32_t, const ScopeDraft*> by_key;
  for (const ScopeDraft& scope : draft.scopes) {
    if (scope.id.value.empty()) continue;
    const auto [other, fresh] = by_key.try_emplace(scope_key(scope.id.value), &scope);
    if (fresh) continue;
    const Placed<std::string>& taken = other->second->id;
    if (taken.value == scope.id.value) {
      problems.error(scope.id.at, fmt::format("id: {} is a scope's id already (line {})",
                                              in_quotes(scope.id.value), taken.at.line));
    } else {
      problems.error(scope.id.at,
                     fmt::format("id: lease records could not tell {} from {} (line {}): both have "
                                 "the key {:08x}; expected another id",
                                 in_quotes(scope.id.value), in_quotes(taken.value), taken.at.line,
                                 scope_key(scope.id.value)));
    }
  }
}

// Scopes with a subnet, by its first address; of two with the same, the larger first.
std::vector<const ScopeDraft*> by_subnet(const Draft& draft) {
  std::vector<const ScopeDraft*> sorted;
  for (const ScopeDraft& scope : draft.scopes) {
    if (scope.subnet) sorted.push_back(&scope);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const ScopeDraft* a, const ScopeDraft* b) {
    const Prefix& x = a->subnet->value;
    const Prefix& y = b->subnet->value;
    return x.base != y.base ? x.base < y.base : x.length < y.length;
  });
  return sorted;
}

// Two subnets are apart or one holds the other, so that the widest before is all to look at.
void check_overlaps(const std::vector<const ScopeDraft*>& sorted, Problems& problems) {
  const ScopeDraft* widest = nullptr;
  for (const ScopeDraft* scope : sorted) {
    if (widest == nullptr || widest->subnet->value.last() < scope->subnet->value.base) {
      widest = scope;
      continue;
    }
    const bool in_order = widest->at.line <= scope->at.line;
    const ScopeDraft& later = in_order ? *scope : *widest;
    const ScopeDraft& earlier = in_order ? *widest : *scope;
    problems.error(
        later.subnet->at,
        fmt::format("subnet: {} of scope {} overlaps {} of {}", later.subnet->value.text(),
                    in_quotes(later.id.value), earlier.subnet->value.text(), name_of(earlier)));
  }
}

const ScopeDraft* scope_around(const std::vector<const ScopeDraft*>& sorted, Ipv4 address) {
  const auto after = std::upper_bound(
      sorted.begin(), sorted.end(), address,
      [](Ipv4 a, const ScopeDraft* scope) { return a < scope->subnet->value.base; });
  if (after == sorted.begin()) return nullptr;
  const ScopeDraft* scope = *(after - 1);
  return scope->subnet->value.contains(address) ? scope : nullptr;
}

void check_relays(const Draft& draft, const std::vector<const ScopeDraft*>& sorted,
                  Problems& problems) {
  std::unordered_map<uint32_t, const ScopeDraft*> meaning;
  for (const ScopeDraft& scope : draft.scopes) {
    for (const Placed<Ipv4>& relay : scope.relays) {
      const std::string text = relay.value.text();
      if (!relay.value || relay.value == kBroadcast) {
        problems.error(relay.at, fmt::format("relays: {} is no relay's address", text));
        continue;
      }
      const auto [other, fresh] = meaning.try_emplace(relay.value.value, &scope);
      if (!fresh && other->second == &scope) {
        problems.error(relay.at, fmt::format("relays: {} is listed twice", text));
      } else if (!fresh && !share_a_superscope(*other->second, scope)) {
        problems.error(relay.at, fmt::format("relays: {} means {} already; scopes that share a "
                                             "relay need one superscope",
                                             text, name_of(*other->second)));
      }
      const ScopeDraft* around = scope_around(sorted, relay.value);
      if (around != nullptr && around != &scope && !share_a_superscope(*around, scope)) {
        problems.error(relay.at, fmt::format("relays: {} is in the subnet of {}, and would mean "
                                             "both",
                                             text, name_of(*around)));
      }
    }
  }
}

void check_interfaces(const Draft& draft, Problems& problems) {
  std::unordered_map<std::string, const ScopeDraft*> first;
  for (const ScopeDraft& scope : draft.scopes) {
    const std::string& name = scope.interface.value;
    if (name.empty()) continue;
    const auto serves = [&](const auto& i) { return i.value == "*" || i.value == name; };
    if (!draft.interfaces.empty() &&
        std::none_of(draft.interfaces.begin(), draft.interfaces.end(), serves)) {
      problems.warning(
          scope.interface.at,
          fmt::format("interface: {} is not among the interfaces of [server]", in_quotes(name)));
    }
    const auto [other, fresh] = first.try_emplace(name, &scope);
    if (!fresh && !share_a_superscope(*other->second, scope)) {
      problems.warning(scope.interface.at,
                       fmt::format("interface: {} belongs to {} already; scopes that share a wire "
                                   "need one superscope",
                                   in_quotes(name), name_of(*other->second)));
    }
  }
}

void check_size(const Draft& draft, Problems& problems) {
  uint64_t addresses = 0;
  for (const ScopeDraft& scope : draft.scopes) {
    addresses += scope.reservations.size();
    for (const Placed<AddressRange>& range : scope.ranges) {
      addresses += range.value.size();
      if (addresses <= kAddressesMax) continue;
      problems.error(range.at, fmt::format("ranges: {} addresses up to here; at most {} in all "
                                           "scopes together",
                                           addresses, kAddressesMax));
      return;
    }
  }
}

}  // namespace

void check(Draft& draft, Problems& problems) {
  draft.resolved_times = resolve_times(draft.times, {}, "default-time", problems);
  for (ScopeDraft& scope : draft.scopes) {
    scope.resolved_times = resolve_times(scope.times, draft.times, "lease-time", problems);
    check_scope(scope, draft.options, problems);
  }
  check_ids(draft, problems);
  const auto sorted = by_subnet(draft);
  check_overlaps(sorted, problems);
  check_relays(draft, sorted, problems);
  check_interfaces(draft, problems);
  check_size(draft, problems);
}

}  // namespace hookline::config
