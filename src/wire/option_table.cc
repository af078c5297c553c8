#include "wire/option_table.h"

#include <fmt/core.h>

#include <array>
#include <charconv>

namespace hookline::wire {

namespace {

constexpr bool kOne = false;
constexpr bool kMany = true;
constexpr bool kConfig = false;
constexpr bool kServer = true;

// The names "option-0" to "option-255", to be pointed at.
struct RawNames {
  std::array<std::array<char, 10>, 256> text{};
  std::array<uint8_t, 256> size{};

  constexpr RawNames() {
    for (unsigned code = 0; code < 256; ++code) {
      size_t at = 0;
      for (char c : std::string_view("option-")) text[code][at++] = c;
      if (code >= 100) text[code][at++] = static_cast<char>('0' + code / 100);
      if (code >= 10) text[code][at++] = static_cast<char>('0' + code / 10 % 10);
      text[code][at++] = static_cast<char>('0' + code % 10);
      size[code] = static_cast<uint8_t>(at);
    }
  }
};

constexpr RawNames kRawNames;

constexpr std::array<OptionDef, 256> make_table() {
  std::array<OptionDef, 256> table{};
  for (unsigned code = 0; code < 256; ++code) {
    table[code].code = static_cast<uint8_t>(code);
    table[code].name = {kRawNames.text[code].data(), kRawNames.size[code]};
  }
  table[0].server_only = table[255].server_only = true;
#define OPTION(code, name, type, many, by, size_min) \
  table[code] = OptionDef{code, name, OptionType::type, k##many, k##by, true, size_min};
#include "wire/options.def"
#undef OPTION
  return table;
}

constexpr std::array<OptionDef, 256> kTable = make_table();

// Levenshtein's distance in one row; names are short.
size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

struct TypeWords {
  std::string_view one;
  std::string_view many;
};

constexpr TypeWords type_words(OptionType type) {
  switch (type) {
    case OptionType::Empty:
      return {"true", "true"};
    case OptionType::Bool:
      return {"true or false", "a list of true or false"};
    case OptionType::U8:
      return {"a number from 0 to 255", "a list of numbers from 0 to 255"};
    case OptionType::U16:
      return {"a number from 0 to 65535", "a list of numbers from 0 to 65535"};
    case OptionType::U32:
      return {"a number from 0 to 4294967295", "a list of numbers from 0 to 4294967295"};
    case OptionType::I32:
      return {"a number from -2147483648 to 2147483647", "a list of 32-bit numbers"};
    case OptionType::Seconds:
      return {"seconds from 0 to 4294967295", "a list of seconds"};
    case OptionType::Ipv4:
      return {"an IPv4 address", "a list of IPv4 addresses"};
    case OptionType::Ipv4Pair:
      return {"{ to = \"address\", via = \"address\" }",
              "a list of { to = \"address\", via = \"address\" }"};
    case OptionType::Ipv4Mask:
      return {"a prefix such as \"10.0.0.0/8\"", "a list of prefixes such as \"10.0.0.0/8\""};
    case OptionType::Text:
      return {"text", "a list of text"};
    case OptionType::Domain:
    case OptionType::DomainCompressed:
      return {"a domain name", "a list of domain names"};
    case OptionType::Route:
      return {"{ to = \"prefix\", via = \"address\" }",
              "a list of { to = \"prefix\", via = \"address\" }"};
    case OptionType::SipServer:
      return {"a SIP server", "a list of domain names, or a list of IPv4 addresses"};
    case OptionType::FlagIpv4:
      return {"[true or false (mandatory), \"address\", ...]", ""};
    case OptionType::FlagText:
      return {"[true or false (mandatory), \"text\"]", ""};
    case OptionType::Opaque:
      return {"bytes such as \"hex:01ff\"", "bytes such as \"hex:01ff\""};
  }
  return {};
}

}  // namespace

const OptionDef& find_option(uint8_t code) { return kTable[code]; }

const OptionDef* find_option(std::string_view name) {
  for (const OptionDef& def : kTable) {
    if (def.name == name) return &def;
  }
  constexpr std::string_view kRaw = "option-";
  if (!name.starts_with(kRaw)) return nullptr;
  const std::string_view digits = name.substr(kRaw.size());
  uint8_t code = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (!whole || (digits.size() > 1 && digits[0] == '0')) return nullptr;
  return &kTable[code];
}

std::string_view nearest_option_name(std::string_view misspelt) {
  // Further away than a third of the name it is another word, not a slip.
  size_t best_edits = misspelt.size() / 3 + 1;
  std::string_view best;
  for (const OptionDef& def : kTable) {
    if (!def.known) continue;
    const size_t edits = edits_between(misspelt, def.name);
    if (edits < best_edits || (edits == best_edits && best.empty())) {
      best_edits = edits;
      best = def.name;
    }
  }
  return best;
}

size_t option_item_size(OptionType type) {
  switch (type) {
    case OptionType::Bool:
    case OptionType::U8:
      return 1;
    case OptionType::U16:
      return 2;
    case OptionType::U32:
    case OptionType::I32:
    case OptionType::Seconds:
    case OptionType::Ipv4:
      return 4;
    case OptionType::Ipv4Pair:
    case OptionType::Ipv4Mask:
      return 8;
    default:
      return 0;
  }
}

size_t fixed_option_size(const OptionDef& def) { return def.many ? 0 : option_item_size(def.type); }

std::string describe_option_value(const OptionDef& def) {
  const TypeWords words = type_words(def.type);
  return std::string(def.many ? words.many : words.one);
}

}  // namespace hookline::wire
