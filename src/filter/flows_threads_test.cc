// Drivers' threads against the packet thread: contexts that are removed while they are in use,
// operations that are completed, flows that are aborted, callouts that go. For TSan, too.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "filter/flows_testing.h"

namespace hookline::filter {
namespace {

using testing::Asked;
using testing::FlowCallout;

constexpr uint16_t kLayer = FWPS_LAYER_DATAGRAM_DATA_V4;
constexpr int kRounds = 4000;

class FlowThreads : public testing::FlowTest {
 protected:
  FlowThreads() : FlowTest(8) {}
};

TEST_F(FlowThreads, ContextsAreGivenBackOnceAndNeverInUse) {
  struct Context {
    std::atomic<int> uses{0};
    std::atomic<int> deleted{0};
  };
  static std::deque<Context> contexts;
  contexts.clear();
  FlowCallout& fake = add(FWPM_LAYER_DATAGRAM_DATA_V4);
  std::atomic<UINT64> latest{0};
  std::atomic<bool> stop{false};
  std::atomic<int> misused{0};
  fake.on_delete = [&](UINT64 value) {
    auto& context = *reinterpret_cast<Context*>(value);
    if (context.uses.load() != 0) ++misused;
    ++context.deleted;
  };
  size_t associated = 0;
  fake.on_classify = [&](const Asked& asked) {
    latest = asked.flow();
    if (asked.flow_context != 0) {
      auto& context = *reinterpret_cast<Context*>(asked.flow_context);
      ++context.uses;
      std::this_thread::yield();
      --context.uses;
      return;
    }
    Context& fresh = contexts.emplace_back();
    const NTSTATUS status = flows.FwpsFlowAssociateContext0(driver, asked.flow(), kLayer, fake.id,
                                                            reinterpret_cast<uintptr_t>(&fresh));
    associated += status == STATUS_SUCCESS;
    if (status != STATUS_SUCCESS) contexts.pop_back();
  };
  std::thread remover([&] {
    while (!stop) flows.FwpsFlowRemoveContext0(driver, latest, kLayer, fake.id);
  });
  std::thread aborter([&] {
    for (int i = 0; !stop; ++i) {
      if (i % 64 == 0) flows.FwpsFlowAbort0(driver, latest);
      std::this_thread::yield();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    in(uint32_t(1 + i % 11));
    if (i % 50 == 0) now_ns += kUdpFlowIdleNs / 4;
    pump();
  }
  stop = true;
  remover.join();
  aborter.join();
  fake.on_classify = [](const Asked&) {};
  while (engine.FwpsCalloutUnregisterById0(fake.id) == STATUS_DEVICE_BUSY) {
  }
  EXPECT_GT(associated, 0u);
  EXPECT_EQ(misused, 0);
  EXPECT_EQ(fake.deletions(), associated);
  for (const Context& context : contexts) EXPECT_EQ(context.deleted, 1);
}

TEST_F(FlowThreads, CompletedAndUnregisteredUnderTraffic) {
  FlowCallout& auth = add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  std::mutex mutex;
  std::vector<HANDLE> waiting;
  std::atomic<bool> stop{false};
  auth.on_classify = [&](const Asked& asked) {
    if (asked.again()) return asked.permit();
    HANDLE context = nullptr;
    if (flows.FwpsPendOperation0(driver, asked.completion(), &context) == STATUS_SUCCESS) {
      const std::lock_guard lock(mutex);
      waiting.push_back(context);
    }
    asked.absorb();
  };
  std::thread worker([&] {
    for (;;) {
      std::vector<HANDLE> mine;
      {
        const std::lock_guard lock(mutex);
        mine.swap(waiting);
      }
      for (const HANDLE context : mine) flows.FwpsCompleteOperation0(driver, context, nullptr);
      if (mine.empty() && stop) return;
      std::this_thread::yield();
    }
  });
  std::thread manager([&] {
    while (!stop) {
      FWPS_CALLOUT3 functions{};
      functions.calloutKey = testing::key(9000);
      functions.classifyFn = &FlowCallout::classify3;
      functions.flowDeleteFn = [](UINT16, UINT32, UINT64) {};
      uint32_t id = 0;
      engine.FwpsCalloutRegister3(nullptr, &functions, &id);
      flows.FwpsFlowAssociateContext0(driver, 1u << 17 | kTcpFlowsMax, kLayer, id, 1);
      while (engine.FwpsCalloutUnregisterById0(id) == STATUS_DEVICE_BUSY) {
      }
    }
  });
  int permitted = 0;
  // Until the worker had its turn, too.
  for (int i = 0; i < kRounds || (permitted < kRounds / 2 && i < 1000 * kRounds); ++i) {
    permitted += in(uint32_t(1 + i % 5)) == Verdict::Permit;
    if (i % 16 == 0) now_ns += kUdpFlowIdleNs / 64;
    pump();
    flows.report();
  }
  stop = true;
  worker.join();
  manager.join();
  pump();
  EXPECT_GT(permitted, 0);
  EXPECT_EQ(flows.report().pended, 0u);
  EXPECT_EQ(driver.breaches(), 0u);
}

}  // namespace
}  // namespace hookline::filter
