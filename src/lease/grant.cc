// Writing down what was decided: Packet::grant and its record.
#include <algorithm>

#include "lease/engine.h"
#include "line/client_name.h"

namespace hookline::lease {

namespace {

uint32_t lease_time(const Message& message, const LeaseTimes& times) {
  const auto wanted = message.options.u32(option::kLeaseTime);
  return wanted ? std::min(std::max(*wanted, times.min_s), times.max_s) : times.default_s;
}

LeaseSeconds expiry_after(LeaseSeconds now, uint32_t lease_s) {
  if (lease_s == kLeaseTimeInfinite) return kLeaseTimeInfinite;
  return static_cast<LeaseSeconds>(
      std::min<uint64_t>(uint64_t{now} + lease_s, kLeaseTimeInfinite - 1));
}

Bytes at_most(Bytes bytes, size_t max) { return bytes.first(std::min(bytes.size(), max)); }

}  // namespace

// RFC 2131 4.3.1: lease time, T1 and T2; 4.3.2 and table 3 for the rest.
void Engine::describe(Subject& s, const Scope& scope, uint32_t number, ReplyKind reply,
                      const char* why) const {
  Grant& grant = s.packet->grant;
  grant = Grant{};
  grant.reply = reply;
  grant.address = plan_->address_of(scope.index, number);
  grant.server_id = server_id(s, scope);
  grant.scope = &scope;
  grant.why = why;
  grant.renewed = bound_to(s, number);
  if (s.reserved && s.reserved.reservation->address == grant.address) {
    grant.reservation = s.reserved.reservation;
  } else if (grant.renewed && table_->kind_of(scope, number) == AddressKind::Reserved) {
    grant.reservation = plan_->reserved_by_relay(scope.index, grant.address);
  }
  // BOOTP has no leases: what it binds, it binds for good (RFC 1534 section 2).
  const bool bootp = reply == ReplyKind::Bootp;
  grant.lease_s = bootp ? kLeaseTimeInfinite : lease_time(*s.message, scope.times);
  grant.renew_s = scope.times.renew.of(grant.lease_s);
  grant.rebind_s = scope.times.rebind.of(grant.lease_s);
}

LeaseRecord Engine::binding_record(const Subject& s, const Scope& scope, uint32_t number) const {
  const Message& m = *s.message;
  const Grant& grant = s.packet->grant;
  LeaseRecord r;
  r.address = grant.address;
  r.state = LeaseState::Active;
  r.bootp = grant.reply == ReplyKind::Bootp;
  r.hardware_type = m.hardware_type;
  r.scope_key = scope.key;
  r.start = s.now;
  r.expiry = expiry_after(s.now, grant.lease_s);
  r.last_transaction = s.now;
  r.hardware_address = m.hardware_address();
  r.client_id = m.options.find(option::kClientIdentifier);
  r.hostname = at_most(client_name(m), kHostnameBytesMax);
  r.relay_info = at_most(m.options.find(option::kRelayAgentInfo), kRelayInfoBytesMax);
  if (grant.renewed) {
    // A renewal that says nothing changes nothing: a unicast one has no option 82.
    const LeaseRecord before = table_->record_of(number);
    r.start = before.start;
    if (r.hostname.empty()) r.hostname = before.hostname;
    if (!m.options.has(option::kRelayAgentInfo)) r.relay_info = before.relay_info;
  }
  if (grant.reservation != nullptr && !grant.reservation->hostname.empty()) {
    r.hostname = at_most(as_bytes(grant.reservation->hostname), kHostnameBytesMax);
  }
  return r;
}

Engine::Verdict Engine::grant(Subject& s, uint32_t number, ReplyKind reply, const char* why) {
  if (!granting_) return dropped(Drop::NotGranting);
  const Scope& scope = *plan_->scope_of_slot(number);
  table_->place(scope, plan_->address_of(scope.index, number));
  describe(s, scope, number, reply, why);
  return propose_record(s, number, binding_record(s, scope, number));
}

// Holds the slot and the client until apply() or withdraw().
Engine::Verdict Engine::propose_record(Subject& s, uint32_t number, const LeaseRecord& record,
                                       uint16_t decline_source) {
  const LeaseTable::Room room =
      pending_.full() ? LeaseTable::Room{} : table_->take_room(number, record);
  if (!room.ok) {
    table_->let_go(number);
    return dropped(Drop::NoMemory);
  }
  table_->hold_for_record(number);
  forget_offer(s.digest);
  end_offer_of(number);
  s.packet->grant.ticket = pending_.add({s.digest, number, room.block, decline_source});
  s.packet->grant.record = record;
  return kDurable;
}

}  // namespace hookline::lease
