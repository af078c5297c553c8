// The active database: one slot for every address of every scope, found by address and by client.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lease/arena.h"
#include "lease/index.h"
#include "lease/offers.h"
#include "lease/orphans.h"
#include "lease/plan.h"
#include "lease/slot.h"
#include "lease/wheel.h"

namespace hookline::lease {

// Addresses of a scope, each counted once. `total` is their sum: what the ranges and reservations
// allow, and what is bound or in quarantine outside of them.
struct ScopeUse {
  uint64_t total = 0;
  uint64_t active = 0;
  uint64_t free_ = 0;                // never used, or nothing remembered
  uint64_t offered = 0;              // held by an offer or by a proposal that is not committed
  uint64_t declined = 0;             // in quarantine
  uint64_t reserved = 0;             // reserved, and neither active nor in quarantine
  uint64_t expired_or_released = 0;  // free, and remembered for its last client
};

inline constexpr uint64_t kScanDone = ~uint64_t{0};

// Packet thread only. Nothing here allocates after configure(), but for orphans.
//
// The client index leads to a client's latest binding on a wire. When it gets another one there,
// the earlier one ends at that time: it is due at once, and take_due() hands it out like any other.
class LeaseTable {
 public:
  // Empty, for this plan, which must outlive it.
  static Result<std::unique_ptr<LeaseTable>> make(const Plan& plan, uint64_t seed);

  // --- places
  // The slot of an address of this scope. Before it is held or written, place() must have been
  // called: it sets the slot's kind and scope, which makes its memory real.
  uint32_t number_of(const Scope& scope, Ipv4 address) const {
    return plan_->number_of(scope, address);
  }
  uint32_t place(const Scope& scope, Ipv4 address);
  AddressKind kind_of(const Scope& scope, uint32_t number) const {
    const AddressKind kind = slots_[number].kind;
    return kind != AddressKind::Unknown
               ? kind
               : plan_->kind_of(scope.index, plan_->address_of(scope.index, number));
  }
  const Slot& slot(uint32_t number) const { return slots_[number]; }
  const Scope& scope_of(uint32_t number) const { return plan_->scope(slots_[number].scope_index); }
  Ipv4 address_of(uint32_t number) const {
    return plan_->address_of(slots_[number].scope_index, number);
  }
  ClientIdentity identity_of(uint32_t number) const;
  // A view: good until the slot is written.
  LeaseRecord record_of(uint32_t number) const;

  // --- clients
  Digest digest(const ClientIdentity& client, uint32_t wire) const;
  // The slot of the client's latest binding on the wire, bound or remembered; 0: none.
  uint32_t find_client(const ClientIdentity& client, uint32_t wire, const Digest& digest) const;
  void prefetch_client(const Digest& digest) const { clients_.prefetch(digest.a); }

  // --- free addresses
  // The free address of the scope that is longest unused; never-used ones first. 0: none is free.
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
  uint64_t lease_count() const { return leases_ + orphans.size(); }
  size_t memory_bytes() const;

  Orphans orphans;

 private:
  enum class Use : uint8_t { None, Free, Active, Offered, Declined, Reserved, Remembered };
  static constexpr size_t kUses = 7;
  static constexpr uint64_t kFirstOrphan = uint64_t{1} << 32;
  static constexpr size_t kPageSlots = 64;

  struct ScopeState {
    size_t range = 0;     // of Plan::leasable(), where the never-used addresses go on
    uint64_t offset = 0;  // within that range
    std::array<uint64_t, kUses> counts{};
  };
  class Change;  // keeps the counts true across a change of a slot

  Result<void> reserve(uint64_t seed);
  static uint32_t fresh_list(uint32_t scope_index) { return Wheel::kHeads + 2 * scope_index; }
  static uint32_t used_list(uint32_t scope_index) { return Wheel::kHeads + 2 * scope_index + 1; }
  Use use_of(const Slot& slot) const;
  uint32_t front_of(uint32_t list);
  uint32_t next_never_used(uint32_t scope_index);
  void unlist(uint32_t number);
  void settle(uint32_t number);
  void store_bytes(Slot& slot, const LeaseRecord& record, uint32_t block);
  void index_client(uint32_t number);
  void unindex_client(uint32_t number);
  bool outlasts(uint32_t a, uint32_t b) const;
  void end_binding(uint32_t number, LeaseSeconds at);
  bool recorded_page(size_t page) const { return (pages_[page / 64] >> (page % 64) & 1) != 0; }

  const Plan* plan_ = nullptr;
  uint64_t seed_ = 0;
  LazyArray<Slot> slots_;
  LazyArray<uint64_t> pages_;  // a bit for each kPageSlots slots that were touched
  SlotLists lists_;
  Wheel wheel_;
  Index clients_;
  Arena arena_;
  std::vector<ScopeState> scopes_;
  LazyArray<uint16_t> declines_;  // by source
  bool restoring_ = false;
  std::vector<uint32_t> restored_free_;
  uint64_t leases_ = 0;
  size_t pages_touched_ = 0;
};

template <class Visitor>
uint64_t LeaseTable::scan(uint64_t cursor, size_t max, Visitor& visitor) const {
  size_t left = max;
  uint64_t number = cursor;
  while (number < slots_.size()) {
    if (!recorded_page(number / kPageSlots)) {
      number = (number / kPageSlots + 1) * kPageSlots;
      continue;
    }
    const Slot& s = slots_[number];
    if (s.has(Slot::kRecorded) && s.state != LeaseState::Free) {
      if (left == 0) return number;
      visitor(record_of(static_cast<uint32_t>(number)));
      --left;
    }
    ++number;
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
