#include <fmt/core.h>

#include <optional>

#include "base/inet.h"
#include "line/message.h"
#include "wire/option_table.h"

namespace hookline::wire {

namespace {

// Rendered text, or none where the bytes are not of the type.
using Rendered = std::optional<std::string>;

void append(std::string& out, std::string_view item) {
  if (!out.empty()) out += ", ";
  out += item;
}

std::string quoted(Bytes value) {
  std::string out = "\"";
  for (uint8_t c : value) {
    if (c == '"' || c == '\\') out.push_back('\\');
    if (c >= ' ' && c <= '~') {
      out.push_back(static_cast<char>(c));
    } else {
      out += fmt::format("\\x{:02x}", c);
    }
  }
  return out + "\"";
}

bool printable(Bytes value) {
  for (uint8_t c : value) {
    if (c < ' ' || c > '~') return false;
  }
  return !value.empty();
}

std::string hex(Bytes value) { return "hex:" + to_hex(value); }

std::string render_item(OptionType type, const uint8_t* p) {
  switch (type) {
    case OptionType::Bool:
      return *p == 0 ? "false" : *p == 1 ? "true" : fmt::format("{}", *p);
    case OptionType::U8:
      return fmt::format("{}", *p);
    case OptionType::U16:
      return fmt::format("{}", load_be16(p));
    case OptionType::I32:
      return fmt::format("{}", static_cast<int32_t>(load_be32(p)));
    case OptionType::Seconds:
      return load_be32(p) == 0xFFFFFFFF ? "infinite" : fmt::format("{}s", load_be32(p));
    case OptionType::Ipv4:
      return Ipv4::load(p).text();
    case OptionType::Ipv4Pair:
      return fmt::format("{} via {}", Ipv4::load(p).text(), Ipv4::load(p + 4).text());
    case OptionType::Ipv4Mask:
      return fmt::format("{} mask {}", Ipv4::load(p).text(), Ipv4::load(p + 4).text());
    default:
      return fmt::format("{}", load_be32(p));
  }
}

Rendered render_items(const OptionDef& def, Bytes value) {
  const size_t size = option_item_size(def.type);
  const bool whole = size != 0 && !value.empty() && value.size() % size == 0;
  if (!whole || (!def.many && value.size() != size)) return std::nullopt;
  std::string out;
  for (size_t at = 0; at < value.size(); at += size) {
    append(out, render_item(def.type, &value[at]));
  }
  return out;
}

// The name at `at`, which is moved behind it. Pointers must go back (RFC 1035 section 4.1.4), so
// that hostile ones end.
Rendered domain_name(Bytes value, size_t& at) {
  std::string out;
  size_t i = at;
  size_t floor = at;  // where the name being followed starts: pointers go below
  bool jumped = false;
  while (i < value.size()) {
    const uint8_t size = value[i];
    if (size >= 0xC0) {
      if (i + 1 >= value.size()) return std::nullopt;
      const size_t target = static_cast<size_t>(size & 0x3F) << 8 | value[i + 1];
      if (target >= floor) return std::nullopt;
      if (!jumped) at = i + 2;
      jumped = true;
      i = floor = target;
      continue;
    }
    if (size == 0) {
      if (!jumped) at = i + 1;
      return out.empty() ? "." : out;
    }
    if (size > 63 || i + 1 + size > value.size()) return std::nullopt;
    const Bytes label = value.subspan(i + 1, size);
    if (!printable(label) || out.size() > 255) return std::nullopt;
    if (!out.empty()) out.push_back('.');
    out += as_text(label);
    i += 1u + size;
  }
  return std::nullopt;
}

Rendered render_domains(Bytes value, bool many) {
  std::string out;
  size_t at = 0;
  while (at < value.size()) {
    const Rendered name = domain_name(value, at);
    if (!name || (!many && at != value.size())) return std::nullopt;
    append(out, *name);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

Rendered render_routes(Bytes value) {
  std::string out;
  for (size_t at = 0; at < value.size();) {
    const uint8_t length = value[at];
    const size_t octets = (length + 7u) / 8u;
    if (length > 32 || at + 1 + octets + 4 > value.size()) return std::nullopt;
    uint8_t base[4] = {};
    std::copy_n(&value[at + 1], octets, base);
    append(out, fmt::format("{}/{} via {}", Ipv4::load(base).text(), length,
                            Ipv4::load(&value[at + 1 + octets]).text()));
    at += 1 + octets + 4;
  }
  if (out.empty()) return std::nullopt;
  return out;
}

Rendered render_sip(Bytes value) {
  if (value.size() < 2) return std::nullopt;
  static constexpr OptionDef kAddresses{0, "", OptionType::Ipv4, true, false, true, 4};
  if (value[0] == 1) return render_items(kAddresses, value.subspan(1));
  if (value[0] == 0) return render_domains(value.subspan(1), true);
  return std::nullopt;
}

Rendered render_flagged(OptionType type, Bytes value) {
  if (value.empty() || value[0] > 1) return std::nullopt;
  static constexpr OptionDef kAddresses{0, "", OptionType::Ipv4, true, false, true, 4};
  const Bytes rest = value.subspan(1);
  const Rendered items = type == OptionType::FlagIpv4 ? render_items(kAddresses, rest)
                         : rest.empty()               ? Rendered("")
                                                      : Rendered(quoted(rest));
  if (!items) return std::nullopt;
  return fmt::format("{}{}", value[0] == 1 ? "mandatory " : "", *items);
}

std::string render_requested(Bytes codes) {
  std::string out;
  for (uint8_t code : codes) append(out, find_option(code).name);
  return out;
}

std::string render_relay_info(Bytes value) {
  std::string out;
  for (size_t at = 0; at < value.size();) {
    const size_t size = at + 1 < value.size() ? value[at + 1] : value.size();
    if (at + 2 + size > value.size()) return hex(value);
    const Bytes item = value.subspan(at + 2, size);
    switch (value[at]) {
      case relay_suboption::kCircuitId:
        append(out, "circuit-id " + (printable(item) ? quoted(item) : hex(item)));
        break;
      case relay_suboption::kRemoteId:
        append(out, "remote-id " + (printable(item) ? quoted(item) : hex(item)));
        break;
      default:
        append(out, fmt::format("{} {}", value[at], hex(item)));
    }
    at += 2 + size;
  }
  return out;
}

Rendered render_typed(const OptionDef& def, Bytes value) {
  switch (def.type) {
    case OptionType::Empty:
      return value.empty() ? Rendered("present") : std::nullopt;
    case OptionType::Text:
      return value.empty() ? std::nullopt : Rendered(quoted(value));
    case OptionType::Domain:
    case OptionType::DomainCompressed:
      return render_domains(value, def.many);
    case OptionType::Route:
      return render_routes(value);
    case OptionType::SipServer:
      return render_sip(value);
    case OptionType::FlagIpv4:
    case OptionType::FlagText:
      return render_flagged(def.type, value);
    case OptionType::Opaque:
      return std::nullopt;
    default:
      return render_items(def, value);
  }
}

}  // namespace

std::string render_option(uint8_t code, Bytes value) {
  if (code == option::kMessageType && value.size() == 1 && value[0] < kMessageTypeCount) {
    return std::string(message_type_name(static_cast<MessageType>(value[0])));
  }
  if (code == option::kParameterRequestList) return render_requested(value);
  if (code == option::kRelayAgentInfo) return render_relay_info(value);
  const Rendered typed = render_typed(find_option(code), value);
  return typed ? *typed : hex(value);
}

}  // namespace hookline::wire
