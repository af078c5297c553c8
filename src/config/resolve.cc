// Draft to Config: inheritance, keys and wires.
#include <map>

#include "config/draft.h"
#include "config/scope_key.h"

namespace hookline::config {

namespace {

std::vector<uint16_t> codes_of(const BootMatchDraft& match) {
  std::vector<uint16_t> codes;
  for (const Placed<uint16_t>& code : match.architectures) codes.push_back(code.value);
  return codes;
}

// What a reservation sets wins over all that its scope says, the scope's matches included.
Boot resolve_boot(const BootDraft& own, const Boot& inherited) {
  Boot out;
  out.fields = own.fields.over(inherited.fields);
  for (const BootMatchDraft& match : own.matches) {
    out.matches.push_back({codes_of(match), match.fields.over(out.fields)});
  }
  for (const BootMatch& match : inherited.matches) {
    out.matches.push_back({match.architectures, own.fields.over(match.fields)});
  }
  return out;
}

Reservation resolve_reservation(ReservationDraft&& draft, const Scope& scope) {
  Reservation out = std::move(draft.reservation);
  out.options = draft.options ? draft.options->set.over(scope.options) : scope.options;
  if (!out.hostname.empty()) out.options.set(kHostNameOption, as_bytes(out.hostname));
  out.boot = draft.boot ? resolve_boot(*draft.boot, scope.boot) : scope.boot;
  return out;
}

template <class T>
std::vector<T> values_of(const std::vector<Placed<T>>& placed) {
  std::vector<T> out;
  out.reserve(placed.size());
  for (const Placed<T>& p : placed) out.push_back(p.value);
  return out;
}

Scope resolve_scope(ScopeDraft&& draft, const Config& config, bool conflict_detection) {
  Scope out;
  out.id = draft.id.value;
  out.key = scope_key(out.id);
  out.subnet = draft.subnet->value;
  out.ranges = values_of(draft.ranges);
  out.excluded = values_of(draft.excluded);
  out.times = draft.resolved_times;
  out.interface = draft.interface.value;
  out.superscope = draft.superscope.value;
  out.relays = values_of(draft.relays);
  out.bootp = draft.bootp;
  out.conflict_detection = draft.conflict_detection.value_or(conflict_detection);
  out.options = draft.options.set.over(config.options);
  out.boot = resolve_boot(draft.boot, Boot{});
  out.reservations.reserve(draft.reservations.size());
  for (ReservationDraft& reservation : draft.reservations) {
    out.reservations.push_back(resolve_reservation(std::move(reservation), out));
  }
  draft.reservations.clear();
  return out;
}

}  // namespace

BootFields BootFieldsDraft::over(const BootFields& base) const {
  return {next_server.value_or(base.next_server), server_name.value_or(base.server_name),
          file.value_or(base.file)};
}

uint32_t scope_key(std::string_view id) {
  uint32_t hash = 0x811C9DC5;
  for (const char c : id) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
  return hash;
}

Config resolve(Draft&& draft) {
  Config config;
  config.server = std::move(draft.server);
  config.server.interfaces = values_of(draft.interfaces);
  config.leases.times = draft.resolved_times;
  config.leases.offer_hold_s = draft.offer_hold_s;
  config.leases.decline_quarantine_s = draft.decline_quarantine_s;
  config.leases.conflict_attempts = draft.conflict_attempts;
  config.leases.conflict_wait_ns = draft.conflict_wait_ns;
  config.options = draft.options.set;
  config.filter = std::move(draft.filter);
  config.leasequery = std::move(draft.leasequery);
  if (draft.callouts) config.callouts = std::move(draft.callouts->config);
  std::map<std::string, uint32_t, std::less<>> wires;
  for (ScopeDraft& scope_draft : draft.scopes) {
    Scope scope = resolve_scope(std::move(scope_draft), config, draft.conflict_detection);
    scope.index = static_cast<uint32_t>(config.scopes.size());
    scope.wire = config.wire_count;
    if (!scope.superscope.empty()) {
      scope.wire = wires.try_emplace(scope.superscope, config.wire_count).first->second;
    }
    if (scope.wire == config.wire_count) ++config.wire_count;
    config.scopes.push_back(std::move(scope));
  }
  return config;
}

}  // namespace hookline::config
