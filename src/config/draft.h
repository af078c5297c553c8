// A configuration between reading and checking: every value with its place, nothing inherited yet.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "config/option_values.h"
#include "config/problems.h"
#include "line/config.h"

namespace hookline::config {

struct BootFieldsDraft {
  std::optional<Ipv4> next_server;
  std::optional<std::string> server_name;
  std::optional<std::string> file;

  BootFields over(const BootFields& base) const;
};

struct BootMatchDraft {
  std::vector<Placed<uint16_t>> architectures;
  BootFieldsDraft fields;
};

struct BootDraft {
  BootFieldsDraft fields;
  std::vector<BootMatchDraft> matches;
};

struct LeaseTimesDraft {
  std::optional<Placed<uint32_t>> lease;
  std::optional<Placed<uint32_t>> min;
  std::optional<Placed<uint32_t>> max;
  std::optional<Placed<LeasePoint>> renew;
  std::optional<Placed<LeasePoint>> rebind;
};

// Reservation::options and boot are left empty until inheritance is resolved.
struct ReservationDraft {
  Reservation reservation;
  Position at;
  Position key_at;
  Position address_at;
  bool has_key = false;
  bool has_address = false;
  Position hostname_at;
  std::unique_ptr<OptionsDraft> options;  // null: none of its own
  std::unique_ptr<BootDraft> boot;
};

struct ScopeDraft {
  Position at;
  Placed<std::string> id;  // empty: missing or faulty, and reported
  std::optional<Placed<Prefix>> subnet;
  std::vector<Placed<AddressRange>> ranges;
  std::vector<Placed<AddressRange>> excluded;
  LeaseTimesDraft times;
  LeaseTimes resolved_times;  // set by check()
  Placed<std::string> interface;
  Placed<std::string> superscope;
  std::vector<Placed<Ipv4>> relays;
  bool bootp = false;
  std::optional<bool> conflict_detection;
  OptionsDraft options;
  BootDraft boot;
  std::vector<ReservationDraft> reservations;
};

struct CalloutsDraft {
  std::optional<Placed<bool>> enabled;
  Position at;  // of [callouts]
  bool names_given = false;
  Placed<std::string> registry;  // as written; empty: none
  CalloutConfig config;          // but for what the registry export says
};

struct Draft {
  ServerConfig server;
  std::vector<Placed<std::string>> interfaces;
  LeaseTimesDraft times;
  LeaseTimes resolved_times;  // set by check()
  uint32_t offer_hold_s = LeaseConfig{}.offer_hold_s;
  uint32_t decline_quarantine_s = LeaseConfig{}.decline_quarantine_s;
  bool conflict_detection = false;  // of scopes that say nothing
  uint32_t conflict_attempts = LeaseConfig{}.conflict_attempts;
  int64_t conflict_wait_ns = LeaseConfig{}.conflict_wait_ns;
  OptionsDraft options;
  std::optional<CalloutsDraft> callouts;
  FilterConfig filter;
  LeaseQueryConfig leasequery;
  std::vector<ScopeDraft> scopes;
};

// One stage after the other; each goes on after errors, so that all are found.
Draft decode(const toml::table& file, Problems& problems,
             size_t reservations_max = kReservationsMax);
// What values say about each other. Brings ranges and exclusions into order and resolves lease
// times.
void check(Draft& draft, Problems& problems);
// What is left of `times` after inheritance and the built-in values, checked.
LeaseTimes resolve_times(const LeaseTimesDraft& own, const LeaseTimesDraft& inherited,
                         std::string_view default_name, Problems& problems);
// REQUIRES: check() found no error, nor anything before it.
Config resolve(Draft&& draft);

}  // namespace hookline::config
