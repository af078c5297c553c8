#include "wire/encoder.h"

#include <algorithm>

#include "line/fqdn.h"
#include "wire/fixed_fields.h"
#include "wire/leasequery.h"
#include "wire/reply_options.h"

namespace hookline::wire {

namespace {

constexpr size_t kIpUdpHeaderBytes = 28;
// RFC 2132 section 9.10: the least that a client may say, and what holds when it says nothing.
constexpr size_t kDatagramBytesMin = 576;
constexpr uint32_t kMtuUnknown = 1500;
constexpr uint16_t kServerPort = 67;
constexpr uint16_t kClientPort = 68;
// A longer one (RFC 3396) is no name.
constexpr size_t kFqdnBytesMax = 255;

// What configuration and parameter request lists have no say in.
constexpr CodeSet kNotByRequest{option::kPad,
                                option::kRequestedAddress,
                                option::kLeaseTime,
                                option::kOverload,
                                option::kMessageType,
                                option::kServerIdentifier,
                                option::kParameterRequestList,
                                option::kMessage,
                                option::kMaxMessageSize,
                                option::kRenewalTime,
                                option::kRebindingTime,
                                option::kClientIdentifier,
                                option::kRapidCommit,
                                option::kClientFqdn,
                                option::kRelayAgentInfo,
                                option::kAutoConfigure,
                                option::kSubnetSelection,
                                option::kEnd};

const OptionSet& configured_options(const Grant& grant) {
  static const OptionSet kNone;
  if (grant.reservation != nullptr) return grant.reservation->options;
  return grant.scope != nullptr ? grant.scope->options : kNone;
}

const BootFields& boot_fields(const Packet& packet) {
  static const BootFields kNone;
  const Grant& grant = packet.grant;
  if (grant.scope == nullptr && grant.reservation == nullptr) return kNone;
  const Boot& boot = grant.reservation != nullptr ? grant.reservation->boot : grant.scope->boot;
  // RFC 4578 section 2.1: a client that lists several puts the one it runs on first.
  const Bytes architectures = packet.message.options.find(option::kClientArchitecture);
  if (architectures.size() < 2) return boot.fields;
  return boot.choose(load_be16(architectures.data()));
}

MessageType reply_type_of(ReplyKind kind) {
  switch (kind) {
    case ReplyKind::Offer:
      return MessageType::Offer;
    case ReplyKind::Ack:
    case ReplyKind::InformAck:
      return MessageType::Ack;
    case ReplyKind::Nak:
      return MessageType::Nak;
    case ReplyKind::Bootp:
    case ReplyKind::LeaseQuery:
    case ReplyKind::None:
      break;
  }
  return MessageType::None;
}

// RENEWING or REBINDING: only these fill in ciaddr and neither option 50 nor 54 (RFC 2131 section
// 4.3.2). In SELECTING and INIT-REBOOT a ciaddr is a mistake and not to be used.
bool extends_lease(const Message& m) {
  return m.type == MessageType::Request && m.ciaddr && !m.options.has(option::kRequestedAddress) &&
         !m.options.has(option::kServerIdentifier);
}

// RFC 2131 table 3.
Ipv4 reply_ciaddr(const Packet& packet) {
  switch (packet.grant.reply) {
    case ReplyKind::Ack:
      return extends_lease(packet.message) ? packet.message.ciaddr : Ipv4{};
    case ReplyKind::InformAck:
    case ReplyKind::Bootp:
      return packet.message.ciaddr;
    default:
      return {};
  }
}

bool grants_address(const Grant& grant) {
  const bool kind = grant.reply == ReplyKind::Offer || grant.reply == ReplyKind::Ack;
  return kind && grant.address;
}

void put_text_field(uint8_t* at, size_t size, const std::string& text) {
  const size_t kept = std::min(text.size(), size - 1);  // a NUL ends it
  std::copy_n(text.data(), kept, at);
  std::fill_n(at + kept, size - kept, uint8_t{0});
}

// RFC 2131 table 3: all but the options.
void write_fixed_fields(const Packet& packet, const BootFields& boot, uint8_t* p) {
  const Message& m = packet.message;
  const Grant& grant = packet.grant;
  const bool nak = grant.reply == ReplyKind::Nak;
  p[kOpAt] = kBootReply;
  p[kHtypeAt] = m.hardware_type;
  p[kHlenAt] = m.hardware_size;
  p[kHopsAt] = 0;
  store_be32(p + kXidAt, m.xid);
  store_be16(p + kSecsAt, 0);
  // RFC 2131 section 4.3.2: the relay is to broadcast a NAK, for the client may have no address.
  const bool force_broadcast = nak && m.giaddr;
  store_be16(p + kFlagsAt, force_broadcast ? m.flags | kBroadcastFlag : m.flags);
  reply_ciaddr(packet).store(p + kCiaddrAt);
  const bool has_yiaddr = !nak && grant.reply != ReplyKind::InformAck;
  (has_yiaddr ? grant.address : Ipv4{}).store(p + kYiaddrAt);
  (nak ? Ipv4{} : boot.next_server).store(p + kSiaddrAt);
  m.giaddr.store(p + kGiaddrAt);
  std::memcpy(p + kChaddrAt, m.chaddr.data(), kChaddrBytes);
  if (nak) {
    std::memset(p + kSnameAt, 0, kSnameBytes + kFileBytes);
  } else {
    put_text_field(p + kSnameAt, kSnameBytes, boot.server_name);
    put_text_field(p + kFileAt, kFileBytes, boot.file);
  }
  store_be32(p + kCookieAt, kMagicCookie);
}

Ipv4 server_id(const Packet& packet) {
  const Bytes override = packet.message.relay_suboption(relay_suboption::kServerIdOverride);
  if (override.size() == 4 && load_be32(override.data()) != 0) return Ipv4::load(override.data());
  return packet.grant.server_id;
}

// A parameter that the client asked for by name.
void add_requested(const Packet& packet, const OptionSet& configured, const BootFields& boot,
                   uint8_t code, ReplyOptions& out) {
  if (kNotByRequest.has(code) || out.has(code)) return;
  if (configured.has(code)) {
    out.add(code, configured.find(code), Need::Wish);
    return;
  }
  const Scope* const scope = packet.grant.scope;
  if (code == option::kSubnetMask && scope != nullptr) {
    out.add_u32(code, scope->subnet.mask(), Need::Wish);
  } else if (code == option::kBroadcastAddress && scope != nullptr) {
    out.add_u32(code, scope->subnet.last().value, Need::Wish);
  } else if (code == option::kTftpServerName && !boot.server_name.empty()) {
    out.add(code, as_bytes(boot.server_name), Need::Wish);
  } else if (code == option::kBootfileName && !boot.file.empty()) {
    out.add(code, as_bytes(boot.file), Need::Wish);
  }
}

void add_all_configured(const OptionSet& configured, ReplyOptions& out) {
  if (configured.empty()) return;
  for (unsigned i = 1; i < option::kEnd; ++i) {
    const auto code = static_cast<uint8_t>(i);
    if (!configured.has(code) || kNotByRequest.has(code) || out.has(code)) continue;
    if (code == option::kIpv6OnlyPreferred) continue;
    out.add(code, configured.find(code), Need::Wish);
  }
}

void add_parameters(const Packet& packet, const BootFields& boot, ReplyOptions& out) {
  const OptionSet& configured = configured_options(packet.grant);
  const OptionViews& asked = packet.message.options;
  if (asked.has(option::kAutoConfigure) && configured.has(option::kAutoConfigure)) {
    out.add(option::kAutoConfigure, configured.find(option::kAutoConfigure), Need::Must);
  }
  const Grant& grant = packet.grant;
  if (grants_address(grant) || grant.reply == ReplyKind::Bootp) {
    add_requested(packet, configured, boot, option::kSubnetMask, out);
  }
  if (!asked.has(option::kParameterRequestList)) return add_all_configured(configured, out);
  for (uint8_t code : asked.find(option::kParameterRequestList)) {
    add_requested(packet, configured, boot, code, out);
  }
}

void add_lease_times(const Grant& grant, ReplyOptions& out) {
  out.add_u32(option::kLeaseTime, grant.lease_s, Need::Must);
  if (grant.renew_s != 0) out.add_u32(option::kRenewalTime, grant.renew_s, Need::Wish);
  if (grant.rebind_s != 0) out.add_u32(option::kRebindingTime, grant.rebind_s, Need::Wish);
}

// RFC 3011: the server that used the option must return it.
void add_subnet_selection(const Packet& packet, ReplyOptions& out) {
  const auto selected = packet.message.options.ipv4(option::kSubnetSelection);
  const Scope* const scope = packet.grant.scope;
  if (!selected || scope == nullptr || !scope->subnet.contains(*selected)) return;
  out.add_u32(option::kSubnetSelection, selected->value, Need::Must);
}

// RFC 4702 section 4: the client's name comes back, and that this server updates no DNS. What the
// client wanted of the server is overridden.
void add_fqdn(const Message& m, ReplyOptions& out) {
  const Bytes asked = m.options.find(option::kClientFqdn);
  if (asked.size() < fqdn::kNameAt || asked.size() > kFqdnBytesMax) return;
  const MutableBytes value = out.add_room(option::kClientFqdn, asked.size(), Need::Wish);
  std::copy(asked.begin(), asked.end(), value.begin());
  const bool overridden = (asked[0] & fqdn::kServerUpdates) != 0;
  value[0] = static_cast<uint8_t>(fqdn::kNoUpdates | (asked[0] & fqdn::kWireFormat) |
                                  (overridden ? fqdn::kOverridden : 0));
  value[1] = value[2] = fqdn::kResultCode;
}

void add_dhcp_options(const Packet& packet, const BootFields& boot, ReplyOptions& out) {
  const Message& m = packet.message;
  const Grant& grant = packet.grant;
  const bool nak = grant.reply == ReplyKind::Nak;
  out.add_u8(option::kMessageType, static_cast<uint8_t>(reply_type_of(grant.reply)), Need::Must);
  out.add_u32(option::kServerIdentifier, server_id(packet).value, Need::Must);
  if (grants_address(grant)) add_lease_times(grant, out);
  if (nak && *grant.why != '\0') out.add(option::kMessage, as_bytes(grant.why), Need::Wish);
  const Bytes client_id = m.options.find(option::kClientIdentifier);
  if (!client_id.empty()) out.add(option::kClientIdentifier, client_id, Need::Must);
  if (nak) return;
  if (grant.rapid_commit) out.add(option::kRapidCommit, {}, Need::Must);
  add_subnet_selection(packet, out);
  add_parameters(packet, boot, out);
  add_fqdn(m, out);
}

size_t echoed_relay_bytes(const Message& m) {
  if (!m.options.has(option::kRelayAgentInfo)) return 0;
  return encoded_size(m.options.find(option::kRelayAgentInfo).size());
}

// Of the UDP payload.
size_t reply_bytes_max(const Packet& packet) {
  const Message& m = packet.message;
  const size_t said = m.options.u16(option::kMaxMessageSize).value_or(0);
  const size_t client = std::max(said, kDatagramBytesMin) + echoed_relay_bytes(m);
  const uint32_t mtu = packet.ingress.link != nullptr ? packet.ingress.link->mtu : kMtuUnknown;
  const size_t datagram = std::min<size_t>(client, mtu);
  return std::min(std::max(datagram, kIpUdpHeaderBytes) - kIpUdpHeaderBytes, kPacketBytesMax);
}

OptionRoom room_for_dhcp(const Packet& packet, const BootFields& boot,
                         const ReplyOptions& options) {
  const size_t bytes = reply_bytes_max(packet);
  const bool nak = packet.grant.reply == ReplyKind::Nak;
  OptionRoom room;
  room.field_bytes = std::max(bytes, kOptionsAt) - kOptionsAt;
  const auto use = [&](const std::string& field, uint8_t code) {
    if (nak || field.empty()) return FieldUse::Free;
    return options.has(code) ? FieldUse::Movable : FieldUse::Taken;
  };
  room.file = use(boot.file, option::kBootfileName);
  room.sname = use(boot.server_name, option::kTftpServerName);
  return room;
}

bool has_cookie(const Packet& packet) {
  const Bytes request = packet.request();
  return request.size() >= kOptionsAt && load_be32(&request[kCookieAt]) == kMagicCookie;
}

// Zeros up to 300 bytes: RFC 951 section 3, RFC 1542 section 2.1.
void finish(Packet& packet, size_t size) {
  if (size < kReplyBytesMin) {
    std::memset(packet.reply_data() + size, 0, kReplyBytesMin - size);
    size = kReplyBytesMin;
  }
  packet.reply_size = static_cast<uint16_t>(size);
}

void add_relay_info(const Message& m, ReplyOptions& out) {
  if (!m.options.has(option::kRelayAgentInfo)) return;
  out.add(option::kRelayAgentInfo, m.options.find(option::kRelayAgentInfo), Need::Must);
}

bool write_bootp_reply(Packet& packet, const BootFields& boot) {
  if (!has_cookie(packet)) {
    // RFC 951 section 3: the server answers in the vendor format that the client speaks.
    std::memset(packet.reply_data() + kCookieAt, 0, kOptionsAt - kCookieAt);
    finish(packet, kOptionsAt);
    return true;
  }
  ReplyOptions options;
  add_parameters(packet, boot, options);
  add_relay_info(packet.message, options);
  const size_t vendor_bytes = kReplyBytesMin + echoed_relay_bytes(packet.message) - kOptionsAt;
  const auto size =
      write_options(options, {vendor_bytes, FieldUse::Taken, FieldUse::Taken}, packet.reply_data());
  if (size) finish(packet, *size);
  return size.has_value();
}

bool write_dhcp_reply(Packet& packet, const BootFields& boot) {
  ReplyOptions options;
  add_dhcp_options(packet, boot, options);
  add_relay_info(packet.message, options);
  const OptionRoom room = room_for_dhcp(packet, boot, options);
  const auto size = write_options(options, room, packet.reply_data());
  if (size) finish(packet, *size);
  return size.has_value();
}

bool write_lease_query_reply(Packet& packet) {
  write_lease_query_fields(packet, packet.reply_data());
  ReplyOptions options;
  add_lease_query_options(packet, options);
  const OptionRoom room{std::max(reply_bytes_max(packet), kOptionsAt) - kOptionsAt, FieldUse::Free,
                        FieldUse::Free};
  const auto size = write_options(options, room, packet.reply_data());
  if (size) finish(packet, *size);
  return size.has_value();
}

Destination routed(Ipv4 to, uint16_t port) { return {Reach::Routed, to, port, {}}; }

// The address that a client without relay can already be reached by; none where it has none yet.
Ipv4 reachable_at(const Packet& packet) {
  const Message& m = packet.message;
  // RFC 2131 section 4.3.5; a client that forgets ciaddr still sent from somewhere.
  if (packet.grant.reply == ReplyKind::InformAck) {
    return m.ciaddr ? m.ciaddr : packet.ingress.source;
  }
  return packet.grant.reply == ReplyKind::Ack && extends_lease(m) ? m.ciaddr : Ipv4{};
}

bool write_reply(Packet& packet) {
  if (packet.grant.reply == ReplyKind::LeaseQuery) return write_lease_query_reply(packet);
  const BootFields& boot = boot_fields(packet);
  write_fixed_fields(packet, boot, packet.reply_data());
  return packet.grant.reply == ReplyKind::Bootp ? write_bootp_reply(packet, boot)
                                                : write_dhcp_reply(packet, boot);
}

}  // namespace

Destination reply_destination(const Packet& packet, Ipv4 yiaddr) {
  static constexpr uint8_t kEthernet = 1;
  const Message& m = packet.message;
  const ReplyKind kind = packet.grant.reply;
  const Destination broadcast{Reach::Broadcast, kBroadcast, kClientPort, kBroadcastMac};
  if (kind == ReplyKind::Bootp && m.ciaddr) return routed(m.ciaddr, kClientPort);
  if (m.giaddr) return routed(m.giaddr, kServerPort);
  if (kind == ReplyKind::Nak) return broadcast;
  if (const Ipv4 known = reachable_at(packet)) return routed(known, kClientPort);
  const bool ethernet = m.hardware_type == kEthernet && m.hardware_size == 6;
  if (m.wants_broadcast() || !yiaddr || !ethernet) return broadcast;
  Destination direct{Reach::Direct, yiaddr, kClientPort, {}};
  std::copy_n(m.chaddr.begin(), direct.mac.octets.size(), direct.mac.octets.begin());
  return direct;
}

std::optional<Drop> encode_reply(Packet& packet) {
  const ReplyKind kind = packet.grant.reply;
  CHECK(kind != ReplyKind::None, "what has no reply ends with its commit");
  if (!write_reply(packet)) return Drop::ReplyTooLarge;
  packet.reply_type =
      kind == ReplyKind::LeaseQuery ? packet.grant.found.reply : reply_type_of(kind);
  packet.destination = reply_destination(packet, packet.grant.address);
  return std::nullopt;
}

template <class P>
Batch<Reply> Encoder::encode_all(Batch<P>& in) {
  Batch<Reply> out;
  for (P& product : in) {
    if (const auto drop = encode_reply(product.packet())) {
      endings_.drop(std::move(product), *drop);
    } else {
      out.push(Reply({}, std::move(product)));
    }
  }
  return out;
}

Batch<Reply> Encoder::encode(Batch<Committed> in) { return encode_all(in); }
Batch<Reply> Encoder::encode(Batch<Immediate> in) { return encode_all(in); }

}  // namespace hookline::wire
