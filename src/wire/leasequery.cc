#include "wire/leasequery.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "wire/fixed_fields.h"

namespace hookline::wire {

namespace {

constexpr std::array<uint8_t, 8> kAllOptions = {
    option::kLeaseTime,        option::kRenewalTime,         option::kRebindingTime,
    option::kHostName,         option::kLastTransactionTime, option::kAssociatedAddresses,
    option::kClientIdentifier, option::kRelayAgentInfo};

// RFC 6926 section 6.2.7.
constexpr uint8_t kStateActive = 2;

void add_option(const Grant& grant, uint8_t code, ReplyOptions& out) {
  if (out.has(code)) return;
  const LeaseRecord& lease = grant.record;
  const LeaseSeconds now = grant.found.now;
  const auto since = [&](LeaseSeconds then) { return now - std::min(now, then); };
  const auto add_known = [&](Bytes value) {
    if (!value.empty()) out.add(code, value, Need::Wish);
  };
  switch (code) {
    case option::kLeaseTime:
      return out.add_u32(code, grant.lease_s, Need::Wish);
    case option::kRenewalTime:
      return out.add_u32(code, grant.renew_s, Need::Wish);
    case option::kRebindingTime:
      return out.add_u32(code, grant.rebind_s, Need::Wish);
    case option::kLastTransactionTime:
      return out.add_u32(code, since(lease.last_transaction), Need::Wish);
    case option::kAssociatedAddresses:
      if (grant.found.address_count < 2) return;
      return add_known(Bytes(grant.found.addresses).first(4 * grant.found.address_count));
    case option::kBaseTime:
      return out.add_u32(code, now, Need::Wish);
    case option::kStartTimeOfState:
      return out.add_u32(code, since(lease.start), Need::Wish);
    case option::kLeaseState:
      return out.add_u8(code, kStateActive, Need::Wish);
    case option::kHostName:
      return add_known(lease.hostname);
    case option::kRelayAgentInfo:
      return add_known(lease.relay_info);
    default:
      return;
  }
}

}  // namespace

void write_lease_query_fields(const Packet& packet, uint8_t* p) {
  const Message& m = packet.message;
  const Grant& grant = packet.grant;
  const bool active = grant.found.reply == MessageType::LeaseActive;
  std::memset(p, 0, kCookieAt);
  p[kOpAt] = kBootReply;
  store_be32(p + kXidAt, m.xid);
  store_be16(p + kFlagsAt, m.flags);
  (active ? grant.record.address : m.ciaddr).store(p + kCiaddrAt);
  m.giaddr.store(p + kGiaddrAt);
  const Bytes hardware = active ? grant.record.hardware_address : m.hardware_address();
  p[kHtypeAt] = active ? grant.record.hardware_type : m.hardware_type;
  p[kHlenAt] = static_cast<uint8_t>(hardware.size());
  std::copy(hardware.begin(), hardware.end(), p + kChaddrAt);
  store_be32(p + kCookieAt, kMagicCookie);
}

void add_lease_query_options(const Packet& packet, ReplyOptions& out) {
  const Message& m = packet.message;
  const Grant& grant = packet.grant;
  out.add_u8(option::kMessageType, static_cast<uint8_t>(grant.found.reply), Need::Must);
  out.add_u32(option::kServerIdentifier, grant.server_id.value, Need::Must);
  const bool active = grant.found.reply == MessageType::LeaseActive;
  const Bytes client_id =
      active ? grant.record.client_id : m.options.find(option::kClientIdentifier);
  if (!client_id.empty()) out.add(option::kClientIdentifier, client_id, Need::Must);
  if (!active) return;
  const bool asks = m.options.has(option::kParameterRequestList);
  const Bytes codes = asks ? m.options.find(option::kParameterRequestList) : Bytes(kAllOptions);
  for (const uint8_t code : codes) add_option(grant, code, out);
}

}  // namespace hookline::wire
