// The active database: one slot for every address of every scope, found by address and by client.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/prefetch.h"
#include "lease/arena.h"
#include "lease/hardware_index.h"
#include "lease/index.h"
#include "lease/offers.h"
#include "lease/orphans.h"
#include "lease/plan_change.h"
#include "lease/slot.h"
#include "lease/wheel.h"

namespace hookline::lease {

// Addresses of a scope, each counted once. `total` is what its ranges and reservations allow, and
// the sum of all others but `outside`.
struct ScopeUse {
  uint64_t total = 0;
  uint64_t active = 0;
  uint64_t free_ = 0;     // never used, or nothing remembered
  uint64_t offered = 0;   // held by an offer or by a proposal that is not committed
  uint64_t declined = 0;  // in quarantine
  uint64_t reserved = 0;  // reserved, and neither active nor in quarantine
  uint64_t released = 0;  // free, and remembered for its last client, which gave it back
  uint64_t expired = 0;   // the same, ran out
  uint64_t outside = 0;   // active or in quarantine, but no client could get it any more
};

// Records by LeaseState; those of Free are none.
using LeaseCounts = std::array<uint64_t, kLeaseStateCount>;

inline constexpr uint64_t kScanDone = ~uint64_t{0};

// Each subnet has a run of slots, which stays while the subnet does, whatever else a reload
// changes; only what the reload changes of its addresses is looked at again, a few at a time by
// settle_some(). The run of a scope that went stays with its leases until they have run out and a
// later reload drops it, and is the scope's again when that comes back.
//
// Packet thread only. Nothing here allocates after adopt(), but for orphans.
//
// The client index leads to a client's latest binding on a wire. When it gets another one there,
// the earlier one ends at that time: it is due at once, and take_due() hands it out like any other.
class LeaseTable {
 public:
  // Empty, for this plan, which must outlive it or the next adopt().
  static Result<std::unique_ptr<LeaseTable>> make(Plan& plan, uint64_t seed);

  // The plan changes: places its scopes. After an error nothing has changed. What changes of single
  // addresses follows by settle_some(), and is answered right meanwhile.
  Result<void> adopt(Plan& plan, const PlanChange& change);
  // Looks at `slots` more that a reload may have changed. False: no more are left.
  bool settle_some(size_t slots);
  // Whether so much belongs to scopes that went that a new table were better.
  bool wants_rebuild(const Plan& plan) const;
  // Whether the address may still be offered after adopt().
  bool may_be_offered(uint32_t number) const;

  // --- places
  // The slot of an address of this scope. Before it is held or written, place() must have been
  // called: it sets the slot's kind and scope, which makes its memory real.
  uint32_t number_of(const Scope& scope, Ipv4 address) const {
    return plan_->number_of(scope, address);
  }
  uint32_t place(const Scope& scope, Ipv4 address);
  // The slot of an address of any scope, of one that went only if it has a record; 0: none.
  uint32_t find_place(Ipv4 address) const;
  // A place that was looked for and is not needed after all.
  void let_go(uint32_t number);
  AddressKind kind_of(const Scope& scope, uint32_t number) const {
    const AddressKind kind = slots_[number].kind;
    return kind != AddressKind::Unknown && !may_be_stale(number)
               ? kind
               : plan_->kind_of(scope.index, plan_->address_of(scope.index, number));
  }
  const Slot& slot(uint32_t number) const { return slots_[number]; }
  // nullptr: it went.
  const Scope* scope_or_none(uint32_t number) const {
    const uint32_t index = run_of(number).scope_index;
    return index == kNoScope ? nullptr : &plan_->scope(index);
  }
  // REQUIRES: its scope is there.
  const Scope& scope_of(uint32_t number) const { return plan_->scope(run_of(number).scope_index); }
  Ipv4 address_of(uint32_t number) const {
    const Run& run = run_of(number);
    return {run.subnet.base.value + (number - run.first)};
  }
  ClientIdentity identity_of(uint32_t number) const;
  // A view: good until the slot is written.
  LeaseRecord record_of(uint32_t number) const;

  // --- clients
  Digest digest(const ClientIdentity& client, uint32_t wire) const {
    return digest_of(client, wire_ids_[wire]);
  }
  // The slot of the client's latest binding on the wire, bound or remembered; 0: none.
  uint32_t find_client(const ClientIdentity& client, uint32_t wire, const Digest& digest) const;
  // Ask for the memory that a decision will look at; each of the second pair once the first has
  // what it asked for.
  void prefetch_client(const Digest& digest) const { clients_.prefetch(digest.a); }
  void prefetch_hardware(Bytes hardware) const { hardware_.prefetch(hardware_head(hardware)); }
  void prefetch_client_slot(const Digest& digest) const {
    prefetch_slot(clients_.find(digest.a, [](uint32_t) { return true; }));
  }
  void prefetch_hardware_chain(Bytes hardware) const {
    hardware_.prefetch_first(hardware_head(hardware));
  }
  void prefetch_slot(uint32_t number) const {
    if (number != 0) hookline::prefetch_to_write(&slots_[number]);
  }
  // The slots of a hardware address, the latest bound first, of at most `max`. False: there may be
  // more.
  template <class Visitor>  // void(uint32_t number)
  bool visit_hardware(Bytes hardware, size_t max, Visitor&& visitor) const;
  // The slots of a client's latest binding on each wire.
  template <class Visitor>  // void(uint32_t number)
  void visit_client(const ClientIdentity& client, Visitor&& visitor) const;

  // --- free addresses
  // The free address of the scope that is longest unused; never-used ones first. 0: none is free.
  //
  // Unused since it last became free: its lease or its offer ended, or a reload brought it back. So
  // what stays free over a reload keeps its place, and what a reload brings back comes after that:
  // first the orphans, and what lay in another subnet, in order of their last use; then the others
  // as they are looked at again, by address. (To sort these would hold up the packets.) A restart
  // and a new table put everything in order of its last use.
  uint32_t longest_unused(uint32_t scope_index);
  // Takes it out of the free addresses until unhold().
  void hold_for_offer(uint32_t number, uint32_t offer);
  void hold_for_record(uint32_t number);
  void unhold(uint32_t number, Slot::Flag held_by);

  // --- records
  struct Room {
    bool ok = false;
    uint32_t block = 0;
  };
  // Makes sure that write() of this record will find room in the arena. Not ok: there is none.
  Room take_room(uint32_t number, const LeaseRecord& record);
  void give_back_room(const LeaseRecord& record, uint32_t block);
  // The record is the truth now; ends kPending. `block`: what take_room() gave.
  void write(uint32_t number, const LeaseRecord& record, uint32_t block = 0);

  // --- declines
  size_t declines_of(uint16_t source) const { return declines_[source]; }
  void count_decline(uint16_t source) { ++declines_[source]; }
  void uncount_decline(uint16_t source) { --declines_[source]; }
  // The quarantine of this slot is one that was counted: uncounted when it ends.
  void mark_counted(uint32_t number, uint16_t source);

  // --- recovery
  // A record of an earlier run or configuration; the later sequence wins.
  void restore(const LeaseRecord& record);
  // Ends the recovery: puts what is free in order of its last use.
  void finish_restore();

  // --- time
  void start_at(LeaseSeconds now) { wheel_.start_at(now); }
  // A lease or quarantine that is over and not pending.
  std::optional<uint32_t> take_due(LeaseSeconds now, size_t& budget);
  LeaseSeconds next_due() const { return wheel_.next_due(); }
  // All times, the wheel's own, too, go by `step_s`.
  void shift_times(int64_t step_s);

  // --- view
  // Slots with a record other than Free, ascending from `cursor`, at most `max`; then orphans.
  template <class Visitor>
  uint64_t scan(uint64_t cursor, size_t max, Visitor& visitor) const;
  ScopeUse use(uint32_t scope_index) const;
  uint64_t lease_count() const;
  LeaseCounts lease_counts() const;
  size_t memory_bytes() const;

  Orphans orphans;

 private:
  enum class Use : uint8_t {
    None,
    Free,
    Active,
    Offered,
    Declined,
    Reserved,
    Released,
    Expired,
    Outside
  };
  static constexpr size_t kUses = 9;
  static constexpr uint64_t kFirstOrphan = uint64_t{1} << 32;
  static constexpr uint32_t kNoScope = 0xFFFFFFFF;
  using Chunks = ChunkedArray<Slot>;

  struct Run {
    Prefix subnet;
    uint32_t first = 0;  // number of the subnet's first address
    uint32_t scope_index = kNoScope;
    uint32_t scope_key = 0;   // of the last scope
    uint32_t wire_id = 0;     // under which its clients are in the index
    bool other_wire = false;  // since the last adopt()
    uint64_t unused = 0;      // offset of the first address that may never have been placed
    std::array<uint64_t, kUses> counts{};
    LeaseCounts leases{};
  };
  struct Stale {  // slots whose kind may not be what the plan says
    uint32_t first;
    uint32_t last;
  };
  class Change;  // keeps the counts true across a change of a slot

  // table.cc
  static uint32_t fresh_list(uint32_t run) { return Wheel::kHeads + 2 * run; }
  static uint32_t used_list(uint32_t run) { return Wheel::kHeads + 2 * run + 1; }
  uint32_t run_index(uint32_t number) const { return chunk_runs_[number >> Chunks::kChunkBits]; }
  Run& run_of(uint32_t number) { return runs_[run_index(number)]; }
  const Run& run_of(uint32_t number) const { return runs_[run_index(number)]; }
  bool placed(uint32_t number) const { return (placed_[number / 64] >> (number % 64) & 1) != 0; }
  uint32_t first_not_placed(uint32_t first, uint32_t last) const;
  static Use use_of_kind(AddressKind kind);
  static Use use_of(const Slot& slot);
  uint32_t front_of(uint32_t list);
  uint32_t next_never_used(uint32_t run_index);
  void unlist(uint32_t number);
  void settle(uint32_t number);
  Digest digest_of(const ClientIdentity& client, uint32_t wire_id) const;
  // The first half of the digest: what the index of clients goes by.
  uint64_t hash_of(const ClientIdentity& client, uint32_t wire_id) const;
  uint64_t client_hash(uint32_t number) const;
  uint32_t find_by_hash(const ClientIdentity& client, uint32_t wire_id, uint64_t hash) const;
  void index_client(uint32_t number, uint64_t hash);
  void unindex_client(uint32_t number);
  bool outlasts(uint32_t a, uint32_t b) const;
  void end_binding(uint32_t number, LeaseSeconds at);

  // table_records.cc
  void store_bytes(Slot& slot, const LeaseRecord& record, uint32_t block);
  static bool has_hardware(const Slot& slot) {
    return slot.state != LeaseState::Free && slot.hardware_size != 0;
  }
  uint32_t hardware_head(Bytes hardware) const { return HardwareIndex::head_of(hardware, seed_); }

  // table_reload.cc
  Result<void> reserve_for(const Plan& plan, size_t new_slots);
  std::vector<uint32_t> match_runs(const Plan& plan) const;
  void add_runs(const Plan& plan, std::vector<uint32_t>& scope_runs);
  void assign_wires(const Plan& plan, const std::vector<Run>& before);
  void apply_kinds(uint32_t run_index, const std::vector<KindChange>& kinds);
  void take_over_records(const std::vector<Run>& before);
  void move_record(uint32_t number);
  void take_orphans(const Prefix& subnet);
  void reindex_clients(uint32_t run_index, uint32_t wire_id);
  uint64_t placed_between(uint32_t first, uint32_t last) const;
  template <class Visitor>  // void(uint32_t number)
  void visit_placed(uint32_t first, uint32_t last, Visitor&& visitor) const;
  bool may_be_stale(uint32_t number) const {
    return !stale_.empty() && number <= stale_.back().last && is_stale(number);
  }
  bool is_stale(uint32_t number) const;
  void refresh(uint32_t number);

  const Plan* plan_ = nullptr;
  uint64_t seed_ = 0;
  Slots slots_;
  std::vector<uint64_t> placed_;      // a bit for each number: its memory is real
  std::vector<uint16_t> chunk_runs_;  // by chunk of numbers
  std::vector<Run> runs_;
  std::vector<uint32_t> scope_runs_;  // by scope
  std::vector<uint32_t> wire_ids_;    // by wire of the plan
  uint32_t wire_ids_end_ = 1;
  std::vector<Stale> stale_;  // ascending
  size_t stale_done_ = 0;     // of them
  SlotLists lists_;
  Wheel wheel_;
  Index clients_;
  HardwareIndex hardware_;
  Arena arena_;
  LazyArray<uint16_t> declines_;  // by source
  bool restoring_ = false;
  std::vector<uint32_t> restored_free_;
  size_t pages_touched_ = 0;
};

template <class Visitor>
bool LeaseTable::visit_hardware(Bytes hardware, size_t max, Visitor&& visitor) const {
  uint32_t number = hardware_.first(hardware_head(hardware));
  for (; number != 0 && max > 0; number = hardware_.next(number), --max) {
    const Slot& s = slots_[number];
    if (equal(Bytes(s.ids, s.hardware_size), hardware)) visitor(number);
  }
  return number == 0;
}

template <class Visitor>
void LeaseTable::visit_client(const ClientIdentity& client, Visitor&& visitor) const {
  for (uint32_t wire = 0; wire < wire_ids_.size(); ++wire) {
    const uint32_t number = find_client(client, wire, digest(client, wire));
    if (number != 0) visitor(number);
  }
}

template <class Visitor>
void LeaseTable::visit_placed(uint32_t first, uint32_t last, Visitor&& visitor) const {
  for (uint64_t at = first; at <= last;) {
    const uint64_t word = placed_[at / 64] >> (at % 64);
    if (word == 0) {
      at = (at / 64 + 1) * 64;
      continue;
    }
    at += static_cast<uint64_t>(std::countr_zero(word));
    if (at > last) return;
    visitor(static_cast<uint32_t>(at));
    ++at;
  }
}

template <class Visitor>
uint64_t LeaseTable::scan(uint64_t cursor, size_t max, Visitor& visitor) const {
  size_t left = max;
  for (uint64_t at = cursor; at < slots_.end();) {
    const uint64_t word = placed_[at / 64] >> (at % 64);
    if (word == 0) {
      at = (at / 64 + 1) * 64;
      continue;
    }
    at += static_cast<uint64_t>(std::countr_zero(word));
    const Slot& s = slots_[at];
    if (s.has(Slot::kRecorded) && s.state != LeaseState::Free) {
      if (left == 0) return at;
      visitor(record_of(static_cast<uint32_t>(at)));
      --left;
    }
    ++at;
  }
  uint64_t next = kScanDone;
  const uint64_t from = cursor < kFirstOrphan ? 0 : cursor - kFirstOrphan;
  orphans.visit({static_cast<uint32_t>(from)}, [&](const LeaseRecord& record) {
    if (left == 0) {
      next = kFirstOrphan + record.address.value;
      return false;
    }
    visitor(record);
    --left;
    return true;
  });
  return next;
}

}  // namespace hookline::lease
