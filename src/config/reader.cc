#include "config/reader.h"

#include <fmt/core.h>

#include "base/check.h"
#include "config/architectures.h"
#include "config/duration.h"
#include "config/nearest.h"
#include "wire/option_table.h"

namespace hookline::config {

namespace {

constexpr size_t kShownBytesMax = 48;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool has_control(std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) return true;
  }
  return false;
}

std::optional<AddressRange> parse_range(std::string_view text) {
  const size_t dash = text.find('-');
  const auto trim = [](std::string_view t) {
    while (!t.empty() && t.front() == ' ') t.remove_prefix(1);
    while (!t.empty() && t.back() == ' ') t.remove_suffix(1);
    return t;
  };
  const auto first = Ipv4::parse(trim(text.substr(0, dash)));
  if (!first) return std::nullopt;
  if (dash == std::string_view::npos) return AddressRange{*first, *first};
  const auto last = Ipv4::parse(trim(text.substr(dash + 1)));
  if (!last) return std::nullopt;
  return AddressRange{*first, *last};
}

// "belongs in [server]", "is [[scope.reservation]]".
std::string home_of(const Key& key) {
  if (key.type == Type::Tables) return fmt::format("is [[{}]]", path_of(key));
  if (key.type == Type::Table) return fmt::format("is [{}]", path_of(key));
  return "belongs " + place_of(key.section);
}

// The network that a prefix with host bits was meant to be.
std::optional<Prefix> without_host_bits(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = Ipv4::parse(text.substr(0, slash));
  const auto any = Prefix::parse("0.0.0.0" + std::string(text.substr(slash)));
  if (!address || !any) return std::nullopt;
  return Prefix{Ipv4{address->value & any->mask()}, any->length};
}

}  // namespace

Position position_of(const toml::node& node) {
  return {node.source().begin.line, node.source().begin.column};
}

Position position_of(const toml::key& key) {
  return {key.source().begin.line, key.source().begin.column};
}

std::string shown(std::string_view text) {
  std::string out;
  size_t end = text.size();
  if (end > kShownBytesMax) {
    end = kShownBytesMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  }
  for (const char c : text.substr(0, end)) out += is_control(c) ? '?' : c;
  if (end < text.size()) out += "…";
  return out;
}

std::string in_quotes(std::string_view text) { return '"' + shown(text) + '"'; }

std::string describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "the text " + in_quotes(node.as_string()->get());
    case toml::node_type::integer:
      return fmt::format("the number {}", node.as_integer()->get());
    case toml::node_type::floating_point:
      return fmt::format("the number {}", node.as_floating_point()->get());
    case toml::node_type::boolean:
      return node.as_boolean()->get() ? "true" : "false";
    case toml::node_type::array:
      return node.as_array()->is_array_of_tables() ? "[[tables]]" : "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

Reader::Reader(const toml::table& table, Section section, Problems& problems)
    : table_(table), section_(section), problems_(problems) {
  for (const auto& [key, node] : table_) {
    if (find_key(section_, key.str()) == nullptr) report_unknown(key);
  }
}

void Reader::report_unknown(const toml::key& key) const {
  if (problems_.full()) return;
  const std::string_view name = key.str();
  const auto names = key_names(section_);
  std::string text = fmt::format("unknown key {} {}", in_quotes(name), place_of(section_));
  if (const std::string_view synonym = find_synonym(section_, name); !synonym.empty()) {
    text += fmt::format("; here it is \"{}\"", synonym);
  } else if (const auto near = nearest(name, names)) {
    text += fmt::format("; did you mean \"{}\"?", *near);
  } else if (const Key* elsewhere = find_key_anywhere(name)) {
    text += "; it " + home_of(*elsewhere);
  } else if (wire::find_option(name) != nullptr) {
    text += "; it is an option and belongs in an options table, such as [scope.options]";
  } else {
    text += "; known are ";
    for (size_t i = 0; i < names.size(); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", names[i]);
    }
  }
  problems_.error(position_of(key), std::move(text));
}

Position Reader::key_at(std::string_view name) const {
  const auto found = table_.find(name);
  return found == table_.end() ? at() : position_of(found->first);
}

void Reader::require(std::string_view name) const {
  if (has(name)) return;
  const Key* key = find_key(section_, name);
  CHECK(key != nullptr, "the schema names every key");
  problems_.error(
      at(), fmt::format("{} has no \"{}\": expected {}, such as {}", section_name(section_), name,
                        type_name(key->type), key->example));
}

Reader::Found Reader::find(std::string_view name, Type type) const {
  const Key* key = find_key(section_, name);
  CHECK(key != nullptr && key->type == type, "the schema names every key with its type");
  return {key, table_.get(name)};
}

void Reader::wrong(const Key& key, const toml::node& node) const {
  const std::string such_as = key.example.empty() ? "" : fmt::format(", such as {}", key.example);
  problems_.error(position_of(node), fmt::format("{}: expected {}{}; found {}", key.name,
                                                 type_name(key.type), such_as, describe(node)));
}

bool Reader::text_fits(const Key& key, const Placed<std::string>& text) const {
  if (has_control(text.value)) {
    problems_.error(text.at, fmt::format("{}: a text must not hold control characters", key.name));
    return false;
  }
  if (key.max == 0 || (text.value.size() >= key.min && text.value.size() <= key.max)) return true;
  problems_.error(text.at, fmt::format("{}: expected {} to {} bytes, found {}", key.name, key.min,
                                       key.max, text.value.size()));
  return false;
}

std::optional<Placed<std::string>> Reader::element_text(const Key& key,
                                                        const toml::node& node) const {
  const auto* text = node.as_string();
  if (text == nullptr) {
    wrong(key, node);
    return std::nullopt;
  }
  return Placed<std::string>{text->get(), position_of(node)};
}

std::optional<Placed<std::string>> Reader::string_of(const Found& found) const {
  if (found.node == nullptr) return std::nullopt;
  return element_text(*found.key, *found.node);
}

std::optional<Placed<bool>> Reader::boolean(std::string_view name) const {
  const Found found = find(name, Type::Boolean);
  if (found.node == nullptr) return std::nullopt;
  if (const auto* value = found.node->as_boolean()) {
    return Placed<bool>{value->get(), position_of(*found.node)};
  }
  wrong(*found.key, *found.node);
  return std::nullopt;
}

std::optional<Placed<uint64_t>> Reader::integer(std::string_view name) const {
  const Found found = find(name, Type::Integer);
  if (found.node == nullptr) return std::nullopt;
  const auto* value = found.node->as_integer();
  if (value == nullptr) {
    wrong(*found.key, *found.node);
    return std::nullopt;
  }
  const int64_t number = value->get();
  if (number < 0 || static_cast<uint64_t>(number) < found.key->min ||
      static_cast<uint64_t>(number) > found.key->max) {
    problems_.error(position_of(*found.node), fmt::format("{}: expected {} to {}, found {}", name,
                                                          found.key->min, found.key->max, number));
    return std::nullopt;
  }
  return Placed<uint64_t>{static_cast<uint64_t>(number), position_of(*found.node)};
}

std::optional<Placed<std::string>> Reader::text(std::string_view name) const {
  const Found found = find(name, Type::Text);
  auto text = string_of(found);
  if (text && !text_fits(*found.key, *text)) return std::nullopt;
  return text;
}

std::optional<Placed<uint32_t>> Reader::duration(std::string_view name) const {
  const Found found = find(name, Type::Duration);
  const auto text = string_of(found);
  if (!text) return std::nullopt;
  const auto seconds = parse_duration(text->value);
  if (!seconds) {
    wrong(*found.key, *found.node);
    return std::nullopt;
  }
  if (*seconds < found.key->min || *seconds > found.key->max) {
    problems_.error(text->at, fmt::format("{}: expected {} to {}, found {}", name,
                                          duration_text(static_cast<uint32_t>(found.key->min)),
                                          duration_text(static_cast<uint32_t>(found.key->max)),
                                          in_quotes(text->value)));
    return std::nullopt;
  }
  return Placed<uint32_t>{*seconds, text->at};
}

std::optional<Placed<int64_t>> Reader::fine_duration(std::string_view name) const {
  const Found found = find(name, Type::FineDuration);
  const auto text = string_of(found);
  if (!text) return std::nullopt;
  const auto ns = parse_fine_duration(text->value);
  if (!ns) {
    wrong(*found.key, *found.node);
    return std::nullopt;
  }
  const auto min = static_cast<int64_t>(found.key->min);
  const auto max = static_cast<int64_t>(found.key->max);
  if (*ns < min || *ns > max) {
    problems_.error(text->at,
                    fmt::format("{}: expected {} to {}, found {}", name, fine_duration_text(min),
                                fine_duration_text(max), in_quotes(text->value)));
    return std::nullopt;
  }
  return Placed<int64_t>{*ns, text->at};
}

std::optional<Placed<LeasePoint>> Reader::lease_point(std::string_view name) const {
  const Found found = find(name, Type::LeasePoint);
  const auto text = string_of(found);
  if (!text) return std::nullopt;
  const auto point = parse_lease_point(text->value);
  if (!point || (!point->is_share && point->seconds == 0)) {
    wrong(*found.key, *found.node);
    return std::nullopt;
  }
  return Placed<LeasePoint>{*point, text->at};
}

std::optional<Placed<Ipv4>> Reader::address(std::string_view name) const {
  const Found found = find(name, Type::Address);
  const auto text = string_of(found);
  if (!text) return std::nullopt;
  const auto address = Ipv4::parse(text->value);
  if (!address) {
    wrong(*found.key, *found.node);
    return std::nullopt;
  }
  return Placed<Ipv4>{*address, text->at};
}

std::optional<Placed<Prefix>> Reader::subnet(std::string_view name) const {
  const Found found = find(name, Type::Subnet);
  const auto text = string_of(found);
  if (!text) return std::nullopt;
  if (const auto prefix = Prefix::parse(text->value)) return Placed<Prefix>{*prefix, text->at};
  if (const auto meant = without_host_bits(text->value)) {
    problems_.error(text->at, fmt::format("{}: {} has bits set in its host part; did you mean {}?",
                                          name, in_quotes(text->value), meant->text()));
  } else {
    wrong(*found.key, *found.node);
  }
  return std::nullopt;
}

std::optional<Placed<std::vector<uint8_t>>> Reader::octets(std::string_view name) const {
  const Key* key = find_key(section_, name);
  const Found found =
      find(name, key != nullptr && key->type == Type::Hex ? Type::Hex : Type::HexOrText);
  const auto text = string_of(found);
  if (!text) return std::nullopt;
  Placed<std::vector<uint8_t>> out{{}, text->at};
  const bool tagged = text->value.starts_with("hex:");
  if (tagged || found.key->type == Type::Hex) {
    const auto bytes = from_hex(std::string_view(text->value).substr(tagged ? 4 : 0));
    if (!bytes) {
      wrong(*found.key, *found.node);
      return std::nullopt;
    }
    out.value = *bytes;
  } else {
    if (has_control(text->value)) {
      problems_.error(text->at,
                      fmt::format("{}: bytes that are not text are written as \"hex:…\"", name));
      return std::nullopt;
    }
    out.value.assign(text->value.begin(), text->value.end());
  }
  if (out.value.size() >= found.key->min && out.value.size() <= found.key->max) return out;
  problems_.error(text->at, fmt::format("{}: expected {} to {} bytes, found {}", name,
                                        found.key->min, found.key->max, out.value.size()));
  return std::nullopt;
}

template <class Visit>
void Reader::each(const Found& found, Visit visit) const {
  if (found.node == nullptr) return;
  const toml::array* list = found.node->as_array();
  if (list == nullptr) return visit(*found.node);
  if (list->empty() && found.key->min != 0) {
    problems_.error(position_of(*list), fmt::format("{}: expected at least one, such as {}",
                                                    found.key->name, found.key->example));
  }
  for (const toml::node& element : *list) visit(element);
}

std::vector<Placed<std::string>> Reader::texts(std::string_view name) const {
  const Found found = find(name, Type::TextList);
  std::vector<Placed<std::string>> out;
  each(found, [&](const toml::node& node) {
    auto text = element_text(*found.key, node);
    if (text && text_fits(*found.key, *text)) out.push_back(std::move(*text));
  });
  return out;
}

std::vector<Placed<Ipv4>> Reader::addresses(std::string_view name) const {
  const Found found = find(name, Type::AddressList);
  std::vector<Placed<Ipv4>> out;
  each(found, [&](const toml::node& node) {
    const auto text = element_text(*found.key, node);
    if (!text) return;
    if (const auto address = Ipv4::parse(text->value)) {
      out.push_back({*address, text->at});
    } else {
      wrong(*found.key, node);
    }
  });
  return out;
}

std::vector<Placed<AddressRange>> Reader::ranges(std::string_view name) const {
  const Found found = find(name, Type::RangeList);
  std::vector<Placed<AddressRange>> out;
  each(found, [&](const toml::node& node) {
    const auto text = element_text(*found.key, node);
    if (!text) return;
    const auto range = parse_range(text->value);
    if (!range) {
      wrong(*found.key, node);
    } else if (range->last < range->first) {
      problems_.error(text->at,
                      fmt::format("{}: {} ends before it begins; expected \"{}-{}\"", name,
                                  in_quotes(text->value), range->last.text(), range->first.text()));
    } else {
      out.push_back({*range, text->at});
    }
  });
  return out;
}

std::vector<Placed<uint16_t>> Reader::architectures(std::string_view name) const {
  const Found found = find(name, Type::Architectures);
  std::vector<Placed<uint16_t>> out;
  each(found, [&](const toml::node& node) {
    const Position where = position_of(node);
    if (const auto* number = node.as_integer()) {
      if (number->get() >= 0 && number->get() <= UINT16_MAX) {
        out.push_back({static_cast<uint16_t>(number->get()), where});
      } else {
        problems_.error(where,
                        fmt::format("{}: expected 0 to 65535, found {}", name, number->get()));
      }
      return;
    }
    const auto* text = node.as_string();
    if (text == nullptr) return wrong(*found.key, node);
    const auto codes = architecture_codes(text->get());
    for (const uint16_t code : codes) out.push_back({code, where});
    if (!codes.empty()) return;
    const auto near = nearest(text->get(), architecture_names());
    problems_.error(where,
                    fmt::format("{}: unknown architecture {}; {}", name, in_quotes(text->get()),
                                near ? fmt::format("did you mean \"{}\"?", *near)
                                     : "expected a number or one of " + architecture_name_list()));
  });
  return out;
}

std::vector<std::pair<Placed<std::string>, Placed<std::string>>> Reader::files(
    std::string_view name) const {
  const Found found = find(name, Type::Files);
  std::vector<std::pair<Placed<std::string>, Placed<std::string>>> out;
  if (found.node == nullptr) return out;
  const toml::table* table = found.node->as_table();
  if (table == nullptr) {
    wrong(*found.key, *found.node);
    return out;
  }
  for (const auto& [key, node] : *table) {
    Placed<std::string> from{std::string(key.str()), position_of(key)};
    auto file = element_text(*found.key, node);
    if (!file || !text_fits(*found.key, *file) || !text_fits(*found.key, from)) continue;
    out.emplace_back(std::move(from), std::move(*file));
  }
  return out;
}

std::vector<Placed<std::string>> Reader::values(std::string_view name) const {
  const Found found = find(name, Type::Values);
  std::vector<Placed<std::string>> out;
  each(found, [&](const toml::node& node) {
    if (const auto* number = node.as_integer()) {
      out.push_back({std::to_string(number->get()), position_of(node)});
    } else if (const auto text = element_text(*found.key, node)) {
      out.push_back(*text);
    }
  });
  return out;
}

const toml::table* Reader::table(std::string_view name) const {
  const Key* key = find_key(section_, name);
  CHECK(key != nullptr && (key->type == Type::Table || key->type == Type::Options),
        "the schema names every table");
  const toml::node* node = table_.get(name);
  if (node == nullptr) return nullptr;
  if (const toml::table* found = node->as_table()) return found;
  problems_.error(position_of(*node), fmt::format("{}: expected a table, such as [{}]; found {}",
                                                  name, path_of(*key), describe(*node)));
  return nullptr;
}

std::vector<const toml::table*> Reader::tables(std::string_view name) const {
  const Found found = find(name, Type::Tables);
  std::vector<const toml::table*> out;
  if (found.node == nullptr) return out;
  const toml::array* list = found.node->as_array();
  if (list == nullptr) {
    problems_.error(position_of(*found.node),
                    fmt::format("{}: expected tables, each under its own [[{}]]; found {}", name,
                                path_of(*found.key), describe(*found.node)));
    return out;
  }
  for (const toml::node& node : *list) {
    if (const toml::table* element = node.as_table()) {
      out.push_back(element);
    } else {
      problems_.error(position_of(node),
                      fmt::format("{}: expected tables, each under its own [[{}]]; found {}", name,
                                  path_of(*found.key), describe(node)));
    }
  }
  return out;
}

}  // namespace hookline::config
