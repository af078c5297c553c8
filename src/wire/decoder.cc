#include "wire/decoder.h"

#include "wire/code_set.h"
#include "wire/fixed_fields.h"
#include "wire/option_table.h"
#include "wire/option_walk.h"

namespace hookline::wire {

namespace {

// The fields that hold options, in the order in which RFC 3396 joins them.
struct OptionFields {
  std::array<Bytes, 3> fields;
  size_t count = 0;

  void add(Bytes field) { fields[count++] = field; }
  template <class OnOption>
  void walk(OnOption&& on_option) const {
    for (size_t i = 0; i < count; ++i) walk_options(fields[i], on_option);
  }
};

void read_fixed_fields(const uint8_t* p, Message& m) {
  m.op = p[kOpAt];
  m.hardware_type = p[kHtypeAt];
  m.hardware_size = p[kHlenAt];
  m.hops = p[kHopsAt];
  m.xid = load_be32(p + kXidAt);
  m.secs = load_be16(p + kSecsAt);
  m.flags = load_be16(p + kFlagsAt);
  m.ciaddr = Ipv4::load(p + kCiaddrAt);
  m.yiaddr = Ipv4::load(p + kYiaddrAt);
  m.siaddr = Ipv4::load(p + kSiaddrAt);
  m.giaddr = Ipv4::load(p + kGiaddrAt);
  std::copy_n(p + kChaddrAt, kChaddrBytes, m.chaddr.data());
}

bool read_field(Bytes field, OptionViews& options, CodeSet& repeated) {
  return walk_options(field, [&](uint8_t code, Bytes value) {
    if (options.has(code)) {
      repeated.add(code);
    } else {
      options.set(code, value);
    }
  });
}

// Joins the repeated options into `room`, which has to hold as many bytes as the message. Linear,
// however many options a hostile message repeats.
void join_repeated(const OptionFields& fields, const CodeSet& repeated, MutableBytes room,
                   OptionViews& options) {
  std::array<uint16_t, 256> sizes{};
  fields.walk([&](uint8_t code, Bytes value) {
    if (repeated.has(code)) sizes[code] = static_cast<uint16_t>(sizes[code] + value.size());
  });
  std::array<uint16_t, 256> starts;
  uint16_t used = 0;
  for (size_t code = 0; code < 256; ++code) {
    starts[code] = used;
    used = static_cast<uint16_t>(used + sizes[code]);
  }
  CHECK(used <= room.size(), "values are parts of the message they are joined from");
  std::array<uint16_t, 256> ends = starts;
  fields.walk([&](uint8_t code, Bytes value) {
    if (!repeated.has(code)) return;
    std::copy(value.begin(), value.end(), room.begin() + ends[code]);
    ends[code] = static_cast<uint16_t>(ends[code] + value.size());
  });
  for (unsigned i = 0; i < 256; ++i) {
    const auto code = static_cast<uint8_t>(i);
    if (!repeated.has(code)) continue;
    const size_t fixed = fixed_option_size(find_option(code));
    if (fixed == 0 || fixed == sizes[code])
      options.set(code, room.subspan(starts[code], sizes[code]));
  }
}

uint8_t overload_of(const OptionViews& options) {
  const Bytes value = options.find(option::kOverload);
  const bool valid = value.size() == 1 && value[0] <= (kOverloadFile | kOverloadSname);
  return valid ? value[0] : 0;
}

std::optional<Drop> read_options(Bytes request, MutableBytes room, OptionViews& options) {
  OptionFields fields;
  CodeSet repeated;
  fields.add(request.subspan(kOptionsAt));
  if (!read_field(fields.fields[0], options, repeated)) return Drop::BadOptions;
  // Only now: an overload option inside file or sname means nothing.
  const uint8_t overload = overload_of(options);
  if ((overload & kOverloadFile) != 0) fields.add(request.subspan(kFileAt, kFileBytes));
  if ((overload & kOverloadSname) != 0) fields.add(request.subspan(kSnameAt, kSnameBytes));
  for (size_t i = 1; i < fields.count; ++i) {
    if (!read_field(fields.fields[i], options, repeated)) return Drop::BadOptions;
  }
  if (!repeated.empty()) join_repeated(fields, repeated, room, options);
  return std::nullopt;
}

std::optional<Drop> read_message_type(Message& m) {
  if (!m.options.has(option::kMessageType)) {
    m.type = MessageType::None;
    return std::nullopt;
  }
  const Bytes value = m.options.find(option::kMessageType);
  if (value.size() != 1) return Drop::BadMessageType;
  m.type = static_cast<MessageType>(value[0]);
  switch (m.type) {
    case MessageType::Discover:
    case MessageType::Request:
    case MessageType::Decline:
    case MessageType::Release:
    case MessageType::Inform:
    case MessageType::LeaseQuery:
      return std::nullopt;
    default:
      return Drop::BadMessageType;
  }
}

}  // namespace

bool read_message(Bytes message, MutableBytes room, Message& m) {
  m.options.clear();
  m.type = MessageType::None;
  if (message.size() < kOptionsAt) return false;
  read_fixed_fields(message.data(), m);
  if (m.hardware_size > kChaddrBytes) return false;
  if (load_be32(message.data() + kCookieAt) != kMagicCookie) return false;
  if (read_options(message, room, m.options)) return false;
  const Bytes type = m.options.find(option::kMessageType);
  if (type.size() == 1) m.type = static_cast<MessageType>(type[0]);
  return true;
}

std::optional<Drop> decode_message(Packet& packet) {
  const Bytes request = packet.request();
  Message& m = packet.message;
  m.options.clear();
  m.type = MessageType::None;
  if (request.size() < kBootpFixedBytes) return Drop::TooShort;
  read_fixed_fields(request.data(), m);
  if (m.op != kBootRequest) return Drop::NotARequest;
  if (m.hardware_size > kChaddrBytes) return Drop::BadHardware;
  if (m.hardware_type == 0 && m.hardware_size != 0) return Drop::BadHardware;
  if (request.size() >= kOptionsAt) {
    const uint32_t cookie = load_be32(request.data() + kCookieAt);
    if (cookie == kMagicCookie) {
      if (const auto drop = read_options(request, packet.joined, m.options)) return drop;
      if (const auto drop = read_message_type(m)) return drop;
    } else if (cookie != 0) {
      return Drop::BadCookie;
    }
  }
  const bool has_client_id = !m.options.find(option::kClientIdentifier).empty();
  // A LEASEQUERY may ask about an address (RFC 4388 section 6.3): then it names no client.
  if (m.hardware_size == 0 && !has_client_id && m.type != MessageType::LeaseQuery) {
    return Drop::NoClientIdentity;
  }
  return std::nullopt;
}

Batch<Request> Decoder::decode(Batch<Admitted> in) {
  Batch<Request> out;
  for (Admitted& admitted : in) {
    if (const auto drop = decode_message(admitted.packet())) {
      endings_.drop(std::move(admitted), *drop);
    } else {
      out.push(Request({}, std::move(admitted)));
    }
  }
  return out;
}

}  // namespace hookline::wire
