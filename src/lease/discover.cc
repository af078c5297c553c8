// Clients that look for an address: DISCOVER (RFC 2131 4.3.1, RFC 4039), and BOOTP (RFC 951, 1534).
#include <algorithm>

#include "lease/engine.h"

namespace hookline::lease {

Engine::Verdict Engine::discover(Subject& s) {
  if (!granting_) return dropped(Drop::NotGranting);
  const Choice choice = choose(s, false);
  if (choice.deferred) return kDeferred;
  if (choice.number == 0) return dropped(Drop::NoAddress);
  if (waits_for_its_end(s, choice.number)) return kDeferred;
  if (needs_probe(s, choice.number)) return probe(s, choice);
  if (!s.message->options.has(option::kRapidCommit)) return offer(s, choice);
  const Verdict verdict = grant(s, choice.number, ReplyKind::Ack, choice.why);
  s.packet->grant.rapid_commit = true;
  return verdict;
}

Engine::Verdict Engine::bootp(Subject& s) {
  if (!granting_) return dropped(Drop::NotGranting);
  const auto served = [this](uint32_t scope_index) { return plan_->scope(scope_index).bootp; };
  if (!s.reserved && std::ranges::none_of(plan_->scopes_of_wire(s.scope->wire), served)) {
    return dropped(Drop::BootpNotServed);
  }
  const Choice choice = choose(s, true);
  if (choice.deferred) return kDeferred;
  if (choice.number == 0) return dropped(Drop::NoAddress);
  if (waits_for_its_end(s, choice.number)) return kDeferred;
  if (needs_probe(s, choice.number)) return probe(s, choice);
  return grant(s, choice.number, ReplyKind::Bootp, choice.why);
}

// RFC 2131 4.3.1, in its order, and a reservation before all.
Engine::Choice Engine::choose(Subject& s, bool for_bootp) {
  Choice choice = choose_known(s, for_bootp);
  if (choice.number != 0 || choice.deferred) return choice;
  if (!for_bootp) choice = choose_requested(s);
  return choice.number != 0 ? choice : choose_unused(s, for_bootp);
}

Engine::Choice Engine::choose_known(Subject& s, bool for_bootp) {
  uint32_t number = 0;
  if (s.reserved) {
    const Standing there = standing(s, s.reserved.reservation->address, &number);
    if (there == Standing::Pending) return {.deferred = true};
    if (there == Standing::ReservedForIt || there == Standing::BoundToIt) {
      return {number, "reserved"};
    }
  }
  const bool usable = s.latest != 0 && (!for_bootp || table_->scope_of(s.latest).bootp);
  const Standing latest =
      usable ? standing(s, table_->address_of(s.latest), &number) : Standing::WrongNetwork;
  if (latest == Standing::BoundToIt) return {number, "current binding"};
  if (const uint32_t offer = offers_.find(s.digest); offer != 0) {
    const uint32_t offered = offers_.slot(offer);
    if (!for_bootp || table_->scope_of(offered).bootp) return {offered, "offered before"};
  }
  if (latest == Standing::Remembered)
    return {.number = number, .why = "previous binding", .to_hold = true};
  return {};
}

Engine::Choice Engine::choose_requested(Subject& s) {
  const auto wanted = s.message->options.ipv4(option::kRequestedAddress);
  if (!wanted) return {};
  uint32_t number = 0;
  const Standing there = standing(s, *wanted, &number);
  if (there != Standing::Free && there != Standing::Remembered) return {};
  return {.number = number, .why = "requested address is free", .to_hold = true};
}

Engine::Choice Engine::choose_unused(Subject& s, bool for_bootp) {
  const auto try_scope = [&](uint32_t scope_index) -> uint32_t {
    if (for_bootp && !plan_->scope(scope_index).bootp) return 0;
    return table_->longest_unused(scope_index);
  };
  uint32_t number = try_scope(s.scope->index);
  for (const uint32_t sibling : plan_->scopes_of_wire(s.scope->wire)) {
    if (number != 0) break;
    if (sibling != s.scope->index) number = try_scope(sibling);
  }
  return {.number = number, .why = "longest unused", .to_hold = true};
}

// Only what others could get is held. What is bound to or reserved for the client is safe anyway.
Engine::Verdict Engine::offer(Subject& s, const Choice& choice) {
  const Scope& scope = *plan_->scope_of_slot(choice.number);
  const LeaseSeconds until = offer_end(s);
  const uint32_t before = offers_.find(s.digest);
  if (before != 0 && offers_.slot(before) == choice.number) {
    offers_.extend(before, until);
  } else {
    if (before != 0) forget_offer(s.digest);
    if (choice.to_hold && !hold(s, choice.number, until)) return dropped(Drop::NoMemory);
  }
  describe(s, scope, choice.number, ReplyKind::Offer, choice.why);
  return kImmediate;
}

LeaseSeconds Engine::offer_end(const Subject& s) const {
  return s.now + plan_->config().leases.offer_hold_s;
}

// Two clients may have a right to one reserved address: whoever comes later takes the offer over.
void Engine::end_offer_of(uint32_t number) {
  const Slot& slot = table_->slot(number);
  if (slot.has(Slot::kOffered)) forget_offer(Digest(offers_.client(slot.next)));
}

bool Engine::hold(Subject& s, uint32_t number, LeaseSeconds until) {
  end_offer_of(number);
  if (const uint32_t oldest = offers_.to_evict(); oldest != 0) {
    forget_offer(Digest(offers_.client(oldest)));
  }
  if (offers_.to_evict() != 0) return false;
  const Scope& scope = *plan_->scope_of_slot(number);
  table_->place(scope, plan_->address_of(scope.index, number));
  const uint32_t offer = offers_.add(s.digest, number, source_hash(*s.packet), until);
  table_->hold_for_offer(number, offer);
  return true;
}

}  // namespace hookline::lease
