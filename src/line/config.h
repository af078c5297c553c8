// The configuration as the stages see it: parsed, checked, complete, immutable. config/ makes it
// from TOML; a reload makes a new one. Options and lease times are already inherited (global, then
// scope, then reservation), so that the packet path never looks at two levels.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/inet.h"
#include "base/time.h"
#include "line/option_set.h"

namespace hookline {

// A point within a lease: a duration, or a share of the lease.
struct LeasePoint {
  bool is_share = true;
  uint32_t share_ppm = 0;  // millionths of the lease: 875000 is 87.5 %
  uint32_t seconds = 0;

  uint32_t of(uint32_t lease_s) const {
    if (lease_s == 0xFFFFFFFF) return lease_s;
    if (!is_share) return seconds < lease_s ? seconds : lease_s;
    return static_cast<uint32_t>(uint64_t{lease_s} * share_ppm / 1'000'000);
  }
};

struct LeaseTimes {
  uint32_t default_s = 8 * 3600;  // when the client asks for none
  uint32_t min_s = 300;           // what a client may ask for is held within these
  uint32_t max_s = 86400;
  LeasePoint renew{true, 500'000, 0};   // T1
  LeasePoint rebind{true, 875'000, 0};  // T2
};

// siaddr, sname and file of a reply (RFC 2131 section 2, RFC 4578).
struct BootFields {
  Ipv4 next_server;
  std::string server_name;  // at most 63 bytes
  std::string file;         // at most 127 bytes

  bool operator==(const BootFields&) const = default;
};

struct BootMatch {
  std::vector<uint16_t> architectures;  // option 93; any of them
  BootFields fields;                    // complete: inherited from the scope where not set
};

struct Boot {
  BootFields fields;
  std::vector<BootMatch> matches;  // the first that matches wins

  const BootFields& choose(std::optional<uint16_t> architecture) const {
    if (architecture) {
      for (const BootMatch& m : matches) {
        for (uint16_t a : m.architectures) {
          if (a == *architecture) return m.fields;
        }
      }
    }
    return fields;
  }
};

enum class ReservationKey : uint8_t { HardwareAddress, ClientId, CircuitId, RemoteId };

struct Reservation {
  ReservationKey by = ReservationKey::HardwareAddress;
  uint8_t hardware_type = 1;  // with HardwareAddress
  std::vector<uint8_t> key;
  Ipv4 address;          // inside the scope's subnet; may lie outside its ranges
  std::string hostname;  // empty: none
  OptionSet options;     // complete; holds option 12 when a hostname is set
  Boot boot;             // complete
};

struct Scope {
  std::string id;      // what the operator calls it; stable
  uint32_t key = 0;    // a hash of the id, unique: what lease records hold
  uint32_t index = 0;  // place in Config::scopes
  uint32_t wire = 0;   // scopes that share a wire (superscope) share this number
  Prefix subnet;
  std::vector<AddressRange> ranges;    // disjoint, ascending, inside the subnet
  std::vector<AddressRange> excluded;  // disjoint, ascending
  LeaseTimes times;
  std::string interface;     // empty: by the interface's addresses or giaddr
  std::string superscope;    // empty: none
  std::vector<Ipv4> relays;  // giaddr or link selection outside the subnet that mean this scope
  bool bootp = false;        // BOOTP clients are served from ranges too, not only reservations
  OptionSet options;         // complete
  Boot boot;
  std::vector<Reservation> reservations;
};

struct ServerConfig {
  std::vector<std::string> interfaces;  // names; "*" is every Ethernet interface that is not lo
  std::string state_dir = "/var/lib/hookline";
  std::string control = "/run/hookline/control.sock";
  bool authoritative = true;
  bool authorized = true;
  int64_t max_packet_age_ns = 5 * kNsPerSecond;  // 0: none is too old
  std::string user = "hookline";                 // whom to become after start; "root" stays
};

struct LeaseConfig {
  LeaseTimes times;  // of scopes that say nothing; already inherited by them
  uint32_t offer_hold_s = 60;
  uint32_t decline_quarantine_s = 3600;
};

struct Config {
  ServerConfig server;
  LeaseConfig leases;
  OptionSet options;  // global
  std::vector<Scope> scopes;
  uint32_t wire_count = 0;
  std::string path;  // the file it came from

  const Scope* find_scope(std::string_view id) const {
    for (const Scope& s : scopes) {
      if (s.id == id) return &s;
    }
    return nullptr;
  }
};

}  // namespace hookline
