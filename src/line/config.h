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
  bool conflict_detection = false;  // ask whether an address is in use before it is offered
  OptionSet options;                // complete
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
  // Conflict detection: probes of an address, and how long each waits for an answer.
  uint32_t conflict_attempts = 1;
  int64_t conflict_wait_ns = kNsPerSecond / 2;
};

// One value of HKLM\SYSTEM\CurrentControlSet\Services\DHCPServer\Parameters, which callouts read.
struct RegistryValue {
  std::string subkey;         // below that key, parts divided by a backslash; empty: the key itself
  std::string name;           // empty: the key's default value
  uint32_t type = 0;          // REG_SZ 1, REG_DWORD 4, REG_MULTI_SZ 7, …
  std::vector<uint8_t> data;  // the registry's own bytes: texts are UTF-16LE with their NUL

  bool operator==(const RegistryValue&) const = default;
};

// Which file stands for a name or a Windows path of a DLL.
struct CalloutPath {
  std::string name;  // compared without regard to case
  std::string file;  // absolute, unless the configuration's own path is relative

  bool operator==(const CalloutPath&) const = default;
};

enum class CalloutOrder : uint8_t { Alphabetical, Listed };

// Who calls the callouts after the first: that one, as Microsoft documents it, or the server.
enum class CalloutChaining : uint8_t { ByDlls, ByServer };

// Where the hooks of a callout run: in a helper process, in the server's own, or, those of a
// Windows DLL, in a helper process that is Wine's.
enum class CalloutPlace : uint8_t { Isolated, InProcess, Wine };
// What becomes of a packet whose callout crashed, hangs or is not there: it goes on as if the hook
// had not been called, or it is dropped.
enum class OnFault : uint8_t { Open, Closed };

// How one callout is hosted, or one chain of them. Of an in-process one only `place` counts.
struct CalloutHosting {
  CalloutPlace place = CalloutPlace::Isolated;
  OnFault on_fault = OnFault::Open;
  int64_t budget_ns = 50'000'000;                   // what one call of a hook may take
  uint64_t memory_max_bytes = uint64_t{256} << 20;  // of its own data; 0: no limit
  int64_t restart_first_ns = 100'000'000;           // doubled by each fault that follows
  int64_t restart_longest_ns = 30 * kNsPerSecond;
  uint32_t faults_max = 5;            // in a row, until it is left alone
  bool network = false;               // may it open sockets?
  std::vector<std::string> readable;  // besides the callouts' own folders
  std::vector<std::string> writable;

  bool operator==(const CalloutHosting&) const = default;
};

// The account of helper processes, unless another is named.
inline constexpr const char* kCalloutUser = "hookline-callouts";

struct CalloutConfig {
  bool enabled = false;  // false, or no names: no callout is loaded
  CalloutChaining chaining = CalloutChaining::ByDlls;
  CalloutOrder order = CalloutOrder::Alphabetical;  // ByServer: always as listed
  std::vector<std::string> names;                   // as configured, before any path map
  std::vector<CalloutPath> files;                   // the path map
  std::vector<RegistryValue> registry;              // names differ, without regard to case
  std::vector<std::string> registry_subkeys;        // that exist, with or without values
  std::string dir;                                  // where relative names of files begin
  int64_t warn_slower_ns = 1'000'000;               // hooks that take longer are logged; 0: none is
  CalloutHosting hosting;                           // of the chain that DLLs make
  std::vector<CalloutHosting> each;                 // ByServer: of names, in their order
  std::string user;  // whom helper processes become; empty: kCalloutUser, where it exists

  bool operator==(const CalloutConfig&) const = default;
};

// Both ends included.
struct NumberRange {
  uint64_t first = 0;
  uint64_t last = 0;

  bool operator==(const NumberRange&) const = default;
};

// What one field of a datagram must be: any of these.
struct RuleCondition {
  std::string field;                    // as in FWPM_CONDITION_<field>
  std::vector<NumberRange> values;      // addresses in host order, a MAC as 48 bits
  std::vector<std::string> interfaces;  // of INTERFACE_INDEX: names instead of values

  bool operator==(const RuleCondition&) const = default;
};

enum class RuleAction : uint8_t { Permit, Block, Limit };
enum class LimitPer : uint8_t { Rule, Mac, Relay, Interface };

// [[filter.rule]]
struct FilterRule {
  std::string layer;                // as in FWPM_LAYER_<layer>
  std::vector<RuleCondition> when;  // all of them; none: every datagram
  RuleAction action = RuleAction::Block;
  int64_t interval_ns = 0;  // Limit: one datagram in so much time
  uint32_t burst = 1;       // Limit: so many at once
  LimitPer per = LimitPer::Rule;
  uint8_t weight = 0;  // 0 to 15; the heavier is asked first

  bool operator==(const FilterRule&) const = default;
};

struct DriverParameter {
  std::string name;
  bool is_number = false;
  uint32_t number = 0;
  std::string text;

  bool operator==(const DriverParameter&) const = default;
};

// [[filter.driver]]
struct FilterDriver {
  std::string path;
  std::string name;      // never empty, and differs from the others': without regard to case
  bool required = true;  // false: the server starts without it when it does not load
  std::vector<DriverParameter> parameters;

  bool operator==(const FilterDriver&) const = default;
};

struct FilterConfig {
  std::vector<FilterRule> rules;
  std::vector<FilterDriver> drivers;
  bool inline_completion = false;  // injections complete inside the call: for testing drivers
  std::string dir;                 // where relative paths of drivers begin

  bool operator==(const FilterConfig&) const = default;
};

// Where a TCP connection is listened for.
struct Endpoint {
  Ipv4 address;  // none: every address of this machine
  uint16_t port = 67;

  bool operator==(const Endpoint&) const = default;
};

// [leasequery]
struct LeaseQueryConfig {
  std::vector<Prefix> allow;  // relays (giaddr), and peers over TCP, that may ask; empty: none may
  std::vector<Endpoint> listen;  // over TCP; empty: not at all

  bool operator==(const LeaseQueryConfig&) const = default;
};

struct Config {
  ServerConfig server;
  LeaseConfig leases;
  OptionSet options;  // global
  CalloutConfig callouts;
  FilterConfig filter;
  LeaseQueryConfig leasequery;
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
