// Nothing allocates after configure(), whatever the requests are; and a lease costs what it may.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "lease/testing.h"

namespace {
size_t allocations = 0;
}

// A sanitizer has an allocator of its own, which must not be cut in two: nothing is counted there.
#ifndef HOOKLINE_SANITIZED
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t size, std::align_val_t align) {
  ++allocations;
  const auto a = static_cast<size_t>(align);
  if (void* p = std::aligned_alloc(a, (size + a - 1) / a * a)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
#endif

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

std::shared_ptr<Config> pool(std::string_view subnet, std::string_view first,
                             std::string_view last) {
  return make_config({make_scope("pool", subnet, {range(first, last)})});
}

// A batch of the same message of many clients, through the engine and, if it is durable, its
// journal. Only the engine's own work is counted.
class Lane {
 public:
  explicit Lane(World& world) : world_(world) {}

  template <class MakeAsk>
  void run(uint32_t first_client, uint32_t count, MakeAsk make_ask) {
    for (uint32_t done = 0; done < count; done += kTurnPacketsMax) {
      Batch<Request> batch;
      const uint32_t n = std::min<uint32_t>(count - done, kTurnPacketsMax);
      for (uint32_t i = 0; i < n; ++i)
        batch.push(world_.request(make_ask(first_client + done + i)));
      const size_t before = allocations;
      Proposed p = world_.engine.propose(std::move(batch), world_.now());
      Batch<Committed> committed;
      for (Proposal& d : p.durable) {
        d.packet().grant.record.sequence = ++world_.sequence;
        committed.push(store::Journal::make(std::move(d)));
      }
      for (const Committed& c : committed) world_.engine.apply(c);
      engine_allocations += allocations - before;
      granted += committed.size();
      offered += p.immediate.size();
      for (Committed& c : committed) world_.complete(std::move(c).release());
      for (Immediate& i : p.immediate) world_.complete(std::move(i).release());
      for (Request& r : p.deferred) world_.complete(std::move(r).release());
    }
  }

  size_t engine_allocations = 0;
  size_t granted = 0;
  size_t offered = 0;

 private:
  World& world_;
};

TEST(Allocation, NoneAfterConfigure) {
  World w(pool("10.0.0.0/18", "10.0.0.10", "10.0.63.250"));
  Lane lane(w);
  const auto discover = [](uint32_t c) {
    Ask ask = Ask(MessageType::Discover).client(c).client_id("ff00112233445566778899aabbccddee00");
    ask.options[0].second[5] = static_cast<uint8_t>(c);
    ask.options[0].second[6] = static_cast<uint8_t>(c >> 8);
    ask.option(option::kHostName, std::vector<uint8_t>(c % 200, 'h'));
    return ask;
  };
  const auto at_once = [&](uint32_t c) {
    return discover(c).option(option::kRapidCommit, std::vector<uint8_t>{});
  };
  const auto release = [&](uint32_t c) {
    Ask ask = discover(c);
    ask.type = MessageType::Release;
    return ask.ciaddr(Ipv4{ip("10.0.0.10").value + c});
  };
  for (int round = 0; round < 3; ++round) {
    lane.run(0, 4000, discover);
    lane.run(0, 8000, at_once);
    lane.run(0, 3000, release);
    w.time_s += 3601;
    std::vector<LeaseRecord> out(256);
    const size_t before = allocations;
    for (int i = 0; i < 64; ++i) {
      const size_t n = w.engine.take_expired(w.now(), out);
      for (size_t k = 0; k < n; ++k) w.engine.apply(out[k]);
    }
    lane.engine_allocations += allocations - before;
  }
  EXPECT_GT(lane.granted, 25000u);
  EXPECT_EQ(lane.engine_allocations, 0u);
}

// The bound: 128 bytes a lease, all in, with hardware address and client identifier.
TEST(Allocation, MemoryOfALease) {
  constexpr uint32_t kLeases = 200'000;
  World w(pool("10.0.0.0/14", "10.0.0.10", "10.3.255.250"));
  Lane lane(w);
  lane.run(0, kLeases, [](uint32_t c) {
    Ask ask = Ask(MessageType::Discover).client(c);
    std::vector<uint8_t> id = {1};
    id.insert(id.end(), ask.hardware.begin(), ask.hardware.end());
    return ask.option(option::kClientIdentifier, id)
        .option(option::kRapidCommit, std::vector<uint8_t>{});
  });
  ASSERT_EQ(lane.granted, kLeases);
  ASSERT_EQ(w.engine.lease_count(), kLeases);
  EXPECT_LE(w.engine.memory_bytes() / kLeases, 128u);
  RecordProperty("bytes_per_lease", static_cast<int>(w.engine.memory_bytes() / kLeases));
}

// Constant time in a pool that is almost full: the last address goes round.
TEST(Allocation, AnAlmostFullPoolGoesRound) {
  World w(pool("10.0.0.0/20", "10.0.0.10", "10.0.15.250"));
  Lane lane(w);
  const uint32_t all = ip("10.0.15.250").value - ip("10.0.0.10").value + 1;
  lane.run(0, all, [](uint32_t c) {
    return Ask(MessageType::Discover)
        .client(c)
        .option(option::kRapidCommit, std::vector<uint8_t>{});
  });
  ASSERT_EQ(lane.granted, all);
  EXPECT_EQ(w.ask(Ask(MessageType::Discover).client(1'000'000)).drop, Drop::NoAddress);
  Ipv4 last = ip("10.0.0.10");
  uint32_t holder = 0;
  for (uint32_t c = 1'000'000; c < 1'000'200; ++c) {
    ASSERT_EQ(w.ask(Ask(MessageType::Release).client(holder).ciaddr(last)).kind,
              Answer::Kind::Durable);
    ASSERT_EQ(w.lease(Ask(MessageType::Discover).client(c)), last);
    holder = c;
  }
}

}  // namespace
}  // namespace hookline::lease
