// The parts of the table, each against something simple.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>
#include <unordered_map>

#include "lease/arena.h"
#include "lease/index.h"
#include "lease/offers.h"
#include "lease/wheel.h"

namespace hookline::lease {
namespace {

RC_GTEST_PROP(Index, IsAMap, (const std::vector<std::pair<uint8_t, bool>>& steps)) {
  Index index;
  RC_ASSERT(index.reserve(64));
  std::map<uint32_t, uint64_t> model;  // value to hash
  for (const auto& [key, insert] : steps) {
    const uint32_t value = key % 48 + 1u;
    // Few distinct homes: long runs, shared hashes, wrap-around.
    const uint64_t hash = (uint64_t{value % 5} << 62) | (value % 3 == 0 ? 0xFFFFFFFFull << 32 : 0);
    if (insert && !model.contains(value)) {
      RC_ASSERT(index.insert(hash, value));
      model[value] = hash;
    } else if (!insert && model.contains(value)) {
      index.erase(hash, value);
      model.erase(value);
    }
    RC_ASSERT(index.size() == model.size());
    for (const auto& entry : model) {
      const uint32_t v = entry.first;
      RC_ASSERT(index.find(entry.second, [&](uint32_t found) { return found == v; }) == v);
    }
    RC_ASSERT(index.find(hash, [](uint32_t) { return false; }) == 0);
  }
}

// Through several doublings, and while entries still move.
RC_GTEST_PROP(Index, GrowsWithoutLosingAny, (const std::vector<uint16_t>& steps)) {
  Index index;
  RC_ASSERT(index.reserve(10));
  RC_ASSERT(index.reserve_more(5000));
  std::set<uint32_t> model;
  const auto hash = [](uint32_t value) { return value * 0x9e3779b97f4a7c15ull; };
  for (const uint16_t step : steps) {
    for (uint32_t value = step; value < step + 60u; ++value) {
      if (model.contains(value + 1)) {
        index.erase(hash(value + 1), value + 1);
        model.erase(value + 1);
      } else if (model.size() < 5000) {
        RC_ASSERT(index.insert(hash(value + 1), value + 1));
        model.insert(value + 1);
      }
    }
    RC_ASSERT(index.size() == model.size());
    for (const uint32_t v : model) {
      RC_ASSERT(index.find(hash(v), [&](uint32_t found) { return found == v; }) == v);
    }
  }
  RC_ASSERT(index.reserve_more(20000));
  for (const uint32_t v : model) {
    RC_ASSERT(index.find(hash(v), [&](uint32_t found) { return found == v; }) == v);
  }
}

TEST(Index, MemoryFollowsWhatIsInIt) {
  Index index;
  ASSERT_TRUE(index.reserve(1'000'000));
  for (uint32_t n = 1; n <= 1000; ++n) {
    ASSERT_TRUE(index.insert(n * 0x9e3779b97f4a7c15ull, n));
  }
  EXPECT_LT(index.bytes_touched(), 64u * 1024);
}

TEST(Index, SaysWhenItIsFull) {
  Index index;
  ASSERT_TRUE(index.reserve(10));
  uint32_t n = 0;
  while (index.insert(n * 0x9e3779b97f4a7c15ull, n + 1)) ASSERT_LT(++n, 100u);
  EXPECT_GE(n, 10u);
}

RC_GTEST_PROP(Arena, BlocksDoNotOverlap, (const std::vector<std::pair<uint16_t, bool>>& steps)) {
  Arena arena;
  RC_ASSERT(arena.reserve_more(16 * 1024));
  std::map<uint32_t, size_t> taken;  // block to size
  for (const auto& [n, take] : steps) {
    const size_t size = n % Arena::kBlockBytesMax + 1;
    if (take) {
      const uint32_t block = arena.take(size);
      if (block == 0) continue;
      RC_ASSERT(!taken.contains(block));
      std::memset(arena.data(block), static_cast<int>(block & 255), size);
      taken[block] = size;
    } else if (!taken.empty()) {
      const auto it = taken.begin();
      for (size_t i = 0; i < it->second; ++i) {
        RC_ASSERT(arena.data(it->first)[i] == (it->first & 255));
      }
      arena.give_back(it->first, it->second);
      taken.erase(it);
    }
  }
  for (const auto& [block, size] : taken) {
    for (size_t i = 0; i < size; ++i) RC_ASSERT(arena.data(block)[i] == (block & 255));
  }
}

TEST(Arena, SaysWhenItIsFullAndReuses) {
  Arena arena;
  ASSERT_TRUE(arena.reserve_more(2048));
  const uint32_t a = arena.take(1000);
  const uint32_t b = arena.take(1000);
  EXPECT_NE(a, 0u);
  EXPECT_NE(b, 0u);
  EXPECT_EQ(arena.take(1000), 0u);
  EXPECT_EQ(arena.take(1), 0u);
  arena.give_back(a, 1000);
  EXPECT_EQ(arena.take(600), a);
}

// Every slot comes out once, never early, and not later than the next look after its time.
RC_GTEST_PROP(Wheel, ComesUpInTime,
              (const std::vector<std::tuple<uint32_t, uint8_t, bool>>& steps)) {
  Slots slots;
  SlotLists lists;
  Wheel wheel;
  RC_ASSERT(slots.add(Slots::kChunk));
  lists.reset(&slots, Wheel::kHeads);
  wheel.reset(&slots, &lists);
  LeaseSeconds now = 1'800'000'000;
  wheel.start_at(now);
  std::map<uint32_t, LeaseSeconds> model;
  for (const auto& [span, n, remove] : steps) {
    const uint32_t number = Slots::kChunk + n;
    // Spans of all sizes: seconds to years.
    const uint32_t time_span = (span >> (span % 29)) % 200'000'000;
    if (remove) {
      now += time_span % (n % 2 == 0 ? 3 : 1'000'000);
      const LeaseSeconds promised = wheel.next_due();
      size_t budget = 1'000'000;
      while (const auto due = wheel.take_due(now, budget)) {
        RC_ASSERT(model.contains(*due));
        RC_ASSERT(model[*due] < now);
        RC_ASSERT(promised != 0 && promised <= uint64_t{model[*due]} + 1);
        model.erase(*due);
      }
      for (const auto& [left, expiry] : model) RC_ASSERT(expiry >= now);
      if (model.contains(number) && n % 3 == 0) {
        wheel.remove(number);
        model.erase(number);
      }
    } else if (model.contains(number)) {
      slots[number].expiry += time_span;  // renewed: it stays where it is
      model[number] += time_span;
    } else {
      slots[number].expiry = now + time_span;
      model[number] = now + time_span;
      wheel.insert(number, uint64_t{now} + time_span + 1);
    }
  }
}

TEST(Wheel, AMassExpiryComesInSlices) {
  constexpr uint32_t kLeases = 100'000;
  Slots slots;
  SlotLists lists;
  Wheel wheel;
  ASSERT_TRUE(slots.add(kLeases));
  lists.reset(&slots, Wheel::kHeads);
  wheel.reset(&slots, &lists);
  wheel.start_at(1000);
  for (uint32_t i = Slots::kChunk; i < Slots::kChunk + kLeases; ++i) {
    slots[i].expiry = 100'000;
    wheel.insert(i, 100'001);
  }
  uint32_t out = 0;
  for (int turns = 0; out < kLeases; ++turns) {
    ASSERT_LT(turns, 1000);
    size_t budget = 1024;
    while (wheel.take_due(100'001, budget)) ++out;
    ASSERT_LE(budget, 1024u);
  }
  EXPECT_EQ(wheel.next_due(), 0u);
}

// kOffersMax, and who gives way.
TEST(Offers, TheSourceThatHoldsMostGivesWay) {
  Offers offers;
  ASSERT_TRUE(offers.reserve());
  const auto client = [](uint64_t n) { return Digest{n * 0x9e3779b97f4a7c15ull, n}; };
  offers.add(client(1), 1, /*source=*/7, 100);
  for (uint32_t n = 2; n <= kOffersMax; ++n) {
    ASSERT_EQ(offers.to_evict(), 0u);
    offers.add(client(n), n, /*source=*/9, 100 + n);
  }
  EXPECT_EQ(offers.client(offers.to_evict()), client(2));
  offers.extend(offers.find(client(2)), 10'000'000);
  EXPECT_EQ(offers.client(offers.to_evict()), client(3));
  EXPECT_EQ(offers.client(offers.first_over(100)), client(1));
  EXPECT_EQ(offers.first_over(99), 0u);
  offers.clear();
  EXPECT_EQ(offers.size(), 0u);
  EXPECT_EQ(offers.find(client(1)), 0u);
  EXPECT_EQ(offers.to_evict(), 0u);
}

}  // namespace
}  // namespace hookline::lease
