#include "lease/table.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "lease/table_change.h"

namespace hookline::lease {

namespace {

uint64_t by_wire(uint32_t wire_id) { return (uint64_t{wire_id} + 1) * 0x9e3779b97f4a7c15ULL; }

}  // namespace

// --- places ---------------------------------------------------------------------------------

uint32_t LeaseTable::place(const Scope& scope, Ipv4 address) {
  const uint32_t number = plan_->number_of(scope, address);
  Slot& slot = slots_[number];
  if (slot.kind == AddressKind::Unknown) {
    slot.kind = plan_->kind_of(scope.index, address);
    uint64_t& word = placed_[number / 64];
    if (word == 0) ++pages_touched_;
    word |= uint64_t{1} << (number % 64);
  }
  return number;
}

uint32_t LeaseTable::find_place(Ipv4 address) const {
  if (const Scope* scope = plan_->scope_of(address)) return plan_->number_of(*scope, address);
  for (const Run& run : runs_) {
    if (run.scope_index != kNoScope || !run.subnet.contains(address)) continue;
    const uint32_t number = run.first + (address.value - run.subnet.base.value);
    if (placed(number) && slots_[number].state != LeaseState::Free) return number;
  }
  return 0;
}

ClientIdentity LeaseTable::identity_of(uint32_t number) const {
  const Slot& s = slots_[number];
  if (s.client_id_size == 0) return {false, s.hardware_type, Bytes(s.ids, s.hardware_size)};
  if (s.client_id_inside()) return {true, 0, Bytes(s.ids + s.hardware_size, s.client_id_size)};
  return {true, 0, Bytes(arena_.data(s.block), s.client_id_size)};
}

LeaseRecord LeaseTable::record_of(uint32_t number) const {
  const Slot& s = slots_[number];
  LeaseRecord r;
  r.address = address_of(number);
  r.state = s.state;
  r.bootp = s.has(Slot::kBootp);
  r.hardware_type = s.hardware_type;
  r.scope_key = run_of(number).scope_key;
  r.start = s.start;
  r.expiry = s.expiry;
  r.last_transaction = s.last_transaction;
  r.sequence = s.sequence;
  r.hardware_address = Bytes(s.ids, s.hardware_size);
  if (s.client_id_size != 0) r.client_id = identity_of(number).id;
  if (s.block != 0) {
    const uint8_t* at = arena_.data(s.block) + (s.client_id_inside() ? 0 : s.client_id_size);
    r.hostname = Bytes(at, s.hostname_size);
    r.relay_info = Bytes(at + s.hostname_size, s.relay_info_size);
  }
  return r;
}

// --- clients --------------------------------------------------------------------------------

Digest LeaseTable::digest_of(const ClientIdentity& client, uint32_t wire_id) const {
  return {hash_of(client, wire_id), client.hash(~seed_) ^ by_wire(wire_id)};
}

uint64_t LeaseTable::hash_of(const ClientIdentity& client, uint32_t wire_id) const {
  constexpr uint64_t kOdd = 0xd6e8feb86659fd93ULL;
  return (client.hash(seed_) ^ by_wire(wire_id)) * kOdd;
}

uint64_t LeaseTable::client_hash(uint32_t number) const {
  return hash_of(identity_of(number), run_of(number).wire_id);
}

uint32_t LeaseTable::find_client(const ClientIdentity& client, uint32_t wire,
                                 const Digest& digest) const {
  return find_by_hash(client, wire_ids_[wire], digest.a);
}

uint32_t LeaseTable::find_by_hash(const ClientIdentity& client, uint32_t wire_id,
                                  uint64_t hash) const {
  return clients_.find(hash, [&](uint32_t number) {
    const Run& run = run_of(number);
    return run.wire_id == wire_id && run.scope_index != kNoScope && identity_of(number) == client;
  });
}

void LeaseTable::index_client(uint32_t number, uint64_t hash) {
  const Run& run = run_of(number);
  const uint32_t other =
      run.scope_index == kNoScope ? 0 : find_by_hash(identity_of(number), run.wire_id, hash);
  if (other != 0) {
    if (outlasts(other, number)) {
      end_binding(number, slots_[other].last_transaction);
      return;
    }
    unindex_client(other);
    end_binding(other, slots_[number].last_transaction);
  }
  CHECK(clients_.insert(hash, number), "the index has room for every slot");
  slots_[number].set(Slot::kIndexed);
}

// Of two bindings of one client: a live one before a remembered one, then the later one. (A record
// that ends an earlier binding may well come after the one that began the next.)
bool LeaseTable::outlasts(uint32_t a, uint32_t b) const {
  const Slot& x = slots_[a];
  const Slot& y = slots_[b];
  return x.bound() != y.bound() ? x.bound() : x.sequence > y.sequence;
}

void LeaseTable::end_binding(uint32_t number, LeaseSeconds at) {
  Slot& slot = slots_[number];
  if (!slot.bound() || slot.expiry <= at) return;
  slot.expiry = at;
  if (!slot.has(Slot::kScheduled)) return;
  wheel_.remove(number);
  wheel_.insert(number, uint64_t{at} + 1);
}

void LeaseTable::unindex_client(uint32_t number) {
  if (!slots_[number].has(Slot::kIndexed)) return;
  clients_.erase(client_hash(number), number);
  slots_[number].clear(Slot::kIndexed);
}

// --- free addresses -------------------------------------------------------------------------

uint32_t LeaseTable::front_of(uint32_t list) {
  for (uint32_t number = lists_.front(list); number != 0; number = lists_.front(list)) {
    if (may_be_stale(number)) {
      refresh(number);
      if (!slots_[number].has(Slot::kListed)) continue;
    }
    if (!plan_->ours(address_of(number))) return number;
    unlist(number);  // became the server's own address after it was leased
  }
  return 0;
}

uint32_t LeaseTable::first_not_placed(uint32_t first, uint32_t last) const {
  for (uint64_t at = first; at <= last; at = (at / 64 + 1) * 64) {
    const uint64_t word = ~placed_[at / 64] >> (at % 64);
    if (word == 0) continue;
    at += static_cast<uint64_t>(std::countr_zero(word));
    return at <= last ? static_cast<uint32_t>(at) : 0;
  }
  return 0;
}

uint32_t LeaseTable::next_never_used(uint32_t run_index) {
  Run& run = runs_[run_index];
  const auto ranges = plan_->leasable(run.scope_index);
  const uint64_t start = run.subnet.base.value + run.unused;
  auto range = std::ranges::lower_bound(
      ranges, start, {}, [](const AddressRange& r) { return uint64_t{r.last.value}; });
  bool passed_ours = false;
  for (; range != ranges.end(); ++range) {
    const uint64_t from = std::max<uint64_t>(start, range->first.value) - run.subnet.base.value;
    const uint32_t last = run.first + (range->last.value - run.subnet.base.value);
    uint32_t number = first_not_placed(run.first + static_cast<uint32_t>(from), last);
    for (; number != 0; number = first_not_placed(number + 1, last)) {
      const bool ours = plan_->ours(address_of(number));
      if (!passed_ours) run.unused = number - run.first;
      if (!ours) return number;
      passed_ours = true;
    }
  }
  if (!passed_ours) run.unused = run.subnet.size();
  return 0;
}

uint32_t LeaseTable::longest_unused(uint32_t scope_index) {
  const uint32_t run = scope_runs_[scope_index];
  if (const uint32_t number = front_of(fresh_list(run)); number != 0) return number;
  if (const uint32_t number = next_never_used(run); number != 0) return number;
  return front_of(used_list(run));
}

void LeaseTable::unlist(uint32_t number) {
  if (!slots_[number].has(Slot::kListed)) return;
  lists_.remove(number);
  slots_[number].clear(Slot::kListed);
}

// Puts a slot that nobody holds where its state belongs: the wheel or a list of free addresses.
void LeaseTable::settle(uint32_t number) {
  Slot& slot = slots_[number];
  if (slot.state == LeaseState::Active || slot.state == LeaseState::Declined) {
    if (slot.expiry != kLeaseTimeInfinite && !slot.has(Slot::kScheduled)) {
      wheel_.insert(number, uint64_t{slot.expiry} + 1);
    }
    return;
  }
  if (slot.held() || slot.has(Slot::kListed) || slot.kind != AddressKind::Leasable) return;
  if (restoring_) {
    restored_free_.push_back(number);
    return;
  }
  const bool fresh = !slot.has(Slot::kRecorded);
  const uint32_t run = run_index(number);
  lists_.push_back(fresh ? fresh_list(run) : used_list(run), number);
  slot.set(Slot::kListed);
}

void LeaseTable::let_go(uint32_t number) {
  if (placed(number) && !slots_[number].held()) settle(number);
}

void LeaseTable::hold_for_offer(uint32_t number, uint32_t offer) {
  const Change change(*this, number);
  unlist(number);
  slots_[number].set(Slot::kOffered);
  slots_[number].next = offer;
}

void LeaseTable::hold_for_record(uint32_t number) {
  const Change change(*this, number);
  unlist(number);
  slots_[number].set(Slot::kPending);
}

void LeaseTable::unhold(uint32_t number, Slot::Flag held_by) {
  const Change change(*this, number);
  if (held_by == Slot::kOffered) slots_[number].next = 0;
  slots_[number].clear(held_by);
  settle(number);
}

// --- view -----------------------------------------------------------------------------------

LeaseTable::Use LeaseTable::use_of_kind(AddressKind kind) {
  if (kind == AddressKind::Leasable) return Use::Free;
  return kind == AddressKind::Reserved ? Use::Reserved : Use::None;
}

LeaseTable::Use LeaseTable::use_of(const Slot& slot) {
  const bool outside = slot.kind == AddressKind::Outside;
  if (slot.state == LeaseState::Active) return outside ? Use::Outside : Use::Active;
  if (slot.state == LeaseState::Declined) return outside ? Use::Outside : Use::Declined;
  if (slot.kind != AddressKind::Leasable) return use_of_kind(slot.kind);
  if (slot.held()) return Use::Offered;
  if (slot.state == LeaseState::Free) return Use::Free;
  return slot.state == LeaseState::Released ? Use::Released : Use::Expired;
}

ScopeUse LeaseTable::use(uint32_t scope_index) const {
  const auto& counts = runs_[scope_runs_[scope_index]].counts;
  const auto count = [&](Use use) { return counts[static_cast<size_t>(use)]; };
  ScopeUse use;
  use.active = count(Use::Active);
  use.free_ = count(Use::Free);
  use.offered = count(Use::Offered);
  use.declined = count(Use::Declined);
  use.reserved = count(Use::Reserved);
  use.released = count(Use::Released);
  use.expired = count(Use::Expired);
  use.outside = count(Use::Outside);
  use.total = use.active + use.free_ + use.offered + use.declined + use.reserved + use.released +
              use.expired;
  return use;
}

LeaseCounts LeaseTable::lease_counts() const {
  LeaseCounts counts = orphans.counts();
  for (const Run& run : runs_) {
    for (size_t state = 1; state < counts.size(); ++state) counts[state] += run.leases[state];
  }
  return counts;
}

uint64_t LeaseTable::lease_count() const {
  const LeaseCounts counts = lease_counts();
  return std::accumulate(counts.begin() + 1, counts.end(), uint64_t{0});
}

size_t LeaseTable::memory_bytes() const {
  constexpr size_t kPageBytes = 4096;
  constexpr size_t kPageSlots = kPageBytes / sizeof(Slot);
  const size_t heads = std::min(HardwareIndex::kHeads * 4, hardware_.size() * kPageBytes);
  return pages_touched_ * (kPageBytes + kPageSlots * 8) + clients_.bytes_touched() + heads +
         arena_.bytes_touched() + orphans.memory_bytes();
}

}  // namespace hookline::lease
