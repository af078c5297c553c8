// Management threads against the classifying thread: run under TSan. After an unregistration or a
// filter's deletion has returned, the callout and the filter's context must not be touched.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "filter/engine.h"
#include "filter/rules.h"
#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::Datagram;
using testing::key;

constexpr GUID kLayer = FWPM_LAYER_INBOUND_TRANSPORT_V4;

// What a filter's context points to: freed when its deletion has been announced.
struct Context {
  std::atomic<bool> alive{true};
  int touched = 0;  // by the packet thread only, plain on purpose
};

void NTAPI touch(const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                 const void*, const FWPS_FILTER3* filter, UINT64, FWPS_CLASSIFY_OUT0* out) {
  auto* context = reinterpret_cast<Context*>(filter->context);
  EXPECT_TRUE(context->alive.load(std::memory_order_relaxed));
  ++context->touched;
  out->actionType = FWP_ACTION_CONTINUE;
}

NTSTATUS NTAPI renew(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID*, FWPS_FILTER3* filter) {
  if (type == FWPS_CALLOUT_NOTIFY_ADD_FILTER) {
    filter->context = reinterpret_cast<uintptr_t>(new Context);
  } else if (type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER) {
    auto* context = reinterpret_cast<Context*>(filter->context);
    context->alive = false;
    context->touched = -1;
    delete context;
    filter->context = 0;
  }
  return STATUS_SUCCESS;
}

class EngineThreads : public ::testing::Test {
 protected:
  EngineThreads() {
    packet_thread = std::thread([this] {
      Datagram datagram;
      while (!stop.load()) {
        engine.classify(datagram.traffic, &datagram.indication.list, Depth::Mac, Depth::Datagram);
        if (engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram))
          classified.fetch_add(1);
      }
    });
  }
  ~EngineThreads() override { join(); }
  void join() {
    stop = true;
    if (packet_thread.joinable()) packet_thread.join();
  }

  FWPS_CALLOUT3 functions(const GUID& its_key) const {
    FWPS_CALLOUT3 out{};
    out.calloutKey = its_key;
    out.classifyFn = &touch;
    out.notifyFn = &renew;
    return out;
  }

  Logger log{stderr, LogLevel::Error};
  Engine engine{log};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> classified{0};
  std::thread packet_thread;
};

// One driver: registers, adds, lets traffic run, deletes and unregisters in either order.
void drive(Engine& engine, const std::atomic<uint64_t>& classified, uint32_t number, int rounds) {
  const GUID its_key = key(number);
  FWPS_CALLOUT3 functions{};
  functions.calloutKey = its_key;
  functions.classifyFn = &touch;
  functions.notifyFn = &renew;
  for (int round = 0; round < rounds; ++round) {
    FWPM_SESSION0 dynamic{};
    dynamic.flags = FWPM_SESSION_FLAG_DYNAMIC;
    HANDLE session = nullptr;
    ASSERT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, &dynamic, &session), STATUS_SUCCESS);
    ASSERT_EQ(engine.FwpmTransactionBegin0(session, 0), STATUS_SUCCESS);
    ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
    const FWPM_CALLOUT0 added = testing::callout(its_key, kLayer);
    ASSERT_EQ(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr), STATUS_SUCCESS);
    const FWPM_FILTER0 of_it = testing::filter(kLayer, FWP_ACTION_CALLOUT_UNKNOWN, its_key);
    ASSERT_EQ(engine.FwpmFilterAdd0(session, &of_it, nullptr, nullptr), STATUS_SUCCESS);
    ASSERT_EQ(engine.FwpmTransactionCommit0(session), STATUS_SUCCESS);
    const uint64_t until = classified.load() + 3;
    while (classified.load() < until) std::this_thread::yield();
    const bool close_first = round % 2 == 0;
    if (close_first) {
      ASSERT_EQ(engine.FwpmEngineClose0(session), STATUS_SUCCESS);
    }
    ASSERT_EQ(engine.FwpsCalloutUnregisterByKey0(&its_key), STATUS_SUCCESS);
    if (!close_first) {
      ASSERT_EQ(engine.FwpmEngineClose0(session), STATUS_SUCCESS);
    }
  }
}

TEST_F(EngineThreads, DriversComeAndGoUnderTraffic) {
  std::vector<std::thread> drivers;
  for (uint32_t i = 0; i < 3; ++i) {
    drivers.emplace_back([this, i] { drive(engine, classified, i, 60); });
  }
  for (std::thread& driver : drivers) driver.join();
  join();
  EXPECT_EQ(engine.report().filters.size(), 0u);
  EXPECT_FALSE(engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram));
}

TEST_F(EngineThreads, ReportsAndRulesChangeBesideDrivers) {
  std::thread driver([this] { drive(engine, classified, 1, 60); });
  for (int i = 0; i < 200; ++i) {
    FilterRule rule;
    rule.action = RuleAction::Block;
    rule.layer = "OUTBOUND_TRANSPORT_V4";
    engine.set_rules(make_rules({&rule, 1}, {}, 1));
    EXPECT_GE(engine.report().filters.size(), 1u);
  }
  driver.join();
  engine.set_rules({});
}

// The rundown: an unregistration waits for the classifyFn that is running.
TEST(EngineRundown, UnregisteringWaitsForTheClassifyThatIsRunning) {
  struct Gate {
    std::atomic<bool> entered{false};
    std::atomic<bool> leave{false};
    std::atomic<bool> left{false};
  } gate;
  Logger log(stderr, LogLevel::Error);
  Engine engine(log);
  HANDLE session = nullptr;
  ASSERT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &session), STATUS_SUCCESS);
  FWPS_CALLOUT3 functions{};
  const GUID its_key = key(1);
  functions.calloutKey = its_key;
  functions.classifyFn = [](const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*,
                            void*, const void*, const FWPS_FILTER3* filter, UINT64,
                            FWPS_CLASSIFY_OUT0*) {
    auto& its_gate = *reinterpret_cast<Gate*>(filter->context);
    its_gate.entered = true;
    while (!its_gate.leave.load()) std::this_thread::yield();
    its_gate.left = true;
  };
  ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
  const FWPM_CALLOUT0 added = testing::callout(its_key, kLayer);
  ASSERT_EQ(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr), STATUS_SUCCESS);
  FWPM_FILTER0 of_it = testing::filter(kLayer, FWP_ACTION_CALLOUT_UNKNOWN, its_key);
  of_it.rawContext = reinterpret_cast<uintptr_t>(&gate);
  ASSERT_EQ(engine.FwpmFilterAdd0(session, &of_it, nullptr, nullptr), STATUS_SUCCESS);
  std::thread packet_thread([&] {
    Datagram datagram;
    engine.classify(datagram.traffic, &datagram.indication.list, Depth::Mac, Depth::Datagram);
  });
  while (!gate.entered.load()) std::this_thread::yield();
  std::atomic<bool> done{false};
  std::thread driver([&] {
    EXPECT_EQ(engine.FwpsCalloutUnregisterByKey0(&its_key), STATUS_SUCCESS);
    EXPECT_TRUE(gate.left.load());
    done = true;
  });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  EXPECT_FALSE(done.load());
  gate.leave = true;
  driver.join();
  packet_thread.join();
}

}  // namespace
}  // namespace hookline::filter
