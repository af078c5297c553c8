// What is wrong within one scope.
#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "config/check.h"
#include "config/scope_key.h"

namespace hookline::config {

namespace {

constexpr uint8_t kSmallestNetworkWithBroadcast = 30;  // RFC 3021: a /31 has neither

std::string text_of(const AddressRange& range) {
  if (range.first == range.last) return range.first.text();
  return range.first.text() + "-" + range.last.text();
}

bool inside(const AddressRange& range, const Prefix& subnet) {
  return subnet.contains(range.first) && subnet.contains(range.last);
}

void sort_by_address(std::vector<Placed<AddressRange>>& ranges) {
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const auto& a, const auto& b) { return a.value.first < b.value.first; });
}

bool is_earlier(Position a, Position b) {
  return a.line != b.line ? a.line < b.line : a.column < b.column;
}

// Within the subnet, and clear of its own two addresses.
void check_range(const Placed<AddressRange>& range, const Prefix& subnet, Problems& problems) {
  const std::string text = text_of(range.value);
  if (!inside(range.value, subnet)) {
    problems.error(range.at,
                   fmt::format("ranges: {} is outside the subnet {}", text, subnet.text()));
    return;
  }
  if (subnet.length > kSmallestNetworkWithBroadcast) return;
  if (range.value.contains(subnet.base)) {
    problems.error(range.at, fmt::format("ranges: {} holds the network's own address; expected it "
                                         "to begin at {} or later",
                                         text, Ipv4{subnet.base.value + 1}.text()));
  }
  if (range.value.contains(subnet.last())) {
    problems.error(range.at, fmt::format("ranges: {} holds the broadcast address; expected it to "
                                         "end at {} or earlier",
                                         text, Ipv4{subnet.last().value - 1}.text()));
  }
}

void check_ranges(ScopeDraft& scope, Problems& problems) {
  sort_by_address(scope.ranges);
  const Placed<AddressRange>* widest = nullptr;  // the range before that reaches furthest
  for (const Placed<AddressRange>& range : scope.ranges) {
    if (scope.subnet) check_range(range, scope.subnet->value, problems);
    if (widest != nullptr && range.value.first <= widest->value.last) {
      const bool in_order = is_earlier(widest->at, range.at);
      const auto& later = in_order ? range : *widest;
      const auto& earlier = in_order ? *widest : range;
      problems.error(later.at, fmt::format("ranges: {} overlaps {} (line {})", text_of(later.value),
                                           text_of(earlier.value), earlier.at.line));
    }
    if (widest == nullptr || widest->value.last < range.value.last) widest = &range;
  }
}

void check_exclusions(ScopeDraft& scope, Problems& problems) {
  sort_by_address(scope.excluded);
  std::vector<Placed<AddressRange>> merged;
  for (const Placed<AddressRange>& range : scope.excluded) {
    if (scope.subnet && !inside(range.value, scope.subnet->value)) {
      problems.error(range.at, fmt::format("exclude: {} is outside the subnet {}",
                                           text_of(range.value), scope.subnet->value.text()));
    }
    if (!merged.empty() && range.value.first <= merged.back().value.last) {
      merged.back().value.last = std::max(merged.back().value.last, range.value.last);
    } else {
      merged.push_back(range);
    }
  }
  scope.excluded = std::move(merged);
}

void check_subnet(const Placed<Prefix>& subnet, Problems& problems) {
  const uint32_t first_octet = subnet.value.base.value >> 24;
  if (first_octet != 0 && first_octet != 127 && first_octet < 224) return;
  problems.error(subnet.at, fmt::format("subnet: {} holds no addresses that a client could use",
                                        subnet.value.text()));
}

std::string_view key_name(ReservationKey by) {
  switch (by) {
    case ReservationKey::HardwareAddress:
      return "hw-address";
    case ReservationKey::ClientId:
      return "client-id";
    case ReservationKey::CircuitId:
      return "circuit-id";
    case ReservationKey::RemoteId:
      return "remote-id";
  }
  return "";
}

void check_reserved_address(const ReservationDraft& draft, const Prefix& subnet,
                            Problems& problems) {
  const Ipv4 address = draft.reservation.address;
  if (!subnet.contains(address)) {
    problems.error(draft.address_at, fmt::format("address: {} is outside the subnet {}",
                                                 address.text(), subnet.text()));
  } else if (subnet.length <= kSmallestNetworkWithBroadcast &&
             (address == subnet.base || address == subnet.last())) {
    problems.error(draft.address_at, fmt::format("address: {} is the {} of {}", address.text(),
                                                 address == subnet.base ? "network's own address"
                                                                        : "broadcast address",
                                                 subnet.text()));
  }
}

void check_reservations(const ScopeDraft& scope, Problems& problems) {
  std::unordered_map<uint32_t, Position> addresses;
  std::unordered_map<std::string, Position> keys;
  for (const ReservationDraft& draft : scope.reservations) {
    const Reservation& reservation = draft.reservation;
    if (draft.has_address) {
      if (scope.subnet) check_reserved_address(draft, scope.subnet->value, problems);
      const auto [seen, fresh] = addresses.try_emplace(reservation.address.value, draft.address_at);
      if (!fresh) {
        problems.error(draft.address_at,
                       fmt::format("address: {} is reserved already (line {})",
                                   reservation.address.text(), seen->second.line));
      }
    }
    if (draft.has_key) {
      std::string key{static_cast<char>(reservation.by)};
      if (reservation.by == ReservationKey::HardwareAddress) {
        key += static_cast<char>(reservation.hardware_type);
      }
      key += as_text(reservation.key);
      const auto [seen, fresh] = keys.try_emplace(std::move(key), draft.key_at);
      if (!fresh) {
        problems.error(draft.key_at,
                       fmt::format("{}: this client has a reservation already (line {})",
                                   key_name(reservation.by), seen->second.line));
      }
    }
    if (!reservation.hostname.empty() && draft.options != nullptr &&
        draft.options->set.has(kHostNameOption)) {
      problems.error(draft.hostname_at,
                     fmt::format("hostname: option 12 is set already (line {})",
                                 draft.options->place_of(kHostNameOption)->line));
    }
    if (draft.boot != nullptr) check_boot(*draft.boot, problems);
  }
}

bool is_given_out(const ScopeDraft& scope, Ipv4 address) {
  const auto holds = [&](const auto& range) { return range.value.contains(address); };
  return std::any_of(scope.ranges.begin(), scope.ranges.end(), holds) &&
         std::none_of(scope.excluded.begin(), scope.excluded.end(), holds);
}

const ReservationDraft* reservation_of(const ScopeDraft& scope, Ipv4 address) {
  for (const ReservationDraft& draft : scope.reservations) {
    if (draft.has_address && draft.reservation.address == address) return &draft;
  }
  return nullptr;
}

// True when it had something to say.
bool check_router_subnet(const ScopeDraft& scope, Ipv4 router, Position at, Problems& problems) {
  const Prefix& subnet = scope.subnet->value;
  if (subnet.contains(router)) return false;
  problems.warning(at, fmt::format("routers: {} is outside the subnet {} of scope {}",
                                   router.text(), subnet.text(), in_quotes(scope.id.value)));
  return true;
}

void check_router_is_free(const ScopeDraft& scope, Ipv4 router, Position at, Problems& problems) {
  if (is_given_out(scope, router)) {
    problems.warning(at, fmt::format("routers: {} is in a range of scope {}: a client could be "
                                     "given it; exclude it",
                                     router.text(), in_quotes(scope.id.value)));
  } else if (const ReservationDraft* reserved = reservation_of(scope, router)) {
    problems.warning(at, fmt::format("routers: {} is reserved for a client (line {})",
                                     router.text(), reserved->address_at.line));
  }
}

// Calls `check(router, place)` for each address of option 3.
template <class Check>
void each_router(const OptionsDraft& options, Check check) {
  const Position* at = options.place_of(kRoutersOption);
  if (at == nullptr) return;
  const Bytes routers = options.set.find(kRoutersOption);
  for (size_t i = 0; i + 4 <= routers.size(); i += 4) check(Ipv4::load(&routers[i]), *at);
}

void check_routers(const ScopeDraft& scope, const OptionsDraft& global, Problems& problems) {
  if (!scope.subnet) return;
  const bool own = scope.options.set.has(kRoutersOption);
  each_router(own ? scope.options : global, [&](Ipv4 router, Position at) {
    if (!check_router_subnet(scope, router, at, problems)) {
      check_router_is_free(scope, router, at, problems);
    }
  });
  for (const ReservationDraft& draft : scope.reservations) {
    if (draft.options == nullptr) continue;
    each_router(*draft.options, [&](Ipv4 router, Position at) {
      check_router_subnet(scope, router, at, problems);
    });
  }
}

}  // namespace

void check_boot(const BootDraft& boot, Problems& problems) {
  std::unordered_map<uint16_t, Position> seen;
  for (const BootMatchDraft& match : boot.matches) {
    for (const Placed<uint16_t>& code : match.architectures) {
      const auto [first, fresh] = seen.try_emplace(code.value, code.at);
      if (!fresh) {
        problems.warning(code.at, fmt::format("architecture: {} is matched already (line {}), and "
                                              "the first match wins",
                                              code.value, first->second.line));
      }
    }
  }
}

void check_scope(ScopeDraft& scope, const OptionsDraft& global, Problems& problems) {
  if (scope.subnet) check_subnet(*scope.subnet, problems);
  check_ranges(scope, problems);
  check_exclusions(scope, problems);
  check_reservations(scope, problems);
  check_boot(scope.boot, problems);
  check_routers(scope, global, problems);
}

}  // namespace hookline::config
