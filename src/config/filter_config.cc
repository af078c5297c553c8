#include "config/filter_config.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/limits.h"
#include "base/utf16.h"
#include "config/nearest.h"

namespace hookline::config {
namespace {

// The layers by the operator's names, and by the API's. Bits say where a key of `when` can stand.
enum LayerBit : uint8_t { kMac = 1, kIp = 2, kTransport = 4, kDatagram = 8 };
struct LayerName {
  std::string_view name;
  std::string_view layer;
  LayerBit bit;
};
constexpr LayerName kLayers[] = {
    {"inbound-mac", "INBOUND_MAC_FRAME_ETHERNET", kMac},
    {"outbound-mac", "OUTBOUND_MAC_FRAME_ETHERNET", kMac},
    {"inbound-ip", "INBOUND_IPPACKET_V4", kIp},
    {"outbound-ip", "OUTBOUND_IPPACKET_V4", kIp},
    {"inbound-transport", "INBOUND_TRANSPORT_V4", kTransport},
    {"outbound-transport", "OUTBOUND_TRANSPORT_V4", kTransport},
    {"datagram", "DATAGRAM_DATA_V4", kDatagram},
};
constexpr std::string_view kLayerNames[] = {
    "inbound-mac",       "outbound-mac",       "inbound-ip", "outbound-ip",
    "inbound-transport", "outbound-transport", "datagram"};

enum class Kind : uint8_t { Interface, Mac, Address, Number, Direction };
struct WhenKey {
  std::string_view name;
  std::string_view field;
  Kind kind;
  uint8_t layers;
  uint64_t max;
};
constexpr uint8_t kAll = kMac | kIp | kTransport | kDatagram;
constexpr WhenKey kWhenKeys[] = {
    {"interface", "INTERFACE_INDEX", Kind::Interface, kAll, 0},
    {"remote-mac", "MAC_REMOTE_ADDRESS", Kind::Mac, kMac, 0},
    {"local-mac", "MAC_LOCAL_ADDRESS", Kind::Mac, kMac, 0},
    {"ether-type", "ETHER_TYPE", Kind::Number, kMac, 0xFFFF},
    {"vlan", "VLAN_ID", Kind::Number, kMac, 0xFFF},
    {"remote-address", "IP_REMOTE_ADDRESS", Kind::Address, kIp | kTransport | kDatagram, 0},
    {"local-address", "IP_LOCAL_ADDRESS", Kind::Address, kIp | kTransport | kDatagram, 0},
    {"remote-port", "IP_REMOTE_PORT", Kind::Number, kTransport | kDatagram, 0xFFFF},
    {"local-port", "IP_LOCAL_PORT", Kind::Number, kTransport | kDatagram, 0xFFFF},
    {"protocol", "IP_PROTOCOL", Kind::Number, kTransport | kDatagram, 0xFF},
    {"direction", "DIRECTION", Kind::Direction, kDatagram, 0},
};

// "a \"b\"", with what was meant or what is possible.
std::string choice_problem(std::string_view key, const std::string& found,
                           std::span<const std::string_view> choices) {
  if (const auto near = nearest(found, choices)) {
    return fmt::format("{}: unknown {}; did you mean \"{}\"?", key, in_quotes(found), *near);
  }
  std::string list;
  for (const std::string_view choice : choices) {
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", choice);
  }
  return fmt::format("{}: expected one of {}; found {}", key, list, in_quotes(found));
}

std::optional<uint64_t> parse_number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<NumberRange> parse_numbers(std::string_view text, uint64_t max) {
  const size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last > max) return std::nullopt;
  return NumberRange{*first, *last};
}

std::optional<NumberRange> parse_addresses(std::string_view text) {
  if (const auto prefix = Prefix::parse(text)) {
    return NumberRange{prefix->base.value, prefix->last().value};
  }
  const size_t dash = text.find('-');
  const auto first = Ipv4::parse(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : Ipv4::parse(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return NumberRange{first->value, last->value};
}

// A whole hardware address, or its first octets.
std::optional<NumberRange> parse_mac(std::string_view text) {
  const auto octets = from_hex(text);
  if (!octets || octets->empty() || octets->size() > 6) return std::nullopt;
  uint64_t number = 0;
  for (const uint8_t octet : *octets) number = number << 8 | octet;
  const auto open_bits = static_cast<uint32_t>(8 * (6 - octets->size()));
  number <<= open_bits;
  return NumberRange{number, number | ((uint64_t{1} << open_bits) - 1)};
}

std::optional<NumberRange> parse_direction(std::string_view text) {
  if (text == "inbound") return NumberRange{1, 1};
  if (text == "outbound") return NumberRange{0, 0};
  return std::nullopt;
}

std::optional<NumberRange> parse_value(const WhenKey& key, std::string_view text) {
  switch (key.kind) {
    case Kind::Mac:
      return parse_mac(text);
    case Kind::Address:
      return parse_addresses(text);
    case Kind::Number:
      return parse_numbers(text, key.max);
    case Kind::Direction:
      return parse_direction(text);
    case Kind::Interface:
      break;
  }
  return std::nullopt;
}

void decode_condition(const Reader& when, const WhenKey& key, FilterRule& out, Problems& problems) {
  RuleCondition condition;
  condition.field = key.field;
  for (const Placed<std::string>& value : when.values(key.name)) {
    if (key.kind == Kind::Interface) {
      condition.interfaces.push_back(value.value);
    } else if (const auto range = parse_value(key, value.value)) {
      condition.values.push_back(*range);
    } else {
      problems.error(value.at, fmt::format("{}: expected a value such as {}; found {}", key.name,
                                           find_key(Section::FilterWhen, key.name)->example,
                                           in_quotes(value.value)));
    }
  }
  if (!condition.values.empty() || !condition.interfaces.empty()) {
    out.when.push_back(std::move(condition));
  }
}

const LayerName* find_layer_name(std::string_view name) {
  const auto* found = std::find_if(std::begin(kLayers), std::end(kLayers),
                                   [&](const LayerName& known) { return known.name == name; });
  return found == std::end(kLayers) ? nullptr : found;
}

// Without a layer: where what the rule asks for is known.
const LayerName* layer_of(const Reader& rule, const toml::table* when, Problems& problems) {
  if (const auto layer = rule.text("layer")) {
    const LayerName* found = find_layer_name(layer->value);
    if (found == nullptr) {
      problems.error(layer->at, choice_problem("layer", layer->value, kLayerNames));
    }
    return found;
  }
  bool asks_for_mac = false;
  for (const WhenKey& key : kWhenKeys) {
    asks_for_mac |= key.layers == kMac && when != nullptr && when->contains(key.name);
  }
  return find_layer_name(asks_for_mac ? "inbound-mac" : "inbound-transport");
}

void decode_when(const toml::table& table, const LayerName& layer, FilterRule& out,
                 Problems& problems) {
  const Reader when(table, Section::FilterWhen, problems);
  for (const WhenKey& key : kWhenKeys) {
    if (!when.has(key.name)) continue;
    if ((key.layers & layer.bit) == 0) {
      problems.error(when.key_at(key.name),
                     fmt::format("{}: not known at the layer \"{}\"", key.name, layer.name));
    } else {
      decode_condition(when, key, out, problems);
    }
  }
}

void decode_action(const Reader& rule, FilterRule& out, Problems& problems) {
  static constexpr std::string_view kActions[] = {"permit", "block", "limit"};
  rule.require("action");
  const auto action = rule.text("action");
  if (!action) return;
  const auto* found = std::find(std::begin(kActions), std::end(kActions), action->value);
  if (found == std::end(kActions)) {
    problems.error(action->at, choice_problem("action", action->value, kActions));
    return;
  }
  out.action = static_cast<RuleAction>(found - std::begin(kActions));
}

void decode_per(const Reader& rule, FilterRule& out, Problems& problems) {
  static constexpr std::string_view kPers[] = {"mac", "relay", "interface"};
  const auto per = rule.text("per");
  if (!per) return;
  const auto* found = std::find(std::begin(kPers), std::end(kPers), per->value);
  if (found == std::end(kPers)) {
    problems.error(per->at, choice_problem("per", per->value, kPers));
    return;
  }
  out.per = static_cast<LimitPer>(found - std::begin(kPers) + 1);
}

void decode_limit(const Reader& rule, FilterRule& out, Problems& problems) {
  if (out.action != RuleAction::Limit) {
    for (const char* key : {"rate", "burst", "per"}) {
      if (rule.has(key)) {
        problems.error(rule.key_at(key), fmt::format("{}: goes with action = \"limit\"", key));
      }
    }
    return;
  }
  rule.require("rate");
  decode_per(rule, out, problems);
  out.interval_ns = kNsPerSecond;
  if (const auto text = rule.text("rate")) {
    const auto rate = parse_rate(text->value);
    if (!rate) {
      problems.error(text->at, fmt::format("rate: expected 1 to 1000000 a second, minute or hour, "
                                           "such as \"10/s\"; found {}",
                                           in_quotes(text->value)));
    } else {
      out.interval_ns = rate->interval_ns;
      out.burst = rate->count;
    }
  }
  if (const auto burst = rule.integer("burst")) out.burst = static_cast<uint32_t>(burst->value);
}

FilterRule decode_rule(const toml::table& table, Problems& problems) {
  const Reader rule(table, Section::FilterRule, problems);
  FilterRule out;
  const toml::table* when = rule.table("when");
  decode_action(rule, out, problems);
  decode_limit(rule, out, problems);
  if (const auto weight = rule.integer("weight")) out.weight = static_cast<uint8_t>(weight->value);
  const LayerName* layer = layer_of(rule, when, problems);
  if (layer == nullptr) return out;
  out.layer = layer->layer;
  if (when != nullptr) decode_when(*when, *layer, out, problems);
  return out;
}

void decode_parameters(const toml::table& table, FilterDriver& out, Problems& problems) {
  for (const auto& [key, node] : table) {
    DriverParameter parameter;
    parameter.name = key.str();
    const auto* number = node.as_integer();
    if (out.parameters.size() == kDriverParametersMax) {
      problems.error(position_of(key), fmt::format("parameters: at most {}", kDriverParametersMax));
      return;
    }
    if (number != nullptr && number->get() >= 0 && number->get() <= UINT32_MAX) {
      parameter.is_number = true;
      parameter.number = static_cast<uint32_t>(number->get());
    } else if (const auto* text = node.as_string()) {
      parameter.text = text->get();
    } else {
      problems.error(position_of(node), fmt::format("{}: expected a text or a number from 0 to "
                                                    "4294967295; found {}",
                                                    shown(key.str()), describe(node)));
      continue;
    }
    out.parameters.push_back(std::move(parameter));
  }
}

// "/usr/lib/delay.so" is "delay".
std::string stem_of(const std::string& path) {
  std::string file = path.substr(path.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  if (dot != std::string::npos && dot != 0) file.resize(dot);
  return file.empty() ? path : file;
}

bool is_name(std::string_view name) {
  return std::ranges::all_of(name,
                             [](char c) { return c > 32 && c < 127 && c != '\\' && c != '/'; });
}

// A library is in memory only once, and a driver is called by its name.
void check_twice(const std::vector<FilterDriver>& drivers, Position at, Problems& problems) {
  const FilterDriver& last = drivers.back();
  for (size_t i = 0; i + 1 < drivers.size(); ++i) {
    if (drivers[i].path == last.path) {
      problems.error(at, fmt::format("the driver {} stands twice", in_quotes(last.path)));
    } else if (equal_ignoring_case(drivers[i].name, last.name)) {
      problems.error(at, fmt::format("two drivers have the name {}: give one of them a 'name'",
                                     in_quotes(last.name)));
    }
  }
}

FilterDriver decode_driver(const toml::table& table, Problems& problems) {
  const Reader driver(table, Section::FilterDriver, problems);
  FilterDriver out;
  driver.require("path");
  if (auto path = driver.text("path")) out.path = std::move(path->value);
  const auto name = driver.text("name");
  out.name = name ? name->value : stem_of(out.path);
  if (name && !is_name(name->value)) {
    problems.error(name->at, fmt::format("name: expected printable characters but \\ and /; "
                                         "found {}",
                                         in_quotes(name->value)));
  }
  if (const auto required = driver.boolean("required")) out.required = required->value;
  if (const toml::table* parameters = driver.table("parameters")) {
    decode_parameters(*parameters, out, problems);
  }
  return out;
}

void decode_completion(const Reader& filter, FilterConfig& out, Problems& problems) {
  static constexpr std::string_view kWays[] = {"queued", "inline"};
  const auto completion = filter.text("completion");
  if (!completion) return;
  out.inline_completion = completion->value == kWays[1];
  if (completion->value != kWays[0] && !out.inline_completion) {
    problems.error(completion->at, choice_problem("completion", completion->value, kWays));
  }
}

}  // namespace

std::optional<Rate> parse_rate(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto count = parse_number(text.substr(0, slash));
  const std::string_view unit = text.substr(slash + 1);
  const int64_t seconds = unit == "s" ? 1 : unit == "m" ? 60 : unit == "h" ? 3600 : 0;
  if (!count || *count == 0 || *count > 1'000'000 || seconds == 0) return std::nullopt;
  return Rate{seconds * kNsPerSecond / static_cast<int64_t>(*count), static_cast<uint32_t>(*count)};
}

FilterConfig decode_filter(const Reader& filter, Problems& problems) {
  FilterConfig out;
  decode_completion(filter, out, problems);
  for (const toml::table* rule : filter.tables("rule")) {
    if (out.rules.size() == kFilterRulesMax) {
      problems.error(position_of(*rule),
                     fmt::format("too many rules: at most {}", kFilterRulesMax));
      break;
    }
    out.rules.push_back(decode_rule(*rule, problems));
  }
  for (const toml::table* driver : filter.tables("driver")) {
    if (out.drivers.size() == kFilterDriversMax) {
      problems.error(position_of(*driver),
                     fmt::format("too many drivers: at most {}", kFilterDriversMax));
      break;
    }
    out.drivers.push_back(decode_driver(*driver, problems));
    check_twice(out.drivers, position_of(*driver), problems);
  }
  return out;
}

}  // namespace hookline::config
