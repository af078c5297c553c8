#include "wire/bulk_query.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "wire/decoder.h"
#include "wire/fixed_fields.h"
#include "wire/option_walk.h"

namespace hookline::wire {

namespace {

constexpr std::array<uint8_t, 11> kAllBulkOptions = {
    option::kLeaseTime,        option::kRenewalTime,         option::kRebindingTime,
    option::kHostName,         option::kLastTransactionTime, option::kRelayAgentInfo,
    option::kStartTimeOfState, option::kClientIdentifier,    option::kBaseTime,
    option::kLeaseState,       option::kDataSource};
// All of them, however often a client names one: more would not fit.
constexpr size_t kStatusTextMax = 250;

// VSS types of RFC 6607 section 3.1 and RFC 6926 section 6.2.9 that mean the only network there is.
constexpr uint8_t kAllVpns = 254;
constexpr uint8_t kGlobalVpn = 255;

// Options after the cookie, one by one. The caller knows that they fit.
class OptionWriter {
 public:
  explicit OptionWriter(uint8_t* at) : at_(at) {}

  void add(uint8_t code, Bytes value) {
    *at_++ = code;
    *at_++ = static_cast<uint8_t>(value.size());
    if (!value.empty()) std::memcpy(at_, value.data(), value.size());
    at_ += value.size();
  }
  void add_known(uint8_t code, Bytes value) {
    if (!value.empty()) add(code, value);
  }
  void add_u8(uint8_t code, uint8_t value) { add(code, {&value, 1}); }
  void add_u32(uint8_t code, uint32_t value) {
    uint8_t bytes[4];
    store_be32(bytes, value);
    add(code, bytes);
  }
  uint8_t* finish() {
    *at_++ = option::kEnd;
    return at_;
  }

 private:
  uint8_t* at_;
};

void write_fixed_fields(uint8_t op, uint32_t xid, uint8_t* p) {
  std::memset(p, 0, kOptionsAt);
  p[kOpAt] = op;
  store_be32(p + kXidAt, xid);
  store_be32(p + kCookieAt, kMagicCookie);
}

void write_hardware(uint8_t type, Bytes address, uint8_t* p) {
  p[kHtypeAt] = type;
  p[kHlenAt] = static_cast<uint8_t>(std::min(address.size(), kChaddrBytes));
  if (!address.empty()) std::memcpy(p + kChaddrAt, address.data(), p[kHlenAt]);
}

void add_option(const LeaseAnswer& a, uint8_t code, OptionWriter& out) {
  const bool active = a.type == MessageType::LeaseActive;
  const auto ago = [&](LeaseSeconds then) { return a.now - std::min(a.now, then); };
  switch (code) {
    case option::kLeaseTime:
      if (active) out.add_u32(code, a.lease_s);
      return;
    case option::kRenewalTime:
      if (active) out.add_u32(code, a.renew_s);
      return;
    case option::kRebindingTime:
      if (active) out.add_u32(code, a.rebind_s);
      return;
    case option::kHostName:
      return out.add_known(code, a.record.hostname);
    case option::kLastTransactionTime:
      if (a.record.last_transaction != 0) out.add_u32(code, ago(a.record.last_transaction));
      return;
    case option::kRelayAgentInfo:
      return out.add_known(code, a.record.relay_info);
    case option::kStartTimeOfState:
      if (a.since != 0) out.add_u32(code, ago(a.since));
      return;
    case option::kDataSource:
      return out.add_u8(code, 0);  // this server knows it by itself
    default:
      return;
  }
}

struct Primary {
  size_t count = 0;
  void found(LeaseQuery& query, QueryKind kind, Bytes id) {
    ++count;
    query.kind = kind;
    query.id = id;
  }
};

bool means_other_vpn(Bytes vss) {
  return !vss.empty() && vss[0] != kAllVpns && vss[0] != kGlobalVpn;
}

// Four bytes, or nothing at all.
bool read_time(const OptionViews& options, uint8_t code, std::optional<LeaseSeconds>& out) {
  out = options.u32(code);
  return out.has_value() || !options.has(code);
}

// RFC 6926 section 7.2: one primary query, or none, which means all addresses.
std::string_view read_primary(const Message& m, LeaseQuery& query) {
  Primary primary;
  if (m.ciaddr) {
    primary.found(query, QueryKind::Address, {});
    query.address = m.ciaddr;
  }
  if (m.hardware_size != 0) {
    // A copy of the message's own would be gone with it.
    primary.found(query, QueryKind::Hardware, {});
    query.hardware_type = m.hardware_type;
  }
  const Bytes client = m.options.find(option::kClientIdentifier);
  if (!client.empty()) primary.found(query, QueryKind::ClientId, client);
  const Bytes relay = m.options.find(option::kRelayAgentInfo);
  const Bytes relay_id = relay_suboption_of(relay, relay_suboption::kRelayId);
  if (!relay_id.empty()) primary.found(query, QueryKind::RelayId, relay_id);
  const Bytes remote_id = relay_suboption_of(relay, relay_suboption::kRemoteId);
  if (!remote_id.empty()) primary.found(query, QueryKind::RemoteId, remote_id);
  if (primary.count == 0) query.kind = QueryKind::All;
  if (primary.count > 1) return "a query asks for one thing";
  const Bytes relay_vpn = relay_suboption_of(relay, relay_suboption::kVirtualSubnet);
  query.other_vpn =
      means_other_vpn(m.options.find(option::kVirtualSubnet)) || means_other_vpn(relay_vpn);
  return {};
}

}  // namespace

std::string_view query_status_name(QueryStatus status) {
  constexpr std::string_view kNames[] = {
      "Success",     "UnspecFail",       "QueryTerminated", "MalformedQuery",      "NotAllowed",
      "DataMissing", "ConnectionActive", "CatchUpComplete", "TLSConnectionRefused"};
  const auto i = static_cast<size_t>(status);
  return i < std::size(kNames) ? kNames[i] : "unknown status";
}

std::string_view query_state_name(QueryState state) {
  constexpr std::string_view kNames[] = {"unknown", "available", "active",
                                         "expired", "released",  "abandoned",
                                         "reset",   "remote",    "transitioning"};
  const auto i = static_cast<size_t>(state);
  return i < std::size(kNames) ? kNames[i] : kNames[0];
}

Bytes relay_suboption_of(Bytes relay_info, uint8_t code) {
  size_t at = 0;
  while (at + 2 <= relay_info.size()) {
    const size_t size = relay_info[at + 1];
    if (at + 2 + size > relay_info.size()) return {};
    if (relay_info[at] == code) return relay_info.subspan(at + 2, size);
    at += 2 + size;
  }
  return {};
}

std::string_view read_query(Bytes bytes, MutableBytes room, LeaseQuery& query) {
  query = LeaseQuery{};
  if (bytes.size() >= kXidAt + 4) query.xid = load_be32(bytes.data() + kXidAt);
  Message m;
  if (!read_message(bytes, room, m)) return "not a DHCP message";
  if (m.op != kBootRequest) return "not a request";
  query.type = static_cast<QueryMessage>(m.type);
  switch (query.type) {
    case QueryMessage::Tls:
      return {};
    case QueryMessage::Bulk:
    case QueryMessage::Active:
      break;
    default:
      return "not a bulk or an active leasequery";
  }
  if (!read_time(m.options, option::kQueryStartTime, query.start) ||
      !read_time(m.options, option::kQueryEndTime, query.end)) {
    return "a time has four bytes";
  }
  if (query.start && query.end && *query.end < *query.start) return "the end is before the start";
  query.parameters = m.options.find(option::kParameterRequestList);
  const std::string_view wrong = read_primary(m, query);
  if (!wrong.empty()) return wrong;
  if (query.kind == QueryKind::Hardware) query.id = bytes.subspan(kChaddrAt, m.hardware_size);
  if (query.type == QueryMessage::Active) {
    if (query.kind != QueryKind::All) return "an active leasequery is about all addresses";
    if (query.end) return "an active leasequery has no end";
  }
  return {};
}

size_t write_answer(const LeaseAnswer& a, Bytes parameters, uint8_t* p) {
  write_fixed_fields(kBootReply, a.xid, p);
  write_hardware(a.record.hardware_type, a.record.hardware_address, p);
  a.record.address.store(p + kCiaddrAt);
  OptionWriter out(p + kOptionsAt);
  out.add_u8(option::kMessageType, static_cast<uint8_t>(a.type));
  out.add_u32(option::kServerIdentifier, a.server_id.value);
  out.add_u32(option::kBaseTime, a.now);
  out.add_known(option::kClientIdentifier, a.record.client_id);
  if (a.type != MessageType::LeaseUnknown) {
    out.add_u8(option::kLeaseState, static_cast<uint8_t>(a.state));
    for (const uint8_t code : kAllBulkOptions) {
      const bool wanted =
          parameters.empty() || std::ranges::find(parameters, code) != parameters.end();
      if (wanted) add_option(a, code, out);
    }
  }
  const auto size = static_cast<size_t>(out.finish() - p);
  CHECK(size <= kAnswerBytesMax, "four values of 255 bytes and a few numbers");
  return size;
}

size_t write_status(QueryMessage type, uint32_t xid, Ipv4 server_id, LeaseSeconds now,
                    std::optional<QueryStatus> status, std::string_view text, uint8_t* p) {
  write_fixed_fields(kBootReply, xid, p);
  OptionWriter out(p + kOptionsAt);
  out.add_u8(option::kMessageType, static_cast<uint8_t>(type));
  out.add_u32(option::kServerIdentifier, server_id.value);
  out.add_u32(option::kBaseTime, now);
  if (status) {
    std::array<uint8_t, 1 + kStatusTextMax> value;
    value[0] = static_cast<uint8_t>(*status);
    const size_t size = std::min(text.size(), kStatusTextMax);
    std::copy_n(text.begin(), size, value.begin() + 1);
    out.add(option::kQueryStatus, Bytes(value).first(1 + size));
  }
  return static_cast<size_t>(out.finish() - p);
}

size_t write_query(const LeaseQuery& query, uint8_t* p) {
  write_fixed_fields(kBootRequest, query.xid, p);
  OptionWriter out(p + kOptionsAt);
  out.add_u8(option::kMessageType, static_cast<uint8_t>(query.type));
  if (query.kind == QueryKind::Address) query.address.store(p + kCiaddrAt);
  if (query.kind == QueryKind::Hardware) write_hardware(query.hardware_type, query.id, p);
  if (query.kind == QueryKind::ClientId) out.add(option::kClientIdentifier, query.id);
  if (query.kind == QueryKind::RelayId || query.kind == QueryKind::RemoteId) {
    std::array<uint8_t, 255> value;
    const size_t size = std::min(query.id.size(), value.size() - 2);
    value[0] =
        query.kind == QueryKind::RelayId ? relay_suboption::kRelayId : relay_suboption::kRemoteId;
    value[1] = static_cast<uint8_t>(size);
    std::copy_n(query.id.begin(), size, value.begin() + 2);
    out.add(option::kRelayAgentInfo, Bytes(value).first(2 + size));
  }
  if (query.start) out.add_u32(option::kQueryStartTime, *query.start);
  if (query.end) out.add_u32(option::kQueryEndTime, *query.end);
  out.add_known(option::kParameterRequestList, query.parameters);
  return static_cast<size_t>(out.finish() - p);
}

}  // namespace hookline::wire
