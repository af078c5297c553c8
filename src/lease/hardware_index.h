// All leases of a hardware address, whoever the client says it is.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/prefetch.h"
#include "lease/chunked_array.h"
#include "lease/slot.h"

namespace hookline::lease {

// Chains of slots by a hash of their hardware address, linked both ways beside the slots: eight
// bytes a slot and a head for every few, never a walk to put one in or out, however many leases
// share an address. Reading walks a chain: at a million leases four slots of others on average.
class HardwareIndex {
 public:
  static constexpr size_t kHeads = size_t{1} << 18;

  [[nodiscard]] bool reserve() { return heads_.reserve(kHeads); }
  // As many numbers more as the slots get.
  [[nodiscard]] bool add(size_t count, bool dense) { return links_.add(count, dense); }
  void undo_add() { links_.undo_add(); }

  static uint32_t head_of(Bytes hardware, uint64_t seed) {
    return static_cast<uint32_t>(hash_bytes(hardware, seed ^ kOwnHash) % kHeads);
  }
  void prefetch(uint32_t head) const { hookline::prefetch_to_write(&heads_[head]); }

  void prefetch_first(uint32_t head) const {
    if (const uint32_t number = heads_[head]; number != 0)
      hookline::prefetch_to_write(&links_[number]);
  }

  void insert(uint32_t head, uint32_t number) {
    const uint32_t next = heads_[head];
    links_[number] = {next, 0};
    if (next != 0) links_[next].previous = number;
    heads_[head] = number;
    ++size_;
  }
  void erase(uint32_t head, uint32_t number) {
    const Link link = links_[number];
    (link.previous == 0 ? heads_[head] : links_[link.previous].next) = link.next;
    if (link.next != 0) links_[link.next].previous = link.previous;
    links_[number] = {};
    --size_;
  }

  // Those of one chain, the latest inserted first; 0: no more. Whether the hardware address is the
  // one that was meant is the caller's to see.
  uint32_t first(uint32_t head) const { return heads_[head]; }
  uint32_t next(uint32_t number) const { return links_[number].next; }

  size_t size() const { return size_; }

 private:
  struct Link {
    uint32_t next;
    uint32_t previous;  // 0: the head
  };
  static constexpr uint64_t kOwnHash = 0x4d41434d41434d41ULL;

  LazyArray<uint32_t> heads_;
  ChunkedArray<Link> links_;
  size_t size_ = 0;
};

}  // namespace hookline::lease
