// From a 64-bit keyed hash to a small number: the one hash table of the engine.
#pragma once

#include <cstdint>

#include "base/check.h"
#include "lease/lazy_array.h"

namespace hookline::lease {

// Open addressing with linear probing; deletion shifts back, so that no tombstones slow it down
// with age. An entry's home follows from its tag, so no key is read to move it. Several entries may
// have the same hash; the caller's predicate tells them apart. Values are 1 or more.
class Index {
 public:
  // Room for `entries_max`, at a load of at most two thirds. False: no address space.
  [[nodiscard]] bool reserve(size_t entries_max) {
    size_ = 0;
    return entries_.reserve(entries_max + entries_max / 2 + 9);
  }

  // The first value with this hash that `is_it` accepts; 0: none.
  template <class Predicate>
  uint32_t find(uint64_t hash, Predicate is_it) const {
    if (entries_.size() == 0) return 0;
    const uint32_t tag = tag_of(hash);
    for (size_t i = home(tag); entries_[i].value != 0; i = after(i)) {
      if (entries_[i].tag == tag && is_it(entries_[i].value)) return entries_[i].value;
    }
    return 0;
  }

  // False: it holds all that it was reserved for.
  bool insert(uint64_t hash, uint32_t value) {
    if (size_ + 8 >= entries_.size()) return false;
    const uint32_t tag = tag_of(hash);
    size_t i = home(tag);
    while (entries_[i].value != 0) i = after(i);
    entries_[i] = {value, tag};
    ++size_;
    return true;
  }

  void erase(uint64_t hash, uint32_t value) {
    size_t hole = home(tag_of(hash));
    while (entries_[hole].value != value) {
      CHECK(entries_[hole].value != 0, "what is erased was inserted");
      hole = after(hole);
    }
    for (size_t i = after(hole); entries_[i].value != 0; i = after(i)) {
      const size_t wanted = home(entries_[i].tag);
      // Entry i may fill the hole unless its home lies between the two.
      const bool stays = hole < i ? (hole < wanted && wanted <= i) : (hole < wanted || wanted <= i);
      if (stays) continue;
      entries_[hole] = entries_[i];
      hole = i;
    }
    entries_[hole] = {};
    --size_;
  }

  void prefetch(uint64_t hash) const {
    if (entries_.size() != 0) __builtin_prefetch(&entries_[home(tag_of(hash))]);
  }

  size_t size() const { return size_; }
  size_t bytes_reserved() const { return entries_.size() * sizeof(Entry); }

 private:
  struct Entry {
    uint32_t value;  // 0: empty
    uint32_t tag;
  };

  static uint32_t tag_of(uint64_t hash) { return static_cast<uint32_t>(hash >> 32); }
  size_t home(uint32_t tag) const { return (uint64_t{tag} * entries_.size()) >> 32; }
  size_t after(size_t i) const { return i + 1 == entries_.size() ? 0 : i + 1; }

  LazyArray<Entry> entries_;
  size_t size_ = 0;
};

}  // namespace hookline::lease
