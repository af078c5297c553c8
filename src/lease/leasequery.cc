// LEASEQUERY: who has an address, or which addresses a client has. RFC 4388.
#include <algorithm>
#include <array>

#include "lease/engine.h"

namespace hookline::lease {

namespace {

bool may_ask(const LeaseQueryConfig& config, Ipv4 relay) {
  return std::any_of(config.allow.begin(), config.allow.end(),
                     [&](const Prefix& network) { return network.contains(relay); });
}

bool is_active(const LeaseRecord& record, LeaseSeconds now) {
  return record.state == LeaseState::Active && record.expiry > now;
}

// RFC 4388 section 6.3: the three kinds of query, and no mixture of them.
bool asks_one_thing(const Message& m) {
  const bool by_address = bool(m.ciaddr);
  const bool by_hardware = m.hardware_size != 0;
  const bool by_client_id = m.options.has(option::kClientIdentifier);
  return by_address + by_hardware + by_client_id == 1;
}

}  // namespace

// The answer goes to the relay and so cannot be had by who only claims to be one that may ask.
Engine::Verdict Engine::lease_query(Subject& s) {
  const Message& m = *s.message;
  if (!m.giaddr || !asks_one_thing(m)) return dropped(Drop::BadLeaseQuery);
  if (!may_ask(plan_->config().leasequery, m.giaddr)) return dropped(Drop::LeaseQueryNotAllowed);
  Grant& grant = s.packet->grant;
  grant = Grant{};
  grant.reply = ReplyKind::LeaseQuery;
  if (const io::Link* link = s.packet->ingress.link; link != nullptr) {
    grant.server_id = link->primary();
  }
  LeaseRecord record;
  LeaseFound found = m.ciaddr ? find_lease_of(m.ciaddr, record) : LeaseFound{};
  if (!m.ciaddr) found = find_leases_of_client(s, record);
  found.now = s.now;
  if (found.reply == MessageType::LeaseActive && !is_active(record, s.now)) {
    found.reply = MessageType::LeaseUnassigned;
  }
  if (found.reply == MessageType::LeaseActive) {
    grant.record = record;
    grant.address = record.address;
    const Scope* scope = plan_->scope_of(record.address);
    const LeaseTimes& times = scope != nullptr ? scope->times : plan_->config().leases.times;
    const bool for_ever = record.expiry == kLeaseTimeInfinite;
    const uint32_t whole_s =
        for_ever ? kLeaseTimeInfinite : record.expiry - record.last_transaction;
    const uint32_t passed_s = s.now - std::min(s.now, record.last_transaction);
    const auto left = [&](uint32_t after_s) {
      if (after_s == kLeaseTimeInfinite) return after_s;
      return after_s - std::min(after_s, passed_s);
    };
    grant.scope = scope;
    grant.lease_s = left(whole_s);
    grant.renew_s = left(times.renew.of(whole_s));
    grant.rebind_s = left(times.rebind.of(whole_s));
  }
  grant.found = found;
  grant.why = "asked by a relay";
  return kImmediate;
}

// Unassigned: an address that this server gives out, and nobody has.
LeaseFound Engine::find_lease_of(Ipv4 address, LeaseRecord& lease) const {
  LeaseFound found;
  if (const auto record = find(address); record && record->state == LeaseState::Active) {
    lease = *record;
    found.reply = MessageType::LeaseActive;
    return found;
  }
  if (gives_out(address)) found.reply = MessageType::LeaseUnassigned;
  return found;
}

bool Engine::gives_out(Ipv4 address) const {
  const Scope* scope = plan_->scope_of(address);
  if (scope == nullptr || plan_->ours(address)) return false;
  const AddressKind kind = plan_->kind_of(scope->index, address);
  return kind == AddressKind::Leasable || kind == AddressKind::Reserved;
}

LeaseFound Engine::find_leases_of_client(const Subject& s, LeaseRecord& latest) const {
  const Message& m = *s.message;
  std::array<LeaseRecord, kLeaseQueryAddressesMax> records;
  const Bytes client_id = m.options.find(option::kClientIdentifier);
  const size_t count = m.hardware_size != 0 ? find_by_hardware(m.hardware_address(), records)
                                            : find_by_client_id(client_id, records);
  LeaseFound found;
  for (const LeaseRecord& record : std::span(records).first(count)) {
    if (!is_active(record, s.now)) continue;
    if (m.hardware_size != 0 && record.hardware_type != m.hardware_type) continue;
    if (found.address_count == 0) latest = record;
    record.address.store(&found.addresses[4 * size_t{found.address_count++}]);
  }
  if (found.address_count != 0) found.reply = MessageType::LeaseActive;
  return found;
}

}  // namespace hookline::lease
