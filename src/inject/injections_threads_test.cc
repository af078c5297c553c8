// Drivers that inject from threads of their own while the packet thread pumps; under
// ThreadSanitizer, too.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "inject/injections.h"
#include "inject/testing.h"

namespace hookline::inject {
namespace {

using namespace testing;

// A list that knows how often it was accepted and completed.
struct Job {
  explicit Job(uint32_t id, uint32_t thread) : list(frame_with(id, 64)), id(id), thread(thread) {
    list.list.Scratch = this;
  }
  static void NTAPI completion(void* context, NET_BUFFER_LIST* list, BOOLEAN) {
    Job& job = *static_cast<Job*>(list->Scratch);
    job.status = list->Status;
    // What the packet thread wrote is the driver's from here on.
    job.completions.fetch_add(1, std::memory_order_release);
    static_cast<std::atomic<int>*>(context)->fetch_add(1);
  }

  TestList list;
  uint32_t id;
  uint32_t thread;
  bool accepted = false;
  NTSTATUS status = STATUS_PENDING;
  std::atomic<int> completions{0};
};

struct PacketThread {
  explicit PacketThread(House& of) : house(of) {
    thread = std::thread([this] {
      while (!stop) {
        house.injections.pump(house.bench.now);
        house.bench.now.boot_ns += 10'000;
      }
    });
  }
  ~PacketThread() { end(); }
  void end() {
    if (!thread.joinable()) return;
    stop = true;
    thread.join();
  }

  House& house;
  std::atomic<bool> stop{false};
  std::thread thread;
};

InjectionOptions endless() {
  InjectionOptions options;
  options.per_second_min = ~uint64_t{0} >> 1;
  return options;
}

// Invariants 1 and 7: whatever is injected by whomever, what was accepted completes once, what was
// refused never, and each thread's frames leave in its order.
RC_GTEST_PROP(InjectionsThreads, AcceptedOnesCompleteOnceAndInOrder, ()) {
  const auto seed = *rc::gen::arbitrary<uint32_t>();
  constexpr uint32_t kThreads = 3;
  constexpr uint32_t kJobs = 200;
  House house(endless());
  house.bench.classifier.at = [n = 0u](auto&, auto*, Depth) mutable {
    return ++n % 16 == 0 ? Verdict::Block : n % 16 == 7 ? Verdict::Absorb : Verdict::Permit;
  };
  for (uint32_t id = 0; id < kThreads * kJobs; id += 13) house.bench.port.failing[id] = ENXIO;
  std::vector<std::unique_ptr<Job>> jobs;
  for (uint32_t i = 0; i < kThreads * kJobs; ++i) {
    jobs.push_back(std::make_unique<Job>(i, i / kJobs));
  }
  std::atomic<int> completed{0};
  std::atomic<uint32_t> destroyed{0};
  {
    PacketThread packets(house);
    std::vector<std::thread> drivers;
    for (uint32_t t = 0; t < kThreads; ++t) {
      drivers.emplace_back([&, t] {
        std::mt19937 random(seed + t);
        FakeDriver driver;
        HANDLE handle = house.open(driver);
        for (uint32_t i = 0; i < kJobs; ++i) {
          Job& job = *jobs[t * kJobs + i];
          if (random() % 8 == 0) job.list.buffer.DataLength += 1;  // to be refused
          job.accepted = house.injections.FwpsInjectMacSendAsync0(
                             driver, handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1,
                             0, &job.list.list, &Job::completion, &completed) == STATUS_SUCCESS;
          if (random() % 64 != 0) continue;
          // Invariant 2: everything of this handle has completed, at once and for good.
          EXPECT_EQ(house.injections.FwpsInjectionHandleDestroy0(driver, handle), STATUS_SUCCESS);
          for (uint32_t before = 0; before <= i; ++before) {
            const Job& other = *jobs[t * kJobs + before];
            EXPECT_EQ(other.completions.load(std::memory_order_acquire), other.accepted ? 1 : 0);
          }
          ++destroyed;
          handle = house.open(driver);
        }
        EXPECT_EQ(house.injections.FwpsInjectionHandleDestroy0(driver, handle), STATUS_SUCCESS);
      });
    }
    for (std::thread& driver : drivers) driver.join();
  }
  int accepted = 0;
  std::map<uint32_t, int> sent;
  std::map<uint32_t, uint32_t> last;
  for (const auto& frame : house.bench.port.sent) {
    const uint32_t id = load_be32(frame.payload.data());
    RC_ASSERT(++sent[id] == 1);
    const auto found = last.find(id / kJobs);
    RC_ASSERT(found == last.end() || found->second < id);
    last[id / kJobs] = id;
  }
  for (const auto& job : jobs) {
    RC_ASSERT(job->completions == (job->accepted ? 1 : 0));
    accepted += job->accepted ? 1 : 0;
    if (job->status != STATUS_SUCCESS) RC_ASSERT(!sent.contains(job->id));
  }
  RC_ASSERT(completed == accepted);
  RC_ASSERT(house.injections.in_flight() == 0u);
}

class Sleep final : public io::Wakeups {
 public:
  void wait(int64_t) override {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [this] { return std::exchange(woken_, false); });
  }
  void wake() override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    condition_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
};

// The packet thread sleeps without a timeout: a wake-up that got lost is for ever.
TEST(InjectionsThreads, ASleepingPacketThreadIsWoken) {
  Sleep sleep;
  InjectionOptions options = endless();
  options.wakeups = &sleep;
  House house(options);
  std::atomic<bool> stop{false};
  std::thread packets([&] {
    while (!stop) {
      house.injections.pump(house.bench.now);
      if (!house.injections.due() && !house.injections.waits()) sleep.wait(0);
    }
  });
  std::vector<std::thread> drivers;
  for (uint32_t t = 0; t < 2; ++t) {
    drivers.emplace_back([&, t] {
      for (uint32_t i = 0; i < 3000; ++i) {
        Job job(i, t);
        std::atomic<int> completed{0};
        EXPECT_EQ(
            house.injections.FwpsInjectMacSendAsync0(house.driver, house.handle, nullptr, 0,
                                                     FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1, 0,
                                                     &job.list.list, &Job::completion, &completed),
            STATUS_SUCCESS);
        while (completed == 0) std::this_thread::yield();
        if (i % 100 != 0) continue;
        const HANDLE handle = house.open();
        EXPECT_EQ(house.injections.FwpsInjectionHandleDestroy0(house.driver, handle),
                  STATUS_SUCCESS);
      }
    });
  }
  for (std::thread& driver : drivers) driver.join();
  stop = true;
  sleep.wake();
  packets.join();
}

TEST(InjectionsThreads, DestroyUnderTrafficEndsAndNothingFollows) {
  House house(endless());
  PacketThread packets(house);
  for (int round = 0; round < 20; ++round) {
    FakeDriver driver;
    const HANDLE handle = house.open(driver);
    std::vector<std::unique_ptr<Job>> jobs;
    for (uint32_t i = 0; i < 500; ++i) jobs.push_back(std::make_unique<Job>(i, 0));
    std::atomic<int> completed{0};
    std::atomic<int> accepted{0};
    std::thread injector([&] {
      for (auto& job : jobs) {
        const NTSTATUS status = house.injections.FwpsInjectMacSendAsync0(
            driver, handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1, 0,
            &job->list.list, &Job::completion, &completed);
        if (status == STATUS_SUCCESS) {
          ++accepted;
          continue;
        }
        EXPECT_TRUE(status == STATUS_FWP_INJECT_HANDLE_CLOSING || status == STATUS_INVALID_HANDLE);
        return;
      }
    });
    while (accepted < 50) std::this_thread::yield();
    EXPECT_EQ(house.injections.FwpsInjectionHandleDestroy0(driver, handle), STATUS_SUCCESS);
    const int then = completed;
    injector.join();
    EXPECT_EQ(completed, accepted);
    EXPECT_EQ(completed, then);
  }
}

// Rule 12.
TEST(InjectionsThreads, AHandleThatIsClosingTakesNothing) {
  House house(endless());
  house.bench.port.room[1] = 0;
  TestList list(frame_with(1));
  EXPECT_EQ(house.mac_send(list.list), STATUS_SUCCESS);
  house.pump();
  std::thread driver([&] {
    EXPECT_EQ(house.injections.FwpsInjectionHandleDestroy0(house.driver, house.handle),
              STATUS_SUCCESS);
  });
  NTSTATUS status = STATUS_SUCCESS;
  while (status == STATUS_SUCCESS) {
    status = house.mac_send(list.list);
    std::this_thread::yield();
  }
  EXPECT_EQ(status, STATUS_FWP_INJECT_HANDLE_CLOSING);
  house.bench.port.room.clear();
  while (house.injections.in_flight() != 0) house.pump();
  driver.join();
  EXPECT_EQ(house.mac_send(list.list), STATUS_INVALID_HANDLE);
}

TEST(InjectionsThreads, AnUnloadedDriversFunctionsAreOver) {
  House house(endless());
  PacketThread packets(house);
  for (int round = 0; round < 20; ++round) {
    FakeDriver driver;
    const HANDLE handle = house.open(driver);
    std::vector<std::unique_ptr<Job>> jobs;
    std::atomic<int> completed{0};
    for (uint32_t i = 0; i < 200; ++i) {
      jobs.push_back(std::make_unique<Job>(i, 0));
      EXPECT_EQ(house.injections.FwpsInjectMacSendAsync0(
                    driver, handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1, 0,
                    &jobs.back()->list.list, &Job::completion, &completed),
                STATUS_SUCCESS);
    }
    house.injections.driver_unloaded(driver);
    const int then = completed;
    jobs.clear();  // the driver's memory goes with it
    std::this_thread::yield();
    EXPECT_EQ(completed, then);
  }
  packets.end();
  house.pump();
  EXPECT_EQ(house.injections.in_flight(), 0u);
}

// Clones that driver threads free while the packet thread looks whether they are gone.
TEST(InjectionsThreads, HeldOnesCompleteWhenOtherThreadsLetGo) {
  House house(endless());
  std::mutex mutex;
  std::vector<std::unique_ptr<TestList>> clones;
  house.bench.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    const std::lock_guard lock(mutex);
    clones.push_back(TestList::clone_of(*list));
    return Verdict::Absorb;
  };
  std::atomic<int> completed{0};
  constexpr uint32_t kJobs = 2000;
  {
    PacketThread packets(house);
    std::thread worker([&] {
      for (uint32_t freed = 0; freed < kJobs;) {
        std::unique_ptr<TestList> clone;
        {
          const std::lock_guard lock(mutex);
          if (clones.empty()) continue;
          clone = std::move(clones.back());
          clones.pop_back();
        }
        clone->let_go();
        house.injections.released();
        ++freed;
      }
    });
    std::vector<std::unique_ptr<Job>> jobs;
    for (uint32_t i = 0; i < kJobs; ++i) jobs.push_back(std::make_unique<Job>(i, 0));
    for (auto& job : jobs) {
      EXPECT_EQ(house.injections.FwpsInjectMacSendAsync0(
                    house.driver, house.handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET,
                    1, 0, &job->list.list, &Job::completion, &completed),
                STATUS_SUCCESS);
    }
    worker.join();
    while (completed < static_cast<int>(kJobs)) std::this_thread::yield();
  }
  house.pump();
  EXPECT_EQ(house.injections.in_flight(), 0u);
}

}  // namespace
}  // namespace hookline::inject
