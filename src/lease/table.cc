#include "lease/table.h"

#include <algorithm>
#include <cstring>

namespace hookline::lease {

// Reserved, not touched: half a kilobyte of strings for every address, and no more than 2 GB.
static constexpr size_t kArenaBytesPerAddress = 512;
static constexpr size_t kArenaBytesMin = size_t{1} << 20;
static constexpr size_t kArenaBytesMax = size_t{2} << 30;
// Clients in the index besides one for each address that can be leased: bound where ranges were.
static constexpr size_t kClientsBesides = 4096;

class LeaseTable::Change {
 public:
  Change(LeaseTable& table, uint32_t number) : table_(table), number_(number) { count(-1); }
  ~Change() { count(1); }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  void count(int64_t by) {
    const Slot& slot = table_.slots_[number_];
    uint64_t& n = table_.scopes_[slot.scope_index].counts[static_cast<size_t>(table_.use_of(slot))];
    n += static_cast<uint64_t>(by);
    if (slot.state != LeaseState::Free) table_.leases_ += static_cast<uint64_t>(by);
  }
  LeaseTable& table_;
  uint32_t number_;
};

Result<std::unique_ptr<LeaseTable>> LeaseTable::make(const Plan& plan, uint64_t seed) {
  auto table = std::make_unique<LeaseTable>();
  table->plan_ = &plan;
  if (Result<void> done = table->reserve(seed); !done) return tl::unexpected(done.error());
  return table;
}

Result<void> LeaseTable::reserve(uint64_t seed) {
  seed_ = seed;
  const size_t arena_bytes =
      std::clamp(plan_->addresses() * kArenaBytesPerAddress, kArenaBytesMin, kArenaBytesMax);
  // A client may be remembered at an address outside the ranges: room for any slot, but sized by
  // what can be leased, because an index is touched all over.
  const size_t clients =
      std::min<uint64_t>(plan_->slots_end(), plan_->addresses() + kClientsBesides);
  if (!slots_.reserve(plan_->slots_end()) ||
      !pages_.reserve(plan_->slots_end() / kPageSlots / 64 + 1) || !clients_.reserve(clients) ||
      !arena_.reserve(arena_bytes) || !declines_.reserve(65536)) {
    return fail(ErrorKind::NoSpace, "the system does not give the memory for " +
                                        std::to_string(plan_->slots_end()) + " addresses");
  }
  lists_.reset(&slots_, Wheel::kHeads + 2 * plan_->config().scopes.size());
  wheel_.reset(&slots_, &lists_);
  scopes_.resize(plan_->config().scopes.size());
  for (uint32_t i = 0; i < scopes_.size(); ++i) {
    scopes_[i].counts[static_cast<size_t>(Use::Free)] = plan_->leasable_count(i);
    scopes_[i].counts[static_cast<size_t>(Use::Reserved)] = plan_->reserved_count(i);
  }
  return {};
}

// --- places ---------------------------------------------------------------------------------

uint32_t LeaseTable::place(const Scope& scope, Ipv4 address) {
  const uint32_t number = plan_->number_of(scope, address);
  Slot& slot = slots_[number];
  if (slot.kind == AddressKind::Unknown) {
    slot.kind = plan_->kind_of(scope.index, address);
    slot.scope_index = static_cast<uint16_t>(scope.index);
    uint64_t& word = pages_[number / kPageSlots / 64];
    const uint64_t bit = uint64_t{1} << (number / kPageSlots % 64);
    if ((word & bit) == 0) ++pages_touched_;
    word |= bit;
  }
  return number;
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
  r.scope_key = scope_of(number).key;
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

Digest LeaseTable::digest(const ClientIdentity& client, uint32_t wire) const {
  constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15ULL;
  constexpr uint64_t kOdd2 = 0xd6e8feb86659fd93ULL;
  const uint64_t by_wire = (uint64_t{wire} + 1) * kOdd1;
  return {(client.hash(seed_) ^ by_wire) * kOdd2, client.hash(~seed_) ^ by_wire};
}

uint32_t LeaseTable::find_client(const ClientIdentity& client, uint32_t wire,
                                 const Digest& digest) const {
  return clients_.find(digest.a, [&](uint32_t number) {
    return scope_of(number).wire == wire && identity_of(number) == client;
  });
}

void LeaseTable::index_client(uint32_t number) {
  Slot& slot = slots_[number];
  const ClientIdentity client = identity_of(number);
  const uint32_t wire = scope_of(number).wire;
  const Digest d = digest(client, wire);
  if (const uint32_t other = find_client(client, wire, d); other != 0) {
    if (outlasts(other, number)) {
      end_binding(number, slots_[other].last_transaction);
      return;
    }
    unindex_client(other);
    end_binding(other, slot.last_transaction);
  }
  // Only after a reload that took away most of the addresses can it be full. Such a client keeps
  // its lease and may renew it; it is only not found by its identity.
  if (clients_.insert(d.a, number)) slot.set(Slot::kIndexed);
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
  clients_.erase(digest(identity_of(number), scope_of(number).wire).a, number);
  slots_[number].clear(Slot::kIndexed);
}

// --- free addresses -------------------------------------------------------------------------

uint32_t LeaseTable::front_of(uint32_t list) {
  for (uint32_t number = lists_.front(list); number != 0; number = lists_.front(list)) {
    if (!plan_->ours(address_of(number))) return number;
    unlist(number);  // became the server's own address after it was leased
  }
  return 0;
}

uint32_t LeaseTable::next_never_used(uint32_t scope_index) {
  ScopeState& state = scopes_[scope_index];
  const auto ranges = plan_->leasable(scope_index);
  for (; state.range < ranges.size(); ++state.range, state.offset = 0) {
    const AddressRange& range = ranges[state.range];
    for (; state.offset < range.size(); ++state.offset) {
      const Ipv4 address{range.first.value + static_cast<uint32_t>(state.offset)};
      const uint32_t number = place(plan_->scope(scope_index), address);
      const Slot& slot = slots_[number];
      if (slot.has(Slot::kRecorded) || slot.has(Slot::kListed) || slot.held()) continue;
      if (!plan_->ours(address)) return number;
    }
  }
  return 0;
}

uint32_t LeaseTable::longest_unused(uint32_t scope_index) {
  if (const uint32_t number = front_of(fresh_list(scope_index)); number != 0) return number;
  if (const uint32_t number = next_never_used(scope_index); number != 0) return number;
  return front_of(used_list(scope_index));
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
  lists_.push_back(fresh ? fresh_list(slot.scope_index) : used_list(slot.scope_index), number);
  slot.set(Slot::kListed);
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

// --- records --------------------------------------------------------------------------------

namespace {

size_t outside_size(const LeaseRecord& r) {
  const bool inside = r.hardware_address.size() + r.client_id.size() <= Slot::kIdBytes;
  return (inside ? 0 : r.client_id.size()) + r.hostname.size() + r.relay_info.size();
}

}  // namespace

LeaseTable::Room LeaseTable::take_room(uint32_t number, const LeaseRecord& record) {
  const size_t size = outside_size(record);
  const Slot& slot = slots_[number];
  if (size == 0) return {true, 0};
  if (slot.block != 0 && Arena::same_size(slot.outside_size(), size)) return {true, 0};
  const uint32_t block = arena_.take(size);
  return {block != 0, block};
}

void LeaseTable::give_back_room(const LeaseRecord& record, uint32_t block) {
  if (block != 0) arena_.give_back(block, outside_size(record));
}

// The record's views may lead into this very slot: everything is copied before anything is written.
void LeaseTable::store_bytes(Slot& slot, const LeaseRecord& record, uint32_t block) {
  uint8_t inside[Slot::kIdBytes] = {};
  uint8_t outside[Arena::kBlockBytesMax];
  size_t size = 0;
  const auto append = [&](Bytes field) {
    if (!field.empty()) std::memcpy(outside + size, field.data(), field.size());
    size += field.size();
  };
  const Bytes hardware = record.hardware_address;
  if (!hardware.empty()) std::memcpy(inside, hardware.data(), hardware.size());
  if (hardware.size() + record.client_id.size() > Slot::kIdBytes) {
    append(record.client_id);
  } else if (!record.client_id.empty()) {
    std::memcpy(inside + hardware.size(), record.client_id.data(), record.client_id.size());
  }
  append(record.hostname);
  append(record.relay_info);
  CHECK(size == outside_size(record), "what was measured is what is stored");

  const size_t old_size = slot.outside_size();
  const bool reuse = block == 0 && slot.block != 0 && size != 0 && Arena::same_size(old_size, size);
  if (!reuse) {
    if (slot.block != 0) arena_.give_back(slot.block, old_size);
    slot.block = block == 0 && size != 0 ? arena_.take(size) : block;
  }
  std::memcpy(slot.ids, inside, sizeof inside);
  slot.hardware_type = record.hardware_type;
  slot.hardware_size = static_cast<uint8_t>(hardware.size());
  slot.client_id_size = static_cast<uint8_t>(record.client_id.size());
  slot.hostname_size = static_cast<uint8_t>(record.hostname.size());
  slot.relay_info_size = static_cast<uint8_t>(record.relay_info.size());
  if (size == 0) return;
  if (slot.block != 0) {
    std::memcpy(arena_.data(slot.block), outside, size);
    return;
  }
  // Recovery after the configuration lost most of its addresses: the binding counts, not its names.
  if (!slot.client_id_inside()) slot.client_id_size = 0;
  slot.hostname_size = slot.relay_info_size = 0;
}

void LeaseTable::write(uint32_t number, const LeaseRecord& record, uint32_t block) {
  const Change change(*this, number);
  Slot& slot = slots_[number];
  const bool remembers = record.state == LeaseState::Active ||
                         record.state == LeaseState::Released ||
                         record.state == LeaseState::Expired;
  const ClientIdentity client = record.identity();
  const bool stays = slot.has(Slot::kIndexed) && remembers && identity_of(number) == client;
  if (!stays) unindex_client(number);
  if (slot.has(Slot::kCounted)) {
    --declines_[slot.decline_source];
    slot.clear(Slot::kCounted);
  }
  unlist(number);
  slot.clear(Slot::kPending);
  slot.set(Slot::kRecorded);
  record.bootp ? slot.set(Slot::kBootp) : slot.clear(Slot::kBootp);
  const bool nameless = client.id.empty();
  store_bytes(slot, record, block);
  const bool ends = record.state == LeaseState::Active || record.state == LeaseState::Declined;
  // A later end is found when the present place in the wheel comes up.
  if (slot.has(Slot::kScheduled) && (!ends || record.expiry < slot.expiry)) wheel_.remove(number);
  slot.state = record.state;
  slot.start = record.start;
  slot.expiry = record.expiry;
  slot.last_transaction = record.last_transaction;
  slot.sequence = record.sequence;
  if (remembers && !stays && !nameless) index_client(number);
  settle(number);
}

void LeaseTable::mark_counted(uint32_t number, uint16_t source) {
  slots_[number].decline_source = source;
  slots_[number].set(Slot::kCounted);
}

// --- recovery -------------------------------------------------------------------------------

void LeaseTable::restore(const LeaseRecord& record) {
  const Scope* scope = plan_->scope_of(record.address);
  if (scope == nullptr) {
    orphans.put(record);
    return;
  }
  const uint32_t number = place(*scope, record.address);
  const Slot& slot = slots_[number];
  if (slot.has(Slot::kRecorded) && record.sequence < slot.sequence) return;
  restoring_ = true;
  wheel_.start_at(record.last_transaction);
  write(number, record);
}

void LeaseTable::finish_restore() {
  if (!restoring_) return;
  restoring_ = false;
  const auto unused_since = [this](uint32_t number) {
    const Slot& s = slots_[number];
    return s.state == LeaseState::Expired ? s.expiry : s.last_transaction;
  };
  std::ranges::stable_sort(restored_free_, {}, unused_since);
  for (const uint32_t number : restored_free_) settle(number);
  restored_free_ = {};
  // Walks over what is in use now, at start, rather than in the first client's turn.
  for (uint32_t i = 0; i < scopes_.size(); ++i) next_never_used(i);
}

// --- time -----------------------------------------------------------------------------------

std::optional<uint32_t> LeaseTable::take_due(LeaseSeconds now, size_t& budget) {
  while (const auto number = wheel_.take_due(now, budget)) {
    if (!slots_[*number].has(Slot::kPending)) return number;
    wheel_.insert(*number, uint64_t{now} + 1);  // its own record is on the way
  }
  return std::nullopt;
}

void LeaseTable::shift_times(int64_t step_s) {
  wheel_.shift_time(step_s);
  for (size_t number = 0; number < slots_.size(); ++number) {
    if (!recorded_page(number / kPageSlots)) {
      number |= kPageSlots - 1;
      continue;
    }
    Slot& slot = slots_[number];
    slot.start = shifted(slot.start, step_s);
    slot.expiry = shifted(slot.expiry, step_s);
    slot.last_transaction = shifted(slot.last_transaction, step_s);
    if (slot.has(Slot::kScheduled)) {
      wheel_.insert(static_cast<uint32_t>(number), uint64_t{slot.expiry} + 1);
    }
  }
  orphans.shift_times(step_s);
}

// --- view -----------------------------------------------------------------------------------

LeaseTable::Use LeaseTable::use_of(const Slot& slot) const {
  if (slot.state == LeaseState::Active) return Use::Active;
  if (slot.state == LeaseState::Declined) return Use::Declined;
  if (slot.kind == AddressKind::Outside) return Use::None;
  if (slot.kind == AddressKind::Reserved) return Use::Reserved;
  if (slot.held()) return Use::Offered;
  return slot.state == LeaseState::Free ? Use::Free : Use::Remembered;
}

ScopeUse LeaseTable::use(uint32_t scope_index) const {
  const auto& counts = scopes_[scope_index].counts;
  const auto count = [&](Use use) { return counts[static_cast<size_t>(use)]; };
  ScopeUse use;
  use.active = count(Use::Active);
  use.free_ = count(Use::Free);
  use.offered = count(Use::Offered);
  use.declined = count(Use::Declined);
  use.reserved = count(Use::Reserved);
  use.expired_or_released = count(Use::Remembered);
  use.total =
      use.active + use.free_ + use.offered + use.declined + use.reserved + use.expired_or_released;
  return use;
}

size_t LeaseTable::memory_bytes() const {
  constexpr size_t kPageBytes = 4096;
  const size_t index_bytes = std::min(clients_.bytes_reserved(), clients_.size() * kPageBytes);
  return pages_touched_ * kPageSlots * sizeof(Slot) + index_bytes + arena_.bytes_touched() +
         orphans.memory_bytes();
}

}  // namespace hookline::lease
