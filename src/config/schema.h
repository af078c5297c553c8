// Every key that a configuration may have: one table, which decoding, diagnostics and
// docs/configuration.md are made from or checked against.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hookline::config {

// The tables of the file. One kind may stand at several places (a scope's and a reservation's
// boot).
enum class Section : uint8_t {
  File,            // the top of the file
  Server,          // [server]
  Leases,          // [leases]
  Scope,           // [[scope]]
  Boot,            // [scope.boot], [scope.reservation.boot]
  BootMatch,       // [[scope.boot.match]]
  Reservation,     // [[scope.reservation]]
  Callouts,        // [callouts]
  CalloutDll,      // [[callouts.dll]]
  CalloutRestart,  // [callouts.restart], [callouts.dll.restart]
  Filter,          // [filter]
  FilterRule,      // [[filter.rule]]
  FilterWhen,      // [filter.rule.when]
  FilterDriver,    // [[filter.driver]]
  LeaseQuery,      // [leasequery]
};

enum class Type : uint8_t {
  Boolean,
  Integer,
  Text,
  TextList,
  Duration,
  FineDuration,  // with milliseconds and microseconds
  LeasePoint,    // a duration or a share of the lease
  Address,
  AddressList,
  Subnet,
  RangeList,
  HexOrText,  // "hex:…" or the bytes of the text
  Hex,        // octets, as in a hardware address
  Architectures,
  Files,   // a table from names to files
  Values,  // texts and integers
  Table,
  Tables,   // [[…]]
  Options,  // a table of options by name: wire/option_table.h knows them
};

struct Key {
  Section section;
  std::string_view name;
  Type type;
  // Seconds of a Duration, nanoseconds of a FineDuration, the value of an Integer, bytes of a text;
  // 0 and 0: no bounds. A list with a `min` must not be empty.
  uint64_t min = 0;
  uint64_t max = 0;
  std::string_view fallback = {};  // what holds when the key is absent, for the reader of the docs
  std::string_view example = {};   // a value, as in TOML
  std::string_view doc = {};
};

std::span<const Key> schema();
const Key* find_key(Section section, std::string_view name);
// The first table that has such a key, for "it belongs in".
const Key* find_key_anywhere(std::string_view name);
// What other servers, and tired people, call a key here; empty: nothing known.
std::string_view find_synonym(Section section, std::string_view name);
std::vector<std::string_view> key_names(Section section);

// How messages and docs call the table and the type: "[server]", "a duration".
std::string_view section_name(Section section);
std::string_view type_name(Type type);
// "in [server]", "at the top of the file".
std::string place_of(Section section);
// The key with the tables around it: "scope.boot.match".
std::string path_of(const Key& key);

}  // namespace hookline::config
