// Several threads with one parent: meant to run under ThreadSanitizer.

#include <atomic>
#include <thread>

#include "inject/lists_testing.h"

namespace hookline::inject {
namespace {

using lists_testing::bytes_of;
using lists_testing::FakeDriver;
using lists_testing::list_pool;
using lists_testing::Packet;

constexpr int kThreads = 4;
constexpr int kRounds = 2000;

template <class F>
void on_threads(F f) {
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back([&f, i] { f(i); });
  for (std::thread& thread : threads) thread.join();
}

struct Wakes {
  std::atomic<int> count{0};
  static void on_released(void* self, const NET_BUFFER_LIST*) {
    static_cast<Wakes*>(self)->count.fetch_add(1);
  }
};

TEST(ListsThreads, ClonesAndReferencesOfOneParent) {
  Wakes wakes;
  FakeDriver drivers[2];
  Lists lists({&Wakes::on_released, &wakes});
  Packet packet({40, 40});
  on_threads([&](int index) {
    FakeDriver& driver = drivers[index % 2];
    for (int i = 0; i < kRounds; ++i) {
      NET_BUFFER_LIST* clone = nullptr;
      ASSERT_EQ(
          lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 0, &clone),
          STATUS_SUCCESS);
      lists.FwpsReferenceNetBufferList0(driver, &packet.list, false);
      lists.NdisRetreatNetBufferDataStart(driver, clone->FirstNetBuffer, 14, 0, nullptr);
      EXPECT_EQ(clone->FirstNetBuffer->DataLength, 94u);
      lists.NdisAdvanceNetBufferDataStart(driver, clone->FirstNetBuffer, 14, true, nullptr);
      lists.FwpsDereferenceNetBufferList0(driver, &packet.list, false);
      lists.FwpsFreeCloneNetBufferList0(driver, clone, 0);
    }
  });
  EXPECT_EQ(packet.list.ChildRefCount, 0);
  EXPECT_GE(wakes.count.load(), 1);
  for (FakeDriver& driver : drivers) {
    EXPECT_EQ(lists.live(driver).total(), 0u);
    EXPECT_EQ(driver.breaches(), std::vector<std::string>{});
  }
}

// The parent's memory goes as soon as nobody holds it: nothing may touch it behind the last free.
TEST(ListsThreads, TheParentGoesWithItsLastClone) {
  FakeDriver driver;
  Lists lists;
  for (int round = 0; round < 200; ++round) {
    auto packet = std::make_unique<Packet>(std::vector<size_t>{60});
    NET_BUFFER_LIST* clones[kThreads];
    for (auto& clone : clones) {
      lists.FwpsAllocateCloneNetBufferList0(driver, &packet->list, nullptr, nullptr, 0, &clone);
    }
    std::thread owner([&packet] {
      while (Lists::is_held(packet->list)) std::this_thread::yield();
      packet.reset();
    });
    on_threads([&](int index) { lists.FwpsFreeCloneNetBufferList0(driver, clones[index], 0); });
    owner.join();
  }
  EXPECT_EQ(lists.live(driver).total(), 0u);
}

// A clone freed while clones of it are left (a breach) races with their ends.
TEST(ListsThreads, AZombieGoesOnce) {
  FakeDriver driver;
  FakeDriver others;
  Lists lists;
  Packet packet({60});
  for (int round = 0; round < 500; ++round) {
    NET_BUFFER_LIST* parent = nullptr;
    lists.FwpsAllocateCloneNetBufferList0(driver, &packet.list, nullptr, nullptr, 0, &parent);
    NET_BUFFER_LIST* clones[kThreads];
    for (auto& clone : clones) {
      lists.FwpsAllocateCloneNetBufferList0(others, parent, nullptr, nullptr, 0, &clone);
    }
    on_threads([&](int index) {
      if (index == 0) lists.FwpsFreeCloneNetBufferList0(driver, parent, 0);
      lists.FwpsFreeCloneNetBufferList0(others, clones[index], 0);
    });
    ASSERT_EQ(packet.list.ChildRefCount, 0);
  }
  EXPECT_EQ(lists.live(driver).total() + lists.live(others).total(), 0u);
  EXPECT_EQ(others.breaches(), std::vector<std::string>{});
}

TEST(ListsThreads, UnloadingWhileOthersWork) {
  FakeDriver worker;
  Lists lists;
  Packet packet({60});
  on_threads([&](int index) {
    for (int i = 0; i < 200; ++i) {
      if (index != 0) {
        NET_BUFFER_LIST* clone = nullptr;
        lists.FwpsAllocateCloneNetBufferList0(worker, &packet.list, nullptr, nullptr, 0, &clone);
        EXPECT_EQ(bytes_of(*clone).size(), 60u);
        lists.FwpsFreeCloneNetBufferList0(worker, clone, 0);
        continue;
      }
      FakeDriver leaky("leaky");
      NET_BUFFER_LIST* clone = nullptr;
      lists.FwpsAllocateCloneNetBufferList0(leaky, &packet.list, nullptr, nullptr, 0, &clone);
      lists.NdisAllocateGenericObject(leaky, nullptr, 0, 20000);
      lists.FwpsReferenceNetBufferList0(leaky, &packet.list, true);
      lists.driver_unloaded(leaky);
      EXPECT_EQ(leaky.breaches().size(), 3u);
    }
  });
  EXPECT_EQ(packet.list.ChildRefCount, 0);
  EXPECT_EQ(lists.live(worker).total(), 0u);
}

}  // namespace
}  // namespace hookline::inject
