// What is known of DHCPv4 options: names, codes and types (options.def), the encoding of an
// operator's values, and values as text for people. Pure; any thread; not for the packet path
// (encoding and rendering allocate).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace hookline::wire {

enum class OptionType : uint8_t {
  Empty,  // no bytes; from a bool that is true
  Bool,   // one byte, 0 or 1
  U8,
  U16,
  U32,
  I32,
  Seconds,  // as U32; configuration may write it as a duration
  Ipv4,
  Ipv4Pair,          // destination and router: { to = "address", via = "address" }
  Ipv4Mask,          // address and mask: "10.0.0.0/8"
  Text,              // without a terminating NUL
  Domain,            // a name as in RFC 1035 section 3.1, uncompressed
  DomainCompressed,  // names with compression pointers within the option (RFC 3397)
  Route,             // RFC 3442: { to = "10.0.0.0/8", via = "10.1.1.1" }
  SipServer,         // RFC 3361: names or addresses, not both
  FlagIpv4,          // RFC 2610: [mandatory, "address", ...]
  FlagText,          // RFC 2610: [mandatory, "text"]
  Opaque,            // bytes: "hex:01ff"
};

struct OptionDef {
  uint8_t code = 0;
  std::string_view name;  // "routers"; "option-224" where the code is not in the table
  OptionType type = OptionType::Opaque;
  bool many = false;         // the value is a list of `type`
  bool server_only = false;  // the server computes, echoes or only reads it: not configurable
  bool known = false;        // has a line in options.def
  uint8_t size_min = 0;
};

// By code: never fails; codes 0 and 255 (pad, end) are server_only.
const OptionDef& find_option(uint8_t code);
// By name, or by "option-N" for any code. None when there is no such option.
const OptionDef* find_option(std::string_view name);
// The known name with the fewest edits; empty when none is near.
std::string_view nearest_option_name(std::string_view misspelt);
// The size of one item of a type; 0 for types whose items vary.
size_t option_item_size(OptionType type);
// The size of the option's only valid value; 0 when sizes vary.
size_t fixed_option_size(const OptionDef& def);
// What its value has to look like: "a list of IPv4 addresses".
std::string describe_option_value(const OptionDef& def);

struct OptionRoute {
  std::string to;
  std::string via;
};

// A value as an operator writes it.
struct OptionValue {
  using List = std::vector<OptionValue>;
  std::variant<bool, int64_t, std::string, List, OptionRoute> value;

  OptionValue(bool v) : value(v) {}
  OptionValue(int64_t v) : value(v) {}
  OptionValue(std::string v) : value(std::move(v)) {}
  OptionValue(const char* v) : value(std::string(v)) {}
  OptionValue(List v) : value(std::move(v)) {}
  OptionValue(OptionRoute v) : value(std::move(v)) {}
};

// The bytes of the option's value; they may exceed 255 (RFC 3396: the encoder of replies splits).
// For every type a string "hex:…" is taken as the raw bytes, unchecked but for its size; a list
// option takes a single value as a list of one. Refuses server_only options and whatever is not
// describe_option_value(). The error's text says what was expected; the caller adds where.
Result<std::vector<uint8_t>> encode_option(const OptionDef& def, const OptionValue& value);

// A value received or configured, for people: by its type, in hex where it does not fit it. One
// line of printable ASCII.
std::string render_option(uint8_t code, Bytes value);

}  // namespace hookline::wire
