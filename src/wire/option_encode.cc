#include <fmt/core.h>

#include <optional>
#include <utility>

#include "base/inet.h"
#include "base/limits.h"
#include "wire/option_table.h"

namespace hookline::wire {

namespace {

using Buffer = std::vector<uint8_t>;

// No reply has room for more.
constexpr size_t kValueBytesMax = kPacketBytesMax - kDhcpHeaderBytes;
constexpr size_t kLabelBytesMax = 63;  // RFC 1035 section 2.3.4
constexpr size_t kDomainBytesMax = 255;
constexpr size_t kPointerReach = 0x4000;  // RFC 1035 section 4.1.4: 14 bits

std::string shown(const OptionValue& value) {
  struct Show {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) const { return fmt::format("\"{}\"", v); }
    std::string operator()(const OptionValue::List&) const { return "a list"; }
    std::string operator()(const OptionRoute& v) const {
      return fmt::format("{{ to = \"{}\", via = \"{}\" }}", v.to, v.via);
    }
  };
  return std::visit(Show{}, value.value);
}

void put(Buffer& out, Ipv4 address) {
  out.resize(out.size() + 4);
  address.store(&out[out.size() - 4]);
}

void put(Buffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

bool put_number(Buffer& out, const OptionValue& value, int64_t min, int64_t max, int bytes) {
  const auto* number = std::get_if<int64_t>(&value.value);
  if (number == nullptr || *number < min || *number > max) return false;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    out.push_back(static_cast<uint8_t>(static_cast<uint64_t>(*number) >> shift));
  }
  return true;
}

bool put_bool(Buffer& out, const OptionValue& value) {
  const auto* flag = std::get_if<bool>(&value.value);
  if (flag != nullptr) out.push_back(*flag ? 1 : 0);
  return flag != nullptr;
}

bool put_text(Buffer& out, const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  if (text == nullptr || text->empty() || text->find('\0') != std::string::npos) return false;
  put(out, as_bytes(*text));
  return true;
}

std::optional<Ipv4> address_of(const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  return text != nullptr ? Ipv4::parse(*text) : std::nullopt;
}

bool put_address(Buffer& out, const OptionValue& value) {
  const auto address = address_of(value);
  if (address) put(out, *address);
  return address.has_value();
}

bool put_pair(Buffer& out, const OptionValue& value) {
  const auto* route = std::get_if<OptionRoute>(&value.value);
  if (route == nullptr) return false;
  const auto to = Ipv4::parse(route->to);
  const auto via = Ipv4::parse(route->via);
  // RFC 2132 section 5.8: the default route is not a legal destination.
  if (!to || !via || !*to) return false;
  put(out, *to);
  put(out, *via);
  return true;
}

bool put_mask(Buffer& out, const OptionValue& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  const auto prefix = text != nullptr ? Prefix::parse(*text) : std::nullopt;
  if (!prefix) return false;
  put(out, prefix->base);
  put(out, Ipv4{prefix->mask()});
  return true;
}

// RFC 3442: width, the significant octets of the destination, the router.
bool put_route(Buffer& out, const OptionValue& value) {
  const auto* route = std::get_if<OptionRoute>(&value.value);
  if (route == nullptr) return false;
  const auto to = Prefix::parse(route->to);
  const auto via = Ipv4::parse(route->via);
  if (!to || !via) return false;
  uint8_t base[4];
  to->base.store(base);
  out.push_back(to->length);
  put(out, Bytes(base, (to->length + 7u) / 8u));
  put(out, *via);
  return true;
}

// The labels of "a.b.c" or "a.b.c."; none when it is no domain name. "." is the root.
std::optional<std::vector<std::string_view>> labels_of(std::string_view name) {
  std::vector<std::string_view> labels;
  if (name.empty()) return std::nullopt;
  if (name.back() == '.') name.remove_suffix(1);
  size_t wire_bytes = 1;
  while (!name.empty()) {
    const size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > kLabelBytesMax) return std::nullopt;
    for (char c : label) {
      if (c <= ' ' || c > '~') return std::nullopt;
    }
    wire_bytes += 1 + label.size();
    if (wire_bytes > kDomainBytesMax) return std::nullopt;
    labels.push_back(label);
    if (dot == std::string_view::npos) break;
    name.remove_prefix(dot + 1);
    if (name.empty()) return std::nullopt;  // "a.."
  }
  return labels;
}

// Names already written to one option, by their tails, so that later ones point at them.
class NameWriter {
 public:
  NameWriter(Buffer& out, bool compress) : out_(out), compress_(compress) {}

  bool put(const OptionValue& value) {
    const auto* text = std::get_if<std::string>(&value.value);
    const auto labels = text != nullptr ? labels_of(*text) : std::nullopt;
    if (!labels) return false;
    for (size_t i = 0; i < labels->size(); ++i) {
      const std::string tail = joined(*labels, i);
      if (point_at(tail)) return true;
      if (compress_ && out_.size() < kPointerReach) tails_.emplace_back(tail, out_.size());
      const std::string_view label = (*labels)[i];
      out_.push_back(static_cast<uint8_t>(label.size()));
      wire::put(out_, as_bytes(label));
    }
    out_.push_back(0);
    return true;
  }

 private:
  static std::string joined(const std::vector<std::string_view>& labels, size_t from) {
    std::string out;
    for (size_t i = from; i < labels.size(); ++i) out.append(labels[i]).push_back('.');
    return out;
  }
  bool point_at(const std::string& tail) {
    for (const auto& [known, at] : tails_) {
      if (known != tail) continue;
      out_.push_back(static_cast<uint8_t>(0xC0 | at >> 8));
      out_.push_back(static_cast<uint8_t>(at & 0xFF));
      return true;
    }
    return false;
  }

  Buffer& out_;
  bool compress_;
  std::vector<std::pair<std::string, size_t>> tails_;
};

bool put_one(Buffer& out, OptionType type, const OptionValue& value) {
  switch (type) {
    case OptionType::Empty: {
      const auto* flag = std::get_if<bool>(&value.value);
      return flag != nullptr && *flag;
    }
    case OptionType::Bool:
      return put_bool(out, value);
    case OptionType::U8:
      return put_number(out, value, 0, 0xFF, 1);
    case OptionType::U16:
      return put_number(out, value, 0, 0xFFFF, 2);
    case OptionType::U32:
    case OptionType::Seconds:
      return put_number(out, value, 0, 0xFFFFFFFF, 4);
    case OptionType::I32:
      return put_number(out, value, INT32_MIN, INT32_MAX, 4);
    case OptionType::Ipv4:
      return put_address(out, value);
    case OptionType::Ipv4Pair:
      return put_pair(out, value);
    case OptionType::Ipv4Mask:
      return put_mask(out, value);
    case OptionType::Text:
      return put_text(out, value);
    case OptionType::Route:
      return put_route(out, value);
    case OptionType::Domain:
    case OptionType::DomainCompressed:
    case OptionType::SipServer:
    case OptionType::FlagIpv4:
    case OptionType::FlagText:
    case OptionType::Opaque:
      break;
  }
  return false;
}

using Items = std::vector<const OptionValue*>;

// RFC 3361: one byte says whether addresses (1) or names (0) follow.
bool put_sip(Buffer& out, const Items& items, const OptionValue*& culprit) {
  const bool addresses = !items.empty() && address_of(*items.front()).has_value();
  out.push_back(addresses ? 1 : 0);
  NameWriter names(out, false);
  for (const OptionValue* item : items) {
    culprit = item;
    // A name that is an address is the other kind in the wrong list.
    const bool good = addresses ? put_address(out, *item) : !address_of(*item) && names.put(*item);
    if (!good) return false;
  }
  return true;
}

// RFC 2610: a mandatory flag, then addresses or one text.
bool put_flagged(Buffer& out, OptionType type, const Items& items, const OptionValue*& culprit) {
  if (items.size() < 2 || (type == OptionType::FlagText && items.size() > 2)) return false;
  for (size_t i = 0; i < items.size(); ++i) {
    culprit = items[i];
    const bool good = i == 0                         ? put_bool(out, *items[i])
                      : type == OptionType::FlagIpv4 ? put_address(out, *items[i])
                                                     : put_text(out, *items[i]);
    if (!good) return false;
  }
  return true;
}

bool put_items(Buffer& out, const OptionDef& def, const Items& items, const OptionValue*& culprit) {
  switch (def.type) {
    case OptionType::SipServer:
      return put_sip(out, items, culprit);
    case OptionType::FlagIpv4:
    case OptionType::FlagText:
      return put_flagged(out, def.type, items, culprit);
    default:
      break;
  }
  const bool domains = def.type == OptionType::Domain || def.type == OptionType::DomainCompressed;
  NameWriter names(out, def.type == OptionType::DomainCompressed);
  for (const OptionValue* item : items) {
    culprit = item;
    if (domains ? !names.put(*item) : !put_one(out, def.type, *item)) return false;
  }
  return true;
}

Result<Buffer> sized(const OptionDef& def, Buffer out) {
  if (out.size() < def.size_min) {
    return fail(ErrorKind::Invalid,
                fmt::format("{}: expected {} of at least {} bytes, got {}", def.name,
                            describe_option_value(def), def.size_min, out.size()));
  }
  if (out.size() > kValueBytesMax) {
    return fail(ErrorKind::Invalid, fmt::format("{}: {} bytes; no reply has room for more than {}",
                                                def.name, out.size(), kValueBytesMax));
  }
  return out;
}

Items items_of(const OptionDef& def, const OptionValue& value) {
  Items items;
  const auto* list = std::get_if<OptionValue::List>(&value.value);
  const bool flagged = def.type == OptionType::FlagIpv4 || def.type == OptionType::FlagText;
  if (list != nullptr && (def.many || flagged)) {
    for (const OptionValue& item : *list) items.push_back(&item);
  } else {
    items.push_back(&value);
  }
  return items;
}

}  // namespace

Result<Buffer> encode_option(const OptionDef& def, const OptionValue& value) {
  if (def.server_only) {
    return fail(
        ErrorKind::Invalid,
        fmt::format("{}: the server sets or reads option {} itself; it cannot be configured",
                    def.name, def.code));
  }
  constexpr std::string_view kHex = "hex:";
  const auto* text = std::get_if<std::string>(&value.value);
  if (text != nullptr && text->starts_with(kHex)) {
    auto raw = from_hex(std::string_view(*text).substr(kHex.size()));
    if (raw) return sized(def, std::move(*raw));
    return fail(ErrorKind::Invalid, fmt::format("{}: expected hex digits after \"hex:\", got {}",
                                                def.name, shown(value)));
  }
  Buffer out;
  const OptionValue* culprit = &value;
  if (!put_items(out, def, items_of(def, value), culprit)) {
    return fail(ErrorKind::Invalid, fmt::format("{}: expected {}, got {}", def.name,
                                                describe_option_value(def), shown(*culprit)));
  }
  return sized(def, std::move(out));
}

}  // namespace hookline::wire
