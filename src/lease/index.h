// From a 64-bit keyed hash to a small number: the one hash table of the engine.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/limits.h"
#include "base/prefetch.h"
#include "lease/lazy_array.h"

namespace hookline::lease {

// Open addressing with linear probing; deletion shifts back, so that no tombstones slow it down
// with age. An entry's home follows from its tag, so no key is read to move it. Several entries may
// have the same hash; the caller's predicate tells them apart. Values are 1 or more.
//
// Its memory follows what is in it, not what could be: it starts small and doubles, and the entries
// move over a few at each insert(), so that no insert is a long one. All address space is reserved
// before.
class Index {
 public:
  // Empty, with room for `entries_max`. False: no address space.
  [[nodiscard]] bool reserve(size_t entries_max) {
    *this = Index();
    return reserve_more(entries_max);
  }

  // Room for more; what is in it stays. Copies everything when `entries_max` is more than twice
  // what was ever asked for. False: no address space, and nothing changed.
  [[nodiscard]] bool reserve_more(size_t entries_max) {
    if (entries_max <= entries_max_) return true;
    if (room_for(entries_max) > now_.array.size() && !move_house(entries_max)) return false;
    entries_max_ = entries_max;
    return true;
  }

  // The first value with this hash that `is_it` accepts; 0: none.
  template <class Predicate>
  uint32_t find(uint64_t hash, Predicate is_it) const {
    const uint32_t tag = tag_of(hash);
    const uint32_t value = now_.find(tag, is_it);
    return value != 0 || old_.size == 0 ? value : old_.find(tag, is_it);
  }

  // False: it holds all that it was reserved for.
  bool insert(uint64_t hash, uint32_t value) {
    if (size_ >= entries_max_) return false;
    if (old_.size == 0 && size_ + 8 >= now_.size / 3 * 2 && now_.size < room_for(entries_max_)) {
      std::swap(now_, old_);
      now_.size = std::min(room_for(entries_max_), old_.size * 2);
      moved_ = 0;
    }
    tend(8);
    now_.put({value, tag_of(hash)});
    ++size_;
    return true;
  }

  void erase(uint64_t hash, uint32_t value) {
    const uint32_t tag = tag_of(hash);
    Part* part = &now_;
    size_t at = now_.place_of(tag, value);
    if (at == kNowhere && old_.size != 0) {
      part = &old_;
      at = old_.place_of(tag, value);
    }
    CHECK(at != kNowhere, "what is erased was inserted");
    part->erase_at(at);
    --size_;
  }

  // Goes on moving to the larger table: `places` of the smaller one.
  void tend(size_t places) {
    if (old_.size == 0) return;
    for (; places > 0; --places) {
      const Entry entry = old_.array[moved_];
      if (entry.value != 0) {
        old_.erase_at(moved_);
        now_.put(entry);
      } else if (++moved_ == old_.size) {
        old_.size = 0;
        return;
      }
    }
  }

  void prefetch(uint64_t hash) const {
    const uint32_t tag = tag_of(hash);
    if (now_.size != 0) hookline::prefetch(&now_.array[now_.home(tag)]);
    if (old_.size != 0) hookline::prefetch(&old_.array[old_.home(tag)]);
  }

  size_t size() const { return size_; }
  // Of memory that is, or was, in use.
  size_t bytes_touched() const {
    return (now_.size + std::max(old_.size, now_.size / 2)) * sizeof(Entry);
  }

 private:
  struct Entry {
    uint32_t value;  // 0: empty
    uint32_t tag;
  };
  static constexpr size_t kNowhere = ~size_t{0};
  static constexpr size_t kPlacesMin = 64;
  static constexpr size_t kLargeBytes = size_t{16} << 20;

  struct Part {
    size_t home(uint32_t tag) const { return (uint64_t{tag} * size) >> 32; }
    size_t after(size_t i) const { return i + 1 == size ? 0 : i + 1; }

    template <class Predicate>
    uint32_t find(uint32_t tag, Predicate is_it) const {
      if (size == 0) return 0;
      for (size_t i = home(tag); array[i].value != 0; i = after(i)) {
        if (array[i].tag == tag && is_it(array[i].value)) return array[i].value;
      }
      return 0;
    }
    size_t place_of(uint32_t tag, uint32_t value) const {
      for (size_t i = home(tag); array[i].value != 0; i = after(i)) {
        if (array[i].value == value) return i;
      }
      return kNowhere;
    }
    void put(Entry entry) {
      size_t i = home(entry.tag);
      while (array[i].value != 0) i = after(i);
      array[i] = entry;
    }
    void erase_at(size_t hole) {
      for (size_t i = after(hole); array[i].value != 0; i = after(i)) {
        const size_t wanted = home(array[i].tag);
        // Entry i may fill the hole unless its home lies between the two.
        const bool stays =
            hole < i ? (hole < wanted && wanted <= i) : (hole < wanted || wanted <= i);
        if (stays) continue;
        array[hole] = array[i];
        hole = i;
      }
      array[hole] = {};
    }

    LazyArray<Entry> array;
    size_t size = 0;  // places in use of it
  };

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  // A load of at most two thirds.
  static size_t room_for(size_t entries) { return entries + entries / 2 + kPlacesMin; }

  bool move_house(size_t entries_max) {
    const size_t places = room_for(2 * entries_max);
    LazyArray<Entry> a, b;
    if (places * sizeof(Entry) >= kLargeBytes) {
      a.reserve_large(places, room_for(kReadyAddresses));
      b.reserve_large(places, room_for(kReadyAddresses));
    } else if (!a.reserve(places) || !b.reserve(places)) {
      return false;
    }
    while (old_.size != 0) tend(now_.size);
    if (now_.size == 0) {
      now_.size = kPlacesMin;
    } else {
      std::memcpy(a.data(), now_.array.data(), now_.size * sizeof(Entry));
    }
    now_.array = std::move(a);
    old_.array = std::move(b);
    return true;
  }

  Part now_;
  Part old_;          // empty but while its entries move to `now_`
  size_t moved_ = 0;  // places of `old_` that are done
  size_t size_ = 0;
  size_t entries_max_ = 0;
};

}  // namespace hookline::lease
