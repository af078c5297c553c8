// TOML to draft: types and ranges of single values.
#include <fmt/core.h>

#include "base/limits.h"
#include "config/callouts.h"
#include "config/draft.h"
#include "config/filter_config.h"
#include "config/leasequery.h"
#include "config/reader.h"

namespace hookline::config {

namespace {

bool is_word(std::string_view text) {
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

// Names that end up in paths, tables and metrics: letters, digits, "-", "_" and ".".
void check_word(std::string_view key, const Placed<std::string>& text, Problems& problems) {
  if (is_word(text.value)) return;
  problems.error(text.at,
                 fmt::format("{}: {} may hold only letters, digits, \"-\", \"_\" and \".\"", key,
                             in_quotes(text.value)));
}

void check_absolute(std::string_view key, const std::optional<Placed<std::string>>& path,
                    Problems& problems) {
  if (!path || path->value.front() == '/') return;
  problems.error(path->at, fmt::format("{}: expected a path from \"/\" on, found {}", key,
                                       in_quotes(path->value)));
}

bool is_interface_name(std::string_view name) {
  if (name == "." || name == "..") return false;
  return name.find_first_of("/: \t*") == std::string_view::npos;
}

void check_interface(std::string_view key, const Placed<std::string>& name, Problems& problems) {
  if (is_interface_name(name.value)) return;
  problems.error(name.at, fmt::format("{}: {} is not an interface's name; expected one such as "
                                      "\"eth0\"",
                                      key, in_quotes(name.value)));
}

void check_interfaces(const std::vector<Placed<std::string>>& names, Problems& problems) {
  if (names.size() > kInterfacesMax) {
    problems.error(names.back().at, fmt::format("interfaces: at most {}", kInterfacesMax));
    return;
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].value == "*") {
      if (names.size() == 1) return;
      problems.error(names[i].at, "interfaces: \"*\" is every interface; name it alone");
      continue;
    }
    check_interface("interfaces", names[i], problems);
    for (size_t k = 0; k < i; ++k) {
      if (names[k].value != names[i].value) continue;
      problems.error(names[i].at,
                     fmt::format("interfaces: {} is listed twice", in_quotes(names[i].value)));
      break;
    }
  }
}

void decode_server(const Reader& server, Draft& draft, Problems& problems) {
  server.require("interfaces");
  draft.interfaces = server.texts("interfaces");
  check_interfaces(draft.interfaces, problems);
  const auto state_dir = server.text("state-dir");
  const auto control = server.text("control");
  check_absolute("state-dir", state_dir, problems);
  check_absolute("control", control, problems);
  const auto user = server.text("user");
  if (user) check_word("user", *user, problems);
  ServerConfig& out = draft.server;
  if (state_dir) out.state_dir = state_dir->value;
  if (control) out.control = control->value;
  if (user) out.user = user->value;
  if (const auto v = server.boolean("authoritative")) out.authoritative = v->value;
  if (const auto v = server.boolean("authorized")) out.authorized = v->value;
  if (const auto v = server.duration("max-packet-age")) {
    out.max_packet_age_ns = int64_t{v->value} * kNsPerSecond;
  }
}

LeaseTimesDraft decode_times(const Reader& table, std::string_view default_name) {
  return {table.duration(default_name), table.duration("min-time"), table.duration("max-time"),
          table.lease_point("renew-time"), table.lease_point("rebind-time")};
}

BootFieldsDraft decode_boot_fields(const Reader& boot) {
  BootFieldsDraft out;
  if (const auto v = boot.address("next-server")) out.next_server = v->value;
  if (const auto v = boot.text("server-name")) out.server_name = v->value;
  if (const auto v = boot.text("file")) out.file = v->value;
  return out;
}

BootDraft decode_boot(const toml::table& table, Problems& problems) {
  const Reader boot(table, Section::Boot, problems);
  BootDraft out;
  out.fields = decode_boot_fields(boot);
  for (const toml::table* entry : boot.tables("match")) {
    const Reader match(*entry, Section::BootMatch, problems);
    match.require("architecture");
    out.matches.push_back({match.architectures("architecture"), decode_boot_fields(match)});
  }
  return out;
}

struct KeyName {
  std::string_view name;
  ReservationKey by;
};

constexpr KeyName kReservationKeys[] = {{"hw-address", ReservationKey::HardwareAddress},
                                        {"client-id", ReservationKey::ClientId},
                                        {"circuit-id", ReservationKey::CircuitId},
                                        {"remote-id", ReservationKey::RemoteId}};

void decode_reservation_key(const Reader& table, ReservationDraft& out, Problems& problems) {
  std::string_view taken;
  for (const KeyName& key : kReservationKeys) {
    if (!table.has(key.name)) continue;
    auto bytes = table.octets(key.name);
    if (!taken.empty()) {
      problems.error(table.key_at(key.name),
                     fmt::format("{}: the reservation has a {} already; make it two reservations",
                                 key.name, taken));
      continue;
    }
    taken = key.name;
    if (!bytes) continue;
    out.reservation.by = key.by;
    out.reservation.key = std::move(bytes->value);
    out.key_at = bytes->at;
    out.has_key = true;
  }
  if (taken.empty()) {
    problems.error(
        table.at(),
        "[[scope.reservation]] does not say whose it is: expected hw-address, client-id, "
        "circuit-id or remote-id");
  }
}

void check_hardware_address(const Reader& table, ReservationDraft& out, Problems& problems) {
  const auto type = table.integer("hw-type");
  if (type) out.reservation.hardware_type = static_cast<uint8_t>(type->value);
  if (type && !table.has("hw-address")) {
    problems.error(table.key_at("hw-type"), "hw-type: goes with hw-address, which is not there");
  }
  if (!out.has_key || out.reservation.by != ReservationKey::HardwareAddress) return;
  if (out.reservation.hardware_type == 1 && out.reservation.key.size() != 6) {
    problems.error(out.key_at,
                   fmt::format("hw-address: Ethernet addresses have 6 octets, found {}; "
                               "other types are told by hw-type",
                               out.reservation.key.size()));
  }
}

bool is_hostname(std::string_view name) {
  size_t label = 0;
  for (const char c : name) {
    label = c == '.' ? 0 : label + 1;
    if (label > 63) return false;
  }
  return is_word(name) && name.front() != '.';
}

ReservationDraft decode_reservation(const toml::table& table, Problems& problems) {
  const Reader reader(table, Section::Reservation, problems);
  ReservationDraft out;
  out.at = reader.at();
  decode_reservation_key(reader, out, problems);
  check_hardware_address(reader, out, problems);
  reader.require("address");
  if (const auto address = reader.address("address")) {
    out.reservation.address = address->value;
    out.address_at = address->at;
    out.has_address = true;
  }
  if (const auto hostname = reader.text("hostname")) {
    if (!is_hostname(hostname->value)) {
      problems.error(hostname->at, fmt::format("hostname: {} is not a host's name; expected one "
                                               "such as \"printer\"",
                                               in_quotes(hostname->value)));
    }
    out.reservation.hostname = hostname->value;
    out.hostname_at = hostname->at;
  }
  if (const toml::table* options = reader.table("options")) {
    out.options = std::make_unique<OptionsDraft>(read_options(*options, problems));
  }
  if (const toml::table* boot = reader.table("boot")) {
    out.boot = std::make_unique<BootDraft>(decode_boot(*boot, problems));
  }
  return out;
}

ScopeDraft decode_scope(const toml::table& table, size_t& reservations_left, Problems& problems) {
  const Reader reader(table, Section::Scope, problems);
  ScopeDraft out;
  out.at = reader.at();
  reader.require("id");
  reader.require("subnet");
  if (auto id = reader.text("id")) {
    check_word("id", *id, problems);
    out.id = std::move(*id);
  }
  out.subnet = reader.subnet("subnet");
  out.ranges = reader.ranges("ranges");
  out.excluded = reader.ranges("exclude");
  out.times = decode_times(reader, "lease-time");
  if (auto interface = reader.text("interface")) {
    check_interface("interface", *interface, problems);
    out.interface = std::move(*interface);
  }
  if (auto superscope = reader.text("superscope")) {
    check_word("superscope", *superscope, problems);
    out.superscope = std::move(*superscope);
  }
  out.relays = reader.addresses("relays");
  if (const auto bootp = reader.boolean("bootp")) out.bootp = bootp->value;
  if (const auto v = reader.boolean("conflict-detection")) out.conflict_detection = v->value;
  if (const toml::table* options = reader.table("options")) {
    out.options = read_options(*options, problems);
  }
  if (const toml::table* boot = reader.table("boot")) out.boot = decode_boot(*boot, problems);
  for (const toml::table* entry : reader.tables("reservation")) {
    if (reservations_left == 0) {
      problems.error(position_of(*entry), "too many reservations in all scopes together");
      break;
    }
    --reservations_left;
    out.reservations.push_back(decode_reservation(*entry, problems));
  }
  return out;
}

}  // namespace

Draft decode(const toml::table& file, Problems& problems, size_t reservations_max) {
  const Reader reader(file, Section::File, problems);
  Draft draft;
  if (const toml::table* server = reader.table("server")) {
    decode_server(Reader(*server, Section::Server, problems), draft, problems);
  } else if (!reader.has("server")) {
    problems.error({1, 1}, "the file has no [server]: expected it with interfaces = [\"eth0\"]");
  }
  if (const toml::table* table = reader.table("leases")) {
    const Reader leases(*table, Section::Leases, problems);
    draft.times = decode_times(leases, "default-time");
    if (const auto v = leases.duration("offer-hold")) draft.offer_hold_s = v->value;
    if (const auto v = leases.duration("decline-quarantine")) draft.decline_quarantine_s = v->value;
    if (const auto v = leases.boolean("conflict-detection")) draft.conflict_detection = v->value;
    if (const auto v = leases.fine_duration("conflict-wait")) draft.conflict_wait_ns = v->value;
    if (const auto v = leases.integer("conflict-attempts")) {
      draft.conflict_attempts = static_cast<uint32_t>(v->value);
    }
  }
  if (const toml::table* options = reader.table("options")) {
    draft.options = read_options(*options, problems);
  }
  if (const toml::table* callouts = reader.table("callouts")) {
    draft.callouts = decode_callouts(Reader(*callouts, Section::Callouts, problems), problems);
  }
  if (const toml::table* filter = reader.table("filter")) {
    draft.filter = decode_filter(Reader(*filter, Section::Filter, problems), problems);
  }
  if (const toml::table* leasequery = reader.table("leasequery")) {
    draft.leasequery =
        decode_leasequery(Reader(*leasequery, Section::LeaseQuery, problems), problems);
  }
  if (!reader.has("scope")) {
    problems.warning({}, "the file has no [[scope]]: no client will be served");
  }
  size_t reservations_left = reservations_max;
  for (const toml::table* entry : reader.tables("scope")) {
    if (draft.scopes.size() == kScopesMax) {
      problems.error(position_of(*entry), fmt::format("too many scopes: at most {}", kScopesMax));
      break;
    }
    draft.scopes.push_back(decode_scope(*entry, reservations_left, problems));
  }
  return draft;
}

}  // namespace hookline::config
