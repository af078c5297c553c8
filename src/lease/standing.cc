// Facts that every decision rests on: what an address is to a client, and who we are.
#include "lease/engine.h"

namespace hookline::lease {

Engine::Standing Engine::standing(const Subject& s, Ipv4 address, uint32_t* number) {
  *number = 0;
  const Scope* scope = plan_->scope_of(address);
  if (scope == nullptr || scope->wire != s.scope->wire) return Standing::WrongNetwork;
  *number = table_->number_of(*scope, address);
  const Slot& slot = table_->slot(*number);
  const AddressKind kind = table_->kind_of(*scope, *number);
  if (slot.has(Slot::kPending)) return Standing::Pending;
  if (plan_->ours(address)) return Standing::NotServed;
  if (slot.state == LeaseState::Declined) return Standing::Quarantined;
  if (kind == AddressKind::Reserved) return standing_reserved(s, address, *number);
  if (slot.bound() && !bound_to(s, *number)) return Standing::BoundToOther;
  if (kind == AddressKind::Outside) return Standing::NotServed;
  if (slot.bound()) return Standing::BoundToIt;
  if (slot.has(Slot::kOffered)) {
    return offers_.client(slot.next) == s.digest ? Standing::OfferedToIt : Standing::OfferedToOther;
  }
  const bool known = slot.state != LeaseState::Free && table_->identity_of(*number) == s.client;
  return known ? Standing::Remembered : Standing::Free;
}

Engine::Standing Engine::standing_reserved(const Subject& s, Ipv4 address, uint32_t number) const {
  const bool its_own = s.reserved && s.reserved.reservation->address == address;
  const Slot& slot = table_->slot(number);
  if (!slot.bound()) return its_own ? Standing::ReservedForIt : Standing::ReservedForOther;
  if (!bound_to(s, number)) return its_own ? Standing::BoundToOther : Standing::ReservedForOther;
  // A reservation by circuit or remote id: the client got it through its relay and now renews
  // directly, without option 82.
  const bool not_to_tell =
      !s.message->options.has(option::kRelayAgentInfo) &&
      plan_->reserved_by_relay(table_->scope_of(number).index, address) != nullptr;
  return its_own || not_to_tell ? Standing::BoundToIt : Standing::ReservedForOther;
}

bool Engine::bound_to(const Subject& s, uint32_t number) const {
  return table_->slot(number).bound() && table_->identity_of(number) == s.client;
}

// Whether an address is reserved for the client, other than this one, that it could have now.
bool Engine::has_reservation_to_move_to(const Subject& s, Ipv4 from) {
  if (!s.reserved || s.reserved.reservation->address == from) return false;
  uint32_t number = 0;
  const Standing there = standing(s, s.reserved.reservation->address, &number);
  return there == Standing::ReservedForIt || there == Standing::BoundToIt;
}

// Whether the client has a binding on the wire that it may keep, other than this one.
bool Engine::has_binding_elsewhere(const Subject& s, uint32_t number) {
  if (s.latest == 0 || s.latest == number) return false;
  uint32_t there = 0;
  return standing(s, table_->address_of(s.latest), &there) == Standing::BoundToIt;
}

namespace {

std::optional<Ipv4> server_id_override(const Message& message) {
  const Bytes v = message.relay_suboption(relay_suboption::kServerIdOverride);
  return v.size() == 4 ? std::optional(Ipv4::load(v.data())) : std::nullopt;
}

}  // namespace

bool Engine::is_us(const Subject& s, Ipv4 server) const {
  return plan_->ours(server) || server_id_override(*s.message) == server;  // RFC 5107
}

Ipv4 Engine::server_id(const Subject& s, const Scope& scope) const {
  if (const auto override = server_id_override(*s.message)) return *override;  // RFC 5107
  const io::Link* link = s.packet->ingress.link;
  if (link == nullptr) return {};
  for (const io::LinkAddress& a : link->addresses) {
    if (scope.subnet.contains(a.address)) return a.address;
  }
  return link->primary();
}

}  // namespace hookline::lease
