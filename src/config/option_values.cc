#include "config/option_values.h"

#include <fmt/core.h>

#include "config/duration.h"
#include "config/reader.h"
#include "wire/option_table.h"

namespace hookline::config {

namespace {

using wire::OptionDef;
using wire::OptionValue;

constexpr size_t kNameBytesMax = 40;  // longer ones are not slips, and cost their square

void report_unknown(const toml::key& key, Problems& problems) {
  if (problems.full()) return;
  const std::string_view name = key.str();
  const std::string_view near =
      name.size() <= kNameBytesMax ? wire::nearest_option_name(name) : std::string_view{};
  problems.error(position_of(key),
                 fmt::format("unknown option {}; {}", in_quotes(name),
                             near.empty() ? "any code can be set as option-N = \"hex:…\""
                                          : fmt::format("did you mean \"{}\"?", near)));
}

std::optional<std::string> text_at(const toml::table& table, std::string_view name) {
  const toml::node* node = table.get(name);
  if (node == nullptr || !node->is_string()) return std::nullopt;
  return node->as_string()->get();
}

// None: TOML that no option is written in.
std::optional<OptionValue> value_of(const OptionDef& def, const toml::node& node) {
  if (const auto* v = node.as_boolean()) return OptionValue(v->get());
  if (const auto* v = node.as_integer()) return OptionValue(v->get());
  if (const auto* v = node.as_string()) {
    if (def.type == wire::OptionType::Seconds) {
      if (const auto seconds = parse_duration(v->get())) return OptionValue(int64_t{*seconds});
    }
    return OptionValue(v->get());
  }
  if (const toml::array* list = node.as_array()) {
    OptionValue::List values;
    for (const toml::node& element : *list) {
      auto value = element.is_array() ? std::nullopt : value_of(def, element);
      if (!value) return std::nullopt;
      values.push_back(std::move(*value));
    }
    return OptionValue(std::move(values));
  }
  if (const toml::table* route = node.as_table()) {
    const auto to = text_at(*route, "to");
    const auto via = text_at(*route, "via");
    if (!to || !via || route->size() != 2) return std::nullopt;
    return OptionValue(wire::OptionRoute{*to, *via});
  }
  return std::nullopt;
}

Result<std::vector<uint8_t>> encode(const OptionDef& def, const toml::node& node) {
  const auto value = value_of(def, node);
  if (!value) {
    return fail(ErrorKind::Invalid, fmt::format("{}: expected {}, got {}", def.name,
                                                wire::describe_option_value(def), describe(node)));
  }
  return wire::encode_option(def, *value);
}

// Reports the element of a list that is wrong by itself, else the whole.
void report_value(const OptionDef& def, const toml::node& node, const Error& whole,
                  Problems& problems) {
  const toml::array* list = def.many ? node.as_array() : nullptr;
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const toml::node& element = *list->get(i);
    if (element.is_array()) continue;
    if (const auto bytes = encode(def, element); !bytes) {
      problems.error(position_of(element), bytes.error().text);
      return;
    }
  }
  problems.error(position_of(node), whole.text);
}

}  // namespace

const Position* OptionsDraft::place_of(uint8_t code) const {
  for (const Placed<uint8_t>& placed : codes) {
    if (placed.value == code) return &placed.at;
  }
  return nullptr;
}

OptionsDraft read_options(const toml::table& table, Problems& problems) {
  OptionsDraft out;
  for (const auto& [key, node] : table) {
    const std::string_view name = key.str();
    const OptionDef* def = wire::find_option(name);
    if (def == nullptr) {
      report_unknown(key, problems);
    } else if (def->server_only) {
      problems.error(position_of(key),
                     fmt::format("{}: the server sets or reads this option itself", name));
    } else if (const Position* before = out.place_of(def->code)) {
      problems.error(position_of(key), fmt::format("{}: option {} is set already, on line {}", name,
                                                   def->code, before->line));
    } else if (const auto bytes = encode(*def, node); !bytes) {
      report_value(*def, node, bytes.error(), problems);
    } else {
      out.set.set(def->code, *bytes);
      out.codes.push_back({def->code, position_of(key)});
    }
  }
  return out;
}

}  // namespace hookline::config
