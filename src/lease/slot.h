// The place of one address, and the lists that run through places.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "lease/chunked_array.h"
#include "line/lease.h"

namespace hookline::lease {

// A time after the lease clock went by `step_s`. "Never" and "infinite" stay what they are.
inline LeaseSeconds shifted(LeaseSeconds time, int64_t step_s) {
  if (time == 0 || time == kLeaseTimeInfinite) return time;
  return static_cast<LeaseSeconds>(
      std::clamp<int64_t>(time + step_s, 1, int64_t{kLeaseTimeInfinite} - 1));
}

// What the configuration says of an address.
enum class AddressKind : uint8_t {
  Unknown,   // not looked up yet
  Leasable,  // in a range, not excluded, not reserved
  Reserved,  // of a reservation
  Outside,   // in the subnet, but neither: nobody gets it any more
};

// One cache line. All zero: an address that was never used. The hardware address and a short client
// identifier lie in `ids`; what does not fit lies in the arena (arena.h), in the order client
// identifier, hostname, option 82.
struct Slot {
  static constexpr size_t kIdBytes = 22;

  enum Flag : uint8_t {
    kRecorded = 1,   // has a record: not "never used" any more
    kPending = 2,    // a record for it is not committed yet
    kOffered = 4,    // an offer holds it: `next` is the offer's number
    kScheduled = 8,  // linked into the wheel
    kListed = 16,    // linked into a list of free addresses
    kIndexed = 32,   // the client index leads here
    kBootp = 64,     // bound by BOOTP
    kCounted = 128,  // counts against the limit of declines of its source
  };

  uint32_t next;
  uint32_t previous;
  LeaseSeconds expiry;
  LeaseSeconds start;
  LeaseSeconds last_transaction;
  uint32_t block;  // in the arena; 0: none
  uint64_t sequence;
  uint16_t decline_source;
  LeaseState state;
  uint8_t flags;
  AddressKind kind;
  uint8_t hardware_type;
  uint8_t hardware_size;
  uint8_t client_id_size;
  uint8_t hostname_size;
  uint8_t relay_info_size;
  uint8_t ids[kIdBytes];

  bool has(Flag flag) const { return (flags & flag) != 0; }
  void set(Flag flag) { flags = static_cast<uint8_t>(flags | flag); }
  void clear(Flag flag) { flags = static_cast<uint8_t>(flags & ~flag); }
  bool client_id_inside() const { return size_t{hardware_size} + client_id_size <= kIdBytes; }
  // Bytes in the arena.
  size_t outside_size() const {
    return (client_id_inside() ? 0u : client_id_size) + size_t{hostname_size} + relay_info_size;
  }
  bool bound() const { return state == LeaseState::Active; }
  bool held() const { return has(kOffered) || has(kPending); }
};
static_assert(sizeof(Slot) == 64);

using Slots = ChunkedArray<Slot>;

// Circular doubly linked lists through the slots' links. The heads have numbers of their own, so
// that a slot leaves its list without knowing which one it is in. Slot 0 is never used.
class SlotLists {
 public:
  void reset(Slots* slots, size_t heads) {
    slots_ = slots;
    heads_.clear();
    grow(heads);
  }
  // More heads; the lists stay as they are.
  void grow(size_t heads) {
    for (auto i = static_cast<uint32_t>(heads_.size()); i < heads; ++i) {
      heads_.push_back({i | kHead, i | kHead});
    }
  }

  // The list is empty; what was in it keeps its links, for the caller to list again.
  void forget(uint32_t head) { heads_[head] = {head | kHead, head | kHead}; }

  bool empty(uint32_t head) const { return heads_[head].next == (head | kHead); }
  // The longest in the list; 0: it is empty.
  uint32_t front(uint32_t head) const {
    return (heads_[head].next & kHead) != 0 ? 0 : heads_[head].next;
  }
  void push_back(uint32_t head, uint32_t number) {
    const uint32_t last = heads_[head].previous;
    Slot& slot = (*slots_)[number];
    slot.next = head | kHead;
    slot.previous = last;
    next(last) = number;
    heads_[head].previous = number;
  }
  void remove(uint32_t number) {
    Slot& slot = (*slots_)[number];
    next(slot.previous) = slot.next;
    previous(slot.next) = slot.previous;
    slot.next = slot.previous = 0;
  }

 private:
  static constexpr uint32_t kHead = 0x80000000;
  struct Link {
    uint32_t next;
    uint32_t previous;
  };

  uint32_t& next(uint32_t i) {
    return (i & kHead) != 0 ? heads_[i & ~kHead].next : (*slots_)[i].next;
  }
  uint32_t& previous(uint32_t i) {
    return (i & kHead) != 0 ? heads_[i & ~kHead].previous : (*slots_)[i].previous;
  }

  Slots* slots_ = nullptr;
  std::vector<Link> heads_;
};

}  // namespace hookline::lease
