// DECLINE, RELEASE, INFORM: RFC 2131 4.3.3 to 4.3.5.
#include <algorithm>

#include "lease/engine.h"

namespace hookline::lease {

// The relay or port that a packet came through.
uint64_t Engine::source_hash(const Packet& packet) const {
  uint8_t bytes[8];
  store_be32(bytes, packet.ingress.ifindex);
  packet.message.giaddr.store(bytes + 4);
  return hash_bytes(bytes, seed_);
}

// 4.3.3: somebody else uses the address. Only who holds it may say so, and only so often.
Engine::Verdict Engine::decline(Subject& s) {
  const Message& m = *s.message;
  const auto server = m.options.ipv4(option::kServerIdentifier);
  if (server && !is_us(s, *server)) return dropped(Drop::WrongServer);
  const Ipv4 address = m.options.ipv4(option::kRequestedAddress).value_or(m.ciaddr);
  if (!address) return dropped(Drop::NoRequestedAddress);
  uint32_t number = 0;
  const Standing there = standing(s, address, &number);
  if (there == Standing::Pending) return kDeferred;
  const bool holds = number != 0 && (bound_to(s, number) || there == Standing::OfferedToIt);
  if (!holds) return dropped(Drop::NotTheBindingsClient);
  const auto source = static_cast<uint16_t>(source_hash(*s.packet) >> 16);
  if (table_->declines_of(source) >= kDeclinesPerSourceMax) return dropped(Drop::DeclineLimit);
  if (!granting_) return dropped(Drop::NotGranting);

  const Scope& scope = *plan_->scope_of_slot(number);
  describe(s, scope, number, ReplyKind::None, "declined by its client");
  LeaseRecord record = binding_record(s, scope, number);
  record.state = LeaseState::Declined;
  record.start = s.now;
  const uint64_t end = uint64_t{s.now} + plan_->config().leases.decline_quarantine_s;
  record.expiry = static_cast<LeaseSeconds>(std::min<uint64_t>(end, kLeaseTimeInfinite - 1));
  const Verdict verdict = propose_record(s, number, record, source);
  if (verdict.kind == Verdict::Kind::Durable) table_->count_decline(source);
  return verdict;
}

// 4.3.4: the client is remembered, for it may come back. One without a server identifier counts.
Engine::Verdict Engine::release(Subject& s) {
  const Message& m = *s.message;
  const auto server = m.options.ipv4(option::kServerIdentifier);
  if (server && !is_us(s, *server)) return dropped(Drop::WrongServer);
  if (!m.ciaddr) return dropped(Drop::NoRequestedAddress);
  uint32_t number = 0;
  if (standing(s, m.ciaddr, &number) == Standing::Pending) return kDeferred;
  if (number == 0 || !bound_to(s, number)) return dropped(Drop::NotTheBindingsClient);
  if (!granting_) return dropped(Drop::NotGranting);

  describe(s, *plan_->scope_of_slot(number), number, ReplyKind::None, "released by its client");
  LeaseRecord record = table_->record_of(number);
  record.state = LeaseState::Released;
  record.expiry = s.now;
  record.last_transaction = s.now;
  return propose_record(s, number, record);
}

// 4.3.5: parameters for a client that has an address; no lease is looked for or changed.
Engine::Verdict Engine::inform(Subject& s) {
  const Scope* named = plan_->scope_of(s.message->ciaddr);
  const Scope& scope = named != nullptr && named->wire == s.scope->wire ? *named : *s.scope;
  Grant& grant = s.packet->grant;
  grant = Grant{};
  grant.reply = ReplyKind::InformAck;
  grant.scope = &scope;
  grant.server_id = server_id(s, scope);
  if (s.reserved.scope == &scope) grant.reservation = s.reserved.reservation;
  grant.why = "parameters only";
  return kImmediate;
}

}  // namespace hookline::lease
