#include "lease/engine.h"

#include <algorithm>

#include "base/prefetch.h"

namespace hookline::lease {

namespace {

// Offers whose time is over that one turn gives up: more than it can make.
constexpr size_t kOffersOverPerTurnMax = 2 * kTurnPacketsMax;
// Slots that one turn looks at again after a reload: some 10 µs.
constexpr size_t kSlotsSettledPerTurn = 1024;

}  // namespace

Engine::Engine(Endings& endings, uint64_t hash_seed) : endings_(endings), seed_(hash_seed) {}

Result<void> Engine::configure(std::shared_ptr<const Config> config, const io::LinkTable& links) {
  CHECK(pending_.empty() && pending_records_ == 0, "the pipeline drains before it reloads");
  const bool prepared = prepared_ != nullptr && &prepared_->plan->config() == config.get() &&
                        prepared_->change.before == plan_.get();
  if (!prepared) {
    if (Result<void> done = prepare(std::move(config)); !done) return done;
  }
  const std::unique_ptr<Prepared> next = std::move(prepared_);
  next->plan->set_links(links);
  const bool anew = !table_ || table_->wants_rebuild(*next->plan);
  if (Result<void> done = anew ? rebuild(*next->plan) : adopt(*next); !done) return done;
  outgoing_ = std::move(plan_);
  plan_ = std::move(next->plan);
  return {};
}

Result<void> Engine::prepare(std::shared_ptr<const Config> config) {
  auto plan = Plan::make(std::move(config), seed_);
  if (!plan) return tl::unexpected(plan.error());
  PlanChange change(plan_.get(), **plan);
  prepared_ = std::make_unique<Prepared>(Prepared{std::move(*plan), std::move(change)});
  return {};
}

Result<void> Engine::adopt(const Prepared& next) {
  if (Result<void> done = table_->adopt(*next.plan, next.change); !done) return done;
  for (uint32_t offer = offers_.next(0); offer != 0;) {
    const uint32_t after = offers_.next(offer);
    const uint32_t number = offers_.slot(offer);
    if (!table_->may_be_offered(number)) {
      offers_.remove(offer);
      // What lay there may have moved into another subnet, without the offer.
      if (table_->slot(number).has(Slot::kOffered)) table_->unhold(number, Slot::kOffered);
    }
    offer = after;
  }
  return {};
}

// At the start, and after reloads that left more behind than is in use.
Result<void> Engine::rebuild(Plan& plan) {
  auto table = LeaseTable::make(plan, seed_);
  if (!table) return tl::unexpected(table.error());
  if (!table_ && (!offers_.reserve() || !pending_.reserve())) {
    return fail(ErrorKind::NoSpace, "no memory for the table of offers");
  }
  offers_.clear();
  const auto carry_over = [&](const LeaseRecord& record) { (*table)->restore(record); };
  scan(0, ~size_t{0}, carry_over);
  (*table)->finish_restore();
  table_ = std::move(*table);
  return {};
}

void Engine::links_changed(const io::LinkTable& links) { plan_->set_links(links); }

void Engine::restore(const LeaseRecord& record) { table_->restore(record); }

// --- the batch ------------------------------------------------------------------------------

// Three passes: the first two only ask for the memory that the third will look at, so that the
// misses of all requests overlap.
Proposed Engine::propose(Batch<Request> requests, Now now) {
  table_->finish_restore();
  table_->start_at(now.lease_s);
  table_->settle_some(kSlotsSettledPerTurn);
  drop_offers_over(now.lease_s);
  waiting_count_ = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    subjects_[i] = subject_of(requests[i].packet(), now.lease_s);
    prefetch_indexes(subjects_[i]);
  }
  for (size_t i = 0; i < requests.size(); ++i) prefetch_slots(subjects_[i]);
  Proposed proposed;
  for (size_t i = 0; i < requests.size(); ++i) {
    Subject& subject = subjects_[i];
    const Verdict verdict = decide(subject);
    switch (verdict.kind) {
      case Verdict::Kind::Immediate:
        proposed.immediate.push(Immediate(PassKey<Engine>(), std::move(requests[i])));
        break;
      case Verdict::Kind::Durable:
        proposed.durable.push(Proposal(PassKey<Engine>(), std::move(requests[i])));
        break;
      case Verdict::Kind::Deferred:
        waiting_[waiting_count_++] = subject.digest;
        proposed.deferred.push(Request(PassKey<Engine>(), std::move(requests[i])));
        break;
      case Verdict::Kind::ToProbe:
        proposed.to_probe.push(Request(PassKey<Engine>(), std::move(requests[i])));
        break;
      case Verdict::Kind::Dropped:
        endings_.drop(std::move(requests[i]), verdict.reason);
        break;
    }
  }
  return proposed;
}

void Engine::prefetch_indexes(const Subject& s) const {
  if (s.scope == nullptr) return;
  table_->prefetch_client(s.digest);
  const Message& m = *s.message;
  if (m.type != MessageType::Request || !m.ciaddr) offers_.prefetch(s.digest);
  // The slot that the client names; a lease that it may get is put beside others in a chain.
  const Ipv4 named =
      m.ciaddr ? m.ciaddr : m.options.ipv4(option::kRequestedAddress).value_or(Ipv4{});
  if (const Scope* scope = named ? plan_->scope_of(named) : nullptr) {
    table_->prefetch_slot(table_->number_of(*scope, named));
  }
  if (m.type == MessageType::Request && !m.ciaddr) table_->prefetch_hardware(m.hardware_address());
}

void Engine::prefetch_slots(const Subject& s) const {
  if (s.scope == nullptr) return;
  table_->prefetch_client_slot(s.digest);
  const Message& m = *s.message;
  if (m.type == MessageType::Request && !m.ciaddr) {
    table_->prefetch_hardware_chain(m.hardware_address());
  }
}

Engine::Subject Engine::subject_of(Packet& packet, LeaseSeconds now) const {
  Subject s;
  s.packet = &packet;
  s.message = &packet.message;
  s.now = now;
  s.authoritative = plan_->config().server.authoritative;
  s.client = packet.message.identity();
  if (plan_->config().scopes.empty()) {
    s.refusal = Drop::NoScopes;
  } else if (s.client.id.empty() || s.client.id.size() > kClientIdBytesMax) {
    s.refusal = Drop::NoClientIdentity;
  } else if ((s.scope = scope_for(packet)) != nullptr) {
    s.digest = table_->digest(s.client, s.scope->wire);
  }
  return s;
}

// By relay or link; but a client that speaks to us directly and names its address may be far away:
// one that got its lease through a relay renews and releases it by unicast (RFC 2131 4.3.2, 4.4.4),
// and an INFORM is about the address that it names.
const Scope* Engine::scope_for(const Packet& packet) const {
  const Message& m = packet.message;
  const Scope* selected = plan_->select(packet);
  if (!m.ciaddr || m.giaddr) return selected;
  const Ipv4 to = packet.ingress.destination;
  const bool unicast = to && to != kBroadcast;
  const bool renews =
      m.type == MessageType::Request && unicast && !m.options.has(option::kServerIdentifier);
  if (!renews && m.type != MessageType::Release && m.type != MessageType::Inform) return selected;
  const Scope* named = plan_->scope_of(m.ciaddr);
  return named != nullptr ? named : selected;
}

Engine::Verdict Engine::decide(Subject& s) {
  if (s.message->type == MessageType::LeaseQuery) return lease_query(s);
  if (s.scope == nullptr) return dropped(s.refusal);
  if (must_wait(s)) return kDeferred;
  if (waits_for_probe(s)) return kToProbe;
  s.latest = table_->find_client(s.client, s.scope->wire, s.digest);
  if (s.latest != 0 && table_->slot(s.latest).has(Slot::kPending)) return kDeferred;
  s.reserved = plan_->reservation_for(*s.message, *s.scope);
  switch (s.message->type) {
    case MessageType::None:
      return bootp(s);
    case MessageType::Discover:
      return discover(s);
    case MessageType::Request:
      return request(s);
    case MessageType::Decline:
      return decline(s);
    case MessageType::Release:
      return release(s);
    case MessageType::Inform:
      return inform(s);
    case MessageType::Offer:
    case MessageType::Ack:
    case MessageType::Nak:
    case MessageType::ForceRenew:
    case MessageType::LeaseQuery:
    case MessageType::LeaseUnassigned:
    case MessageType::LeaseUnknown:
    case MessageType::LeaseActive:
      break;
  }
  return dropped(Drop::BadMessageType);
}

bool Engine::must_wait(const Subject& s) const {
  if (pending_.has(s.digest)) return true;
  const auto end = waiting_.begin() + static_cast<ptrdiff_t>(waiting_count_);
  return std::find(waiting_.begin(), end, s.digest) != end;
}

void Engine::drop_offers_over(LeaseSeconds now) {
  for (size_t i = 0; i < kOffersOverPerTurnMax; ++i) {
    const uint32_t offer = offers_.first_over(now);
    if (offer == 0) return;
    const uint32_t number = offers_.slot(offer);
    offers_.remove(offer);
    table_->unhold(number, Slot::kOffered);
  }
}

void Engine::forget_offer(const Digest& client) {
  const uint32_t offer = offers_.find(client);
  if (offer == 0) return;
  const uint32_t number = offers_.slot(offer);
  offers_.remove(offer);
  table_->unhold(number, Slot::kOffered);
}

// --- records --------------------------------------------------------------------------------

void Engine::prefetch(const Committed& committed) const {
  const LeaseRecord& record = committed.packet().grant.record;
  hookline::prefetch(record.hardware_address.data());
  if (!record.client_id.empty()) hookline::prefetch(record.client_id.data());
  const PendingClients::Entry& entry = pending_.at(committed.packet().grant.ticket);
  table_->prefetch_slot(entry.number);
  table_->prefetch_client(entry.client);
}

void Engine::apply(const Committed& committed) {
  const Packet& packet = committed.packet();
  const LeaseRecord& record = packet.grant.record;
  const PendingClients::Entry entry = pending_.take(packet.grant.ticket);
  table_->write(entry.number, record, entry.block);
  if (record.state == LeaseState::Declined) {
    table_->mark_counted(entry.number, entry.decline_source);
  }
  if (observer_ != nullptr) observer_->lease_changed(record.address);
}

void Engine::withdraw(const Packet& packet) {
  const LeaseRecord& record = packet.grant.record;
  const PendingClients::Entry entry = pending_.take(packet.grant.ticket);
  table_->give_back_room(record, entry.block);
  if (record.state == LeaseState::Declined) table_->uncount_decline(entry.decline_source);
  table_->unhold(entry.number, Slot::kPending);
}

void Engine::apply(const LeaseRecord& record) {
  const Scope* scope = plan_->scope_of(record.address);
  const uint32_t number =
      scope != nullptr ? table_->place(*scope, record.address) : table_->find_place(record.address);
  if (number == 0) {
    if (table_->orphans.set_pending(record.address, false)) --pending_records_;
    table_->orphans.put(record);
  } else {
    if (table_->slot(number).has(Slot::kPending)) --pending_records_;
    table_->write(number, record);
  }
  if (observer_ != nullptr) observer_->lease_changed(record.address);
}

void Engine::withdraw(const LeaseRecord& record) {
  --pending_records_;
  if (const uint32_t number = table_->find_place(record.address); number != 0) {
    table_->unhold(number, Slot::kPending);
  } else {
    table_->orphans.set_pending(record.address, false);
  }
}

void Engine::shift_times(int64_t step_s) {
  CHECK(pending_.empty() && pending_records_ == 0, "records under way have times of before");
  table_->finish_restore();
  table_->shift_times(step_s);
  offers_.shift_times(step_s);
}

namespace {

// What is left of a lease that ran out, or of a quarantine that ended.
LeaseRecord ended(LeaseRecord record, LeaseSeconds now) {
  if (record.state == LeaseState::Active) {
    record.state = LeaseState::Expired;
    return record;
  }
  LeaseRecord free;
  free.address = record.address;
  free.scope_key = record.scope_key;
  free.last_transaction = now;
  return free;
}

}  // namespace

size_t Engine::take_expired(Now now, std::span<LeaseRecord> out) {
  table_->finish_restore();
  table_->start_at(now.lease_s);
  size_t count = 0;
  // A slot on its way down the wheel costs a look, too.
  size_t budget = 4 * out.size();
  while (count < out.size()) {
    const auto number = table_->take_due(now.lease_s, budget);
    if (!number) break;
    table_->hold_for_record(*number);
    out[count++] = ended(table_->record_of(*number), now.lease_s);
  }
  while (count < out.size()) {
    const auto address = table_->orphans.first_over(now.lease_s);
    if (!address) break;
    table_->orphans.set_pending(*address, true);
    out[count++] = ended(*table_->orphans.find(*address), now.lease_s);
  }
  pending_records_ += count;
  return count;
}

Result<LeaseRecord> Engine::propose_for_operator(Ipv4 address) {
  const auto missing = [&] {
    return fail(ErrorKind::Missing, "there is no lease for " + address.text());
  };
  const auto busy = [&] {
    return fail(ErrorKind::Busy, "the lease for " + address.text() + " is just being changed");
  };
  const auto record = find(address);
  if (!record) return missing();
  if (const uint32_t number = table_->find_place(address); number != 0) {
    if (table_->slot(number).has(Slot::kPending)) return busy();
    // Its client has a proposal for another address, which would end this one.
    const Scope* scope = table_->scope_or_none(number);
    if (scope != nullptr && pending_.has(table_->digest(record->identity(), scope->wire))) {
      return busy();
    }
    table_->hold_for_record(number);
  } else if (!table_->orphans.set_pending(address, true)) {
    return busy();
  }
  ++pending_records_;
  return *record;
}

Result<LeaseRecord> Engine::propose_release(Ipv4 address, Now now) {
  const auto known = find(address);
  if (!known || known->state != LeaseState::Active) {
    return fail(ErrorKind::Missing, "no client is bound to " + address.text());
  }
  Result<LeaseRecord> record = propose_for_operator(address);
  if (!record) return record;
  record->state = LeaseState::Released;
  record->expiry = now.lease_s;
  record->last_transaction = now.lease_s;
  return record;
}

Result<LeaseRecord> Engine::propose_delete(Ipv4 address, Now now) {
  const Result<LeaseRecord> record = propose_for_operator(address);
  if (!record) return tl::unexpected(record.error());
  LeaseRecord free;
  free.address = address;
  free.scope_key = record->scope_key;
  free.last_transaction = now.lease_s;
  return free;
}

// --- view -----------------------------------------------------------------------------------

std::optional<LeaseRecord> Engine::find(Ipv4 address) const {
  const uint32_t number = table_->find_place(address);
  if (number == 0) return table_->orphans.find(address);
  const Slot& slot = table_->slot(number);
  if (!slot.has(Slot::kRecorded) || slot.state == LeaseState::Free) return std::nullopt;
  return table_->record_of(number);
}

namespace {

// Puts a record into the first `count` of `out`, in order, if it belongs there; the new count.
size_t put_by_recency(const LeaseRecord& record, std::span<LeaseRecord> out, size_t count) {
  const auto end = out.begin() + static_cast<ptrdiff_t>(count);
  const auto at = std::find_if(out.begin(), end, [&](const LeaseRecord& r) {
    return r.last_transaction < record.last_transaction;
  });
  if (at == out.end()) return count;
  const bool full = count == out.size();
  std::move_backward(at, full ? end - 1 : end, full ? end : end + 1);
  *at = record;
  return full ? count : count + 1;
}

}  // namespace

size_t Engine::find_by_hardware(Bytes hardware, std::span<LeaseRecord> out) const {
  size_t count = 0;
  table_->visit_hardware(hardware, kHardwareLeasesMax, [&](uint32_t number) {
    count = put_by_recency(table_->record_of(number), out, count);
  });
  return count;
}

size_t Engine::find_by_client_id(Bytes client_id, std::span<LeaseRecord> out) const {
  size_t count = 0;
  table_->visit_client({true, 0, client_id}, [&](uint32_t number) {
    count = put_by_recency(table_->record_of(number), out, count);
  });
  return count;
}

LeaseSeconds Engine::next_expiry() const {
  const LeaseSeconds due = table_->next_due();
  const LeaseSeconds orphan = table_->orphans.next_expiry();
  if (orphan == 0) return due;
  return due == 0 ? orphan + 1 : std::min(due, orphan + 1);
}

size_t Engine::memory_bytes() const { return table_ ? table_->memory_bytes() : 0; }

}  // namespace hookline::lease
