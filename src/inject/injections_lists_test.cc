// Injections of lists that the engine made (lists.h): clones of clones through absorption,
// injection and completion, memory that fails at every place, and none asked for on the packet
// path.

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "inject/injections.h"
#include "inject/lists.h"
#include "inject/testing.h"

namespace {

thread_local long g_allocations = 0;

[[maybe_unused]] void* allocate(size_t bytes) {
  ++g_allocations;
  void* memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// A sanitizer has an allocator of its own, which must not be cut in two.
#ifndef HOOKLINE_SANITIZED
[[gnu::noinline]] void* operator new(size_t bytes) { return allocate(bytes); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
#endif

namespace hookline::inject {
namespace {

using namespace testing;

// As Core wires them.
struct Engine {
  Lists lists{{[](void* context, const NET_BUFFER_LIST*) {
                 auto& self = *static_cast<Engine*>(context);
                 if (self.house) self.house->injections.released();
               },
               this}};
  std::unique_ptr<House> house;

  Engine() {
    InjectionOptions options;
    options.lists = &lists;
    house = std::make_unique<House>(options);
  }
  ~Engine() {
    FakeDriver& driver = house->driver;
    lists.driver_unloaded(driver);
    EXPECT_EQ(lists.live(driver).total(), 0u);
  }
  NET_BUFFER_LIST* clone_of(NET_BUFFER_LIST& list) {
    NET_BUFFER_LIST* out = nullptr;
    const NTSTATUS status =
        lists.FwpsAllocateCloneNetBufferList0(house->driver, &list, nullptr, nullptr, 0, &out);
    EXPECT_EQ(NT_SUCCESS(status), out != nullptr);
    return out;
  }
  void run() {
    Injections& injections = house->injections;
    for (int i = 0; i < 100 && (injections.due() || injections.waits()); ++i) house->pump();
  }
};

// A driver that takes every packet and sends a clone of it; the clone is freed in its completion.
struct Repeater {
  explicit Repeater(Engine& its_engine) : engine(its_engine) {
    engine.house->bench.classifier.at = [this](const Traffic&, NET_BUFFER_LIST* list, Depth) {
      return classify(list);
    };
  }
  Verdict classify(NET_BUFFER_LIST* list) {
    House& house = *engine.house;
    if (house.injections.FwpsQueryPacketInjectionState0(house.driver, house.handle, list,
                                                        nullptr) != FWPS_PACKET_NOT_INJECTED) {
      return Verdict::Permit;
    }
    NET_BUFFER_LIST* clone = engine.clone_of(*list);
    if (clone == nullptr) return Verdict::Permit;
    if (house.injections.FwpsInjectMacSendAsync0(
            house.driver, house.handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 0, 0,
            clone, &Repeater::completion, this) == STATUS_SUCCESS) {
      ++injected;
      return Verdict::Absorb;
    }
    engine.lists.FwpsFreeCloneNetBufferList0(house.driver, clone, 0);
    return Verdict::Block;
  }
  static void NTAPI completion(void* context, NET_BUFFER_LIST* list, BOOLEAN) {
    Repeater& self = *static_cast<Repeater*>(context);
    ++self.completed;
    self.engine.lists.FwpsFreeCloneNetBufferList0(self.engine.house->driver, list, 0);
  }

  Engine& engine;
  int injected = 0;
  int completed = 0;
};

TEST(InjectionsLists, ARepeatedReplyLeavesOnceAndEndsWithItsClone) {
  Engine e;
  House& h = *e.house;
  Repeater repeater(e);
  h.bench.port.failing[3] = ENETDOWN;
  std::map<uint32_t, int> ended;
  for (uint32_t i = 0; i < 6; ++i) h.bench.submit(h.bench.datagram(broadcast()));
  EXPECT_NE(h.bench.injector.in_flight(), 0u);
  e.run();
  for (const auto& [id, error] : h.bench.completions()) ended[id] = error;
  EXPECT_EQ(ended,
            (std::map<uint32_t, int>{{0, 0}, {1, 0}, {2, 0}, {3, ENETDOWN}, {4, 0}, {5, 0}}));
  EXPECT_EQ(h.bench.port.sent.size(), 5u);
  EXPECT_EQ(repeater.completed, 6);
  EXPECT_EQ(e.lists.live(h.driver).total(), 0u);
  EXPECT_TRUE(h.driver.breaches().empty());
}

// Each place where the lists ask for memory fails once: every reply still ends once, and whatever
// was accepted completes.
TEST(InjectionsLists, WithoutMemoryEverythingStillEnds) {
  Engine warm;
  warm.lists.fail_allocation(0);
  Repeater counted(warm);
  for (int i = 0; i < 4; ++i) warm.house->bench.submit(warm.house->bench.datagram(broadcast()));
  warm.run();
  EXPECT_EQ(warm.house->bench.completions().size(), 4u);
  const uint64_t places = warm.lists.fail_allocation(0);
  EXPECT_GT(places, 0u);
  for (uint64_t n = 1; n <= places; ++n) {
    Engine e;
    Repeater repeater(e);
    e.lists.fail_allocation(n);
    for (int i = 0; i < 4; ++i) e.house->bench.submit(e.house->bench.datagram(broadcast()));
    e.run();
    EXPECT_EQ(e.house->bench.completions().size(), 4u) << n;
    EXPECT_EQ(e.house->bench.port.sent.size(), 4u) << n;
    EXPECT_EQ(repeater.injected, repeater.completed) << n;
    EXPECT_EQ(e.lists.live(e.house->driver).total(), 0u) << n;
  }
}

TEST(InjectionsLists, AListIsUnderWayOnce) {
  Engine e;
  House& h = *e.house;
  TestList original(frame_with(1));
  NET_BUFFER_LIST* clone = e.clone_of(original.list);
  EXPECT_EQ(h.mac_send(*clone), STATUS_SUCCESS);
  EXPECT_EQ(h.mac_send(*clone), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(h.driver.breaches().size(), 1u);
  // A chain of which one can't go leaves the others to their owner, too.
  NET_BUFFER_LIST* fresh = e.clone_of(original.list);
  fresh->Next = clone;
  EXPECT_EQ(h.mac_send(*fresh), STATUS_INVALID_PARAMETER);
  fresh->Next = nullptr;
  EXPECT_EQ(h.mac_send(*fresh), STATUS_SUCCESS);
  e.run();
  EXPECT_EQ(h.sink.count(), 2u);
  // Completed, it is the driver's, who may inject it again, or free it.
  EXPECT_EQ(h.mac_send(*clone), STATUS_SUCCESS);
  e.run();
  EXPECT_EQ(h.sink.count(), 3u);
  e.lists.FwpsFreeCloneNetBufferList0(h.driver, clone, 0);
  e.lists.FwpsFreeCloneNetBufferList0(h.driver, fresh, 0);
  EXPECT_EQ(h.mac_send(*clone), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(original.list.ChildRefCount, 0);
}

TEST(InjectionsLists, WhatAnUnloadedDriverHadUnderWayIsFreed) {
  Engine e;
  House& h = *e.house;
  h.bench.port.room[1] = 0;
  TestList original(frame_with(1));
  NET_BUFFER_LIST* clone = e.clone_of(original.list);
  EXPECT_EQ(h.mac_send(*clone), STATUS_SUCCESS);
  h.pump();
  h.injections.driver_unloaded(h.driver);
  e.lists.driver_unloaded(h.driver);
  EXPECT_EQ(original.list.ChildRefCount, 0);
  EXPECT_EQ(e.lists.live(h.driver).total(), 0u);
  h.bench.port.room.clear();
  e.run();
  EXPECT_EQ(h.sink.count(), 0u);
  EXPECT_EQ(h.injections.in_flight(), 0u);
}

#ifndef HOOKLINE_SANITIZED
TEST(InjectionsLists, NothingIsAllocatedOnThePacketPath) {
  Engine e;
  House& h = *e.house;
  Repeater repeater(e);
  h.bench.port.discard = true;
  h.bench.classifier.keep_path = false;
  const auto once = [&] {
    for (int i = 0; i < 32; ++i) h.bench.submit(h.bench.datagram(broadcast()));
    e.run();
    h.bench.end(h.bench.injector.completions(h.bench.now));
    EXPECT_EQ(h.bench.injector.in_flight(), 0u);
  };
  once();  // the lists get their memory
  const long before = g_allocations;
  for (int i = 0; i < 100; ++i) once();
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(repeater.completed, 101 * 32);
}
#endif

}  // namespace
}  // namespace hookline::inject
