// Conflict detection: an address that a client is about to get is asked about first (RFC 2131 2.2:
// "the server SHOULD probe the reused address before allocating"). The asking is the world's; here
// is who has to wait for it, and what its outcome means.
#include <algorithm>

#include "lease/engine.h"

namespace hookline::lease {

namespace {

// How long an address can be asked about at most, in whole seconds.
LeaseSeconds probe_s_max(const LeaseConfig& leases) {
  const int64_t ns = leases.conflict_attempts * leases.conflict_wait_ns;
  return static_cast<LeaseSeconds>(ns / kNsPerSecond + 1);
}

}  // namespace

// One that comes while the client's own earlier request waits: it keeps its place behind it.
bool Engine::waits_for_probe(Subject& s) const {
  if (offers_.probing() == 0) return false;
  const uint32_t offer = offers_.find(s.digest);
  if (offer == 0 || offers_.checked(offer) != Checked::Probing) return false;
  const uint32_t number = offers_.slot(offer);
  describe(s, *plan_->scope_of_slot(number), number, ReplyKind::None, "waits for a probe");
  return true;
}

// Who is bound to it answers for it, of course. What was found free counts as free for as long as
// an offer is held, however often its client asks again.
bool Engine::needs_probe(const Subject& s, uint32_t number) const {
  if (!plan_->scope_of_slot(number)->conflict_detection || bound_to(s, number)) return false;
  const uint32_t offer = offers_.find(s.digest);
  if (offer == 0 || offers_.slot(offer) != number) return true;
  const LeaseSeconds good_until = offers_.checked_at(offer) + plan_->config().leases.offer_hold_s;
  return offers_.checked(offer) != Checked::Free || s.now >= good_until;
}

// A binding whose time is over vouches for nobody, but only take_expired() of this turn ends it.
bool Engine::waits_for_its_end(const Subject& s, uint32_t number) const {
  if (!plan_->scope_of_slot(number)->conflict_detection || !bound_to(s, number)) return false;
  const LeaseSeconds expiry = table_->slot(number).expiry;
  return expiry != kLeaseTimeInfinite && s.now > expiry;
}

// Even what is reserved for the client is held: the offer is what remembers the outcome.
Engine::Verdict Engine::probe(Subject& s, const Choice& choice) {
  if (s.packet->probes == kProbesPerPacketMax) return dropped(Drop::NoAddress);
  const LeaseSeconds until = offer_end(s) + probe_s_max(plan_->config().leases);
  uint32_t offer = offers_.find(s.digest);
  if (offer != 0 && offers_.slot(offer) == choice.number) {
    offers_.extend(offer, until);
  } else {
    if (offer != 0) forget_offer(s.digest);
    if (!hold(s, choice.number, until)) return dropped(Drop::NoMemory);
    offer = offers_.find(s.digest);
  }
  offers_.set_checked(offer, Checked::Probing, s.now);
  ++s.packet->probes;
  describe(s, *plan_->scope_of_slot(choice.number), choice.number, ReplyKind::None, choice.why);
  return kToProbe;
}

// The record has no client: who was to get the address did nothing wrong, so it counts against no
// one's limit of declines.
std::optional<LeaseRecord> Engine::probed(Ipv4 address, bool in_use, Now now) {
  const Scope* scope = plan_->scope_of(address);
  if (scope == nullptr) return std::nullopt;
  const uint32_t number = table_->number_of(*scope, address);
  const Slot& slot = table_->slot(number);
  const bool waited_for =
      slot.has(Slot::kOffered) && offers_.checked(slot.next) == Checked::Probing;
  if (!waited_for) return std::nullopt;
  if (!in_use) {
    offers_.set_checked(slot.next, Checked::Free, now.lease_s);
    return std::nullopt;
  }
  end_offer_of(number);
  if (!granting_) return std::nullopt;
  table_->hold_for_record(number);
  ++pending_records_;
  LeaseRecord record;
  record.address = address;
  record.state = LeaseState::Declined;
  record.scope_key = scope->key;
  record.start = now.lease_s;
  const uint64_t end = uint64_t{now.lease_s} + plan_->config().leases.decline_quarantine_s;
  record.expiry = static_cast<LeaseSeconds>(std::min<uint64_t>(end, kLeaseTimeInfinite - 1));
  record.last_transaction = now.lease_s;
  return record;
}

}  // namespace hookline::lease
