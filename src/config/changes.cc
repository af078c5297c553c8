#include "config/changes.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

#include "config/duration.h"
#include "wire/option_table.h"

namespace hookline::config {

namespace {

class Lines {
 public:
  void add(std::string line) {
    if (++count_ <= kChangeLinesMax) lines_.push_back(std::move(line));
  }
  // "what: before becomes after", when they differ.
  void compare(std::string_view what, const std::string& before, const std::string& after) {
    if (before == after) return;
    const auto shown = [](const std::string& text) { return text.empty() ? "nothing" : text; };
    add(fmt::format("{}: {} becomes {}", what, shown(before), shown(after)));
  }
  std::vector<std::string> take() {
    if (count_ > kChangeLinesMax) {
      lines_.back() = fmt::format("and {} more", count_ - kChangeLinesMax + 1);
    }
    return std::move(lines_);
  }

 private:
  std::vector<std::string> lines_;
  size_t count_ = 0;
};

template <class List, class ToText>
std::string joined(const List& list, ToText to_text) {
  std::string out;
  for (const auto& element : list) {
    if (!out.empty()) out += ", ";
    out += to_text(element);
  }
  return out;
}

std::string names_text(const std::vector<std::string>& names) {
  return joined(names, [](const std::string& name) { return name; });
}

std::string ranges_text(const std::vector<AddressRange>& ranges) {
  return joined(ranges, [](const AddressRange& r) { return r.first.text() + "-" + r.last.text(); });
}

std::string relays_text(const std::vector<Ipv4>& relays) {
  return joined(relays, [](Ipv4 relay) { return relay.text(); });
}

std::string yes_no(bool value) { return value ? "true" : "false"; }

void compare_times(const std::string& where, const LeaseTimes& before, const LeaseTimes& after,
                   Lines& out) {
  const auto compare = [&](std::string_view name, uint32_t a, uint32_t b) {
    out.compare(fmt::format("{}{}", where, name), duration_text(a), duration_text(b));
  };
  compare("lease time", before.default_s, after.default_s);
  compare("min-time", before.min_s, after.min_s);
  compare("max-time", before.max_s, after.max_s);
  out.compare(where + "renew-time", lease_point_text(before.renew), lease_point_text(after.renew));
  out.compare(where + "rebind-time", lease_point_text(before.rebind),
              lease_point_text(after.rebind));
}

// Names of the options that differ.
std::string changed_options(const OptionSet& before, const OptionSet& after) {
  std::string out;
  for (unsigned i = 0; i < 256; ++i) {
    const auto code = static_cast<uint8_t>(i);
    if (before.has(code) == after.has(code) && equal(before.find(code), after.find(code))) continue;
    if (!out.empty()) out += ", ";
    out += wire::find_option(code).name;
  }
  return out;
}

void compare_options(const std::string& where, const OptionSet& before, const OptionSet& after,
                     Lines& out) {
  const std::string names = changed_options(before, after);
  if (!names.empty()) out.add(fmt::format("{}options changed: {}", where, names));
}

bool same_boot(const Boot& a, const Boot& b) {
  const auto same = [](const BootMatch& x, const BootMatch& y) {
    return x.architectures == y.architectures && x.fields == y.fields;
  };
  return a.fields == b.fields &&
         std::equal(a.matches.begin(), a.matches.end(), b.matches.begin(), b.matches.end(), same);
}

std::string reservation_key(const Reservation& r) {
  return fmt::format("{}/{}/{}", static_cast<int>(r.by), r.hardware_type, as_text(r.key));
}

bool same_reservation(const Reservation& a, const Reservation& b) {
  return a.address == b.address && a.hostname == b.hostname && same_boot(a.boot, b.boot) &&
         changed_options(a.options, b.options).empty();
}

void compare_reservations(const std::string& where, const Scope& before, const Scope& after,
                          Lines& out) {
  std::unordered_map<std::string, const Reservation*> old;
  for (const Reservation& r : before.reservations) old.emplace(reservation_key(r), &r);
  size_t added = 0;
  size_t changed = 0;
  for (const Reservation& r : after.reservations) {
    const auto found = old.find(reservation_key(r));
    if (found == old.end()) {
      ++added;
      continue;
    }
    if (!same_reservation(*found->second, r)) ++changed;
    old.erase(found);
  }
  if (added + changed + old.size() == 0) return;
  out.add(fmt::format("{}reservations: {} added, {} removed, {} changed", where, added, old.size(),
                      changed));
}

void compare_scopes(const Scope& before, const Scope& after, Lines& out) {
  const std::string where = fmt::format("scope {}: ", after.id);
  out.compare(where + "subnet", before.subnet.text(), after.subnet.text());
  out.compare(where + "ranges", ranges_text(before.ranges), ranges_text(after.ranges));
  out.compare(where + "exclude", ranges_text(before.excluded), ranges_text(after.excluded));
  compare_times(where, before.times, after.times, out);
  out.compare(where + "interface", before.interface, after.interface);
  out.compare(where + "superscope", before.superscope, after.superscope);
  out.compare(where + "relays", relays_text(before.relays), relays_text(after.relays));
  out.compare(where + "bootp", yes_no(before.bootp), yes_no(after.bootp));
  out.compare(where + "conflict-detection", yes_no(before.conflict_detection),
              yes_no(after.conflict_detection));
  compare_options(where, before.options, after.options, out);
  if (!same_boot(before.boot, after.boot)) out.add(where + "boot changed");
  compare_reservations(where, before, after, out);
}

void compare_server(const ServerConfig& before, const ServerConfig& after, Lines& out) {
  out.compare("server.interfaces", names_text(before.interfaces), names_text(after.interfaces));
  out.compare("server.state-dir", before.state_dir, after.state_dir);
  out.compare("server.control", before.control, after.control);
  out.compare("server.user", before.user, after.user);
  out.compare("server.authoritative", yes_no(before.authoritative), yes_no(after.authoritative));
  out.compare("server.authorized", yes_no(before.authorized), yes_no(after.authorized));
  const auto age = [](const ServerConfig& server) {
    return duration_text(static_cast<uint32_t>(server.max_packet_age_ns / kNsPerSecond));
  };
  out.compare("server.max-packet-age", age(before), age(after));
}

using ScopesById = std::unordered_map<std::string_view, const Scope*>;

ScopesById scopes_by_id(const Config& config) {
  ScopesById out;
  for (const Scope& scope : config.scopes) out.emplace(scope.id, &scope);
  return out;
}

}  // namespace

std::vector<std::string> describe_changes(const Config& before, const Config& after) {
  Lines out;
  compare_server(before.server, after.server, out);
  compare_times("leases: ", before.leases.times, after.leases.times, out);
  out.compare("leases.offer-hold", duration_text(before.leases.offer_hold_s),
              duration_text(after.leases.offer_hold_s));
  out.compare("leases.decline-quarantine", duration_text(before.leases.decline_quarantine_s),
              duration_text(after.leases.decline_quarantine_s));
  out.compare("leases.conflict-wait", fine_duration_text(before.leases.conflict_wait_ns),
              fine_duration_text(after.leases.conflict_wait_ns));
  out.compare("leases.conflict-attempts", std::to_string(before.leases.conflict_attempts),
              std::to_string(after.leases.conflict_attempts));
  compare_options("global ", before.options, after.options, out);
  if (before.callouts != after.callouts) {
    out.add("callouts changed: 'hookline callouts reload' applies it");
  }
  if (before.leasequery.allow != after.leasequery.allow) out.add("leasequery.allow changed");
  if (before.leasequery.listen != after.leasequery.listen) out.add("leasequery.listen changed");
  if (before.filter.rules != after.filter.rules) out.add("filter rules changed");
  if (before.filter.drivers != after.filter.drivers) out.add("filter drivers changed");
  const ScopesById old_scopes = scopes_by_id(before);
  const ScopesById new_scopes = scopes_by_id(after);
  for (const Scope& scope : after.scopes) {
    const auto found = old_scopes.find(scope.id);
    if (found == old_scopes.end()) {
      out.add(fmt::format("scope {} added: {}", scope.id, scope.subnet.text()));
    } else {
      compare_scopes(*found->second, scope, out);
    }
  }
  for (const Scope& scope : before.scopes) {
    if (!new_scopes.contains(scope.id)) {
      out.add(fmt::format("scope {} removed: {}", scope.id, scope.subnet.text()));
    }
  }
  return out.take();
}

std::vector<std::string> needs_restart(const Config& before, const Config& after) {
  std::vector<std::string> keys;
  if (before.server.state_dir != after.server.state_dir) keys.push_back("server.state-dir");
  if (before.server.control != after.server.control) keys.push_back("server.control");
  if (before.server.user != after.server.user) keys.push_back("server.user");
  if (before.callouts.user != after.callouts.user) keys.push_back("callouts.user");
  if (before.filter.inline_completion != after.filter.inline_completion) {
    keys.push_back("filter.completion");
  }
  return keys;
}

}  // namespace hookline::config
