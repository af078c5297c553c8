// Memory that fails: every allocation of the management functions in turn, and none on the packet
// path.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "filter/engine.h"
#include "filter/filter_engine.h"
#include "filter/flows_testing.h"
#include "filter/rules.h"
#include "filter/testing.h"

namespace {

[[maybe_unused]] thread_local long g_allocations_left = -1;  // -1: as many as there are
thread_local long g_allocations = 0;

[[maybe_unused]] void* allocate(size_t bytes) {
  ++g_allocations;
  if (g_allocations_left == 0) throw std::bad_alloc();
  if (g_allocations_left > 0) --g_allocations_left;
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

namespace hookline::filter {
namespace {

using testing::Datagram;
using testing::FakeCallout;
using testing::key;

constexpr GUID kLayer = FWPM_LAYER_INBOUND_TRANSPORT_V4;

void NTAPI classify(const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                    const void*, const FWPS_FILTER3*, UINT64, FWPS_CLASSIFY_OUT0* out) {
  out->actionType = FWP_ACTION_PERMIT;
}

int g_known_filters = 0;  // that callouts have been told of and not yet of their end

NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID*, FWPS_FILTER3*) {
  if (type == FWPS_CALLOUT_NOTIFY_ADD_FILTER) ++g_known_filters;
  if (type == FWPS_CALLOUT_NOTIFY_DELETE_FILTER) --g_known_filters;
  return STATUS_SUCCESS;
}

// A driver's whole life; stops at the first failure, then cleans up as a driver does.
NTSTATUS live(Engine& engine) {
  static const GUID kKey = key(1);
  FWPM_SESSION0 dynamic{};
  dynamic.flags = FWPM_SESSION_FLAG_DYNAMIC;
  dynamic.displayData.name = testing::name(u"a session with a name");
  HANDLE session = nullptr;
  NTSTATUS status = engine.FwpmEngineOpen0(nullptr, 10, nullptr, &dynamic, &session);
  if (status != STATUS_SUCCESS) return status;
  FWPS_CALLOUT3 functions{};
  functions.calloutKey = kKey;
  functions.classifyFn = &classify;
  functions.notifyFn = &notify;
  const FWPM_CALLOUT0 callout = testing::callout(kKey, kLayer);
  const FWPM_SUBLAYER0 sublayer = testing::sublayer(key(2), 5);
  FWPM_FILTER_CONDITION0 condition =
      testing::condition(FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8, 17);
  FWPM_FILTER0 filter = testing::filter(kLayer, FWP_ACTION_CALLOUT_UNKNOWN, kKey);
  filter.subLayerKey = key(2);
  filter.numFilterConditions = 1;
  filter.filterCondition = &condition;
  const auto step = [&](auto function) {
    if (status == STATUS_SUCCESS) status = function();
  };
  step([&] { return engine.FwpmTransactionBegin0(session, 0); });
  step([&] { return engine.FwpsCalloutRegister3(nullptr, &functions, nullptr); });
  step([&] { return engine.FwpmSubLayerAdd0(session, &sublayer, nullptr); });
  step([&] { return engine.FwpmCalloutAdd0(session, &callout, nullptr, nullptr); });
  step([&] { return engine.FwpmFilterAdd0(session, &filter, nullptr, nullptr); });
  step([&] { return engine.FwpmTransactionCommit0(session); });
  step([&] { return engine.FwpmFilterAdd0(session, &filter, nullptr, nullptr); });
  // The first that asks for flows.
  filter = testing::filter(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, FWP_ACTION_PERMIT);
  step([&] { return engine.FwpmFilterAdd0(session, &filter, nullptr, nullptr); });
  g_allocations_left = -1;
  engine.FwpmTransactionAbort0(session);
  EXPECT_EQ(engine.FwpmEngineClose0(session), STATUS_SUCCESS);
  engine.FwpsCalloutUnregisterByKey0(&kKey);
  return status;
}

TEST(Allocation, EachFailureIsAStatusAndLeavesNothingBehind) {
  Logger log(stderr, LogLevel::Error);
  Engine engine(log);
  Datagram datagram;
  NTSTATUS status = STATUS_NO_MEMORY;
  long failing = 0;
  for (; status != STATUS_SUCCESS; ++failing) {
    ASSERT_LT(failing, 1000);
    g_allocations_left = failing;
    status = live(engine);
    g_allocations_left = -1;
    ASSERT_TRUE(status == STATUS_SUCCESS || status == STATUS_NO_MEMORY) << failing;
    const Report report = engine.report();
    ASSERT_EQ(report.filters.size() + report.callouts.size() + report.sessions, 0u) << failing;
    ASSERT_EQ(g_known_filters, 0) << failing;
    ASSERT_EQ(
        engine.classify(datagram.traffic, &datagram.indication.list, Depth::Mac, Depth::Datagram),
        Verdict::Permit);
  }
#ifndef HOOKLINE_SANITIZED
  EXPECT_GT(failing, 20);
#endif
}

TEST(Allocation, ThePacketPathNeedsNone) {
  Logger log(stderr, LogLevel::Error);
  Engine engine(log);
  HANDLE session = nullptr;
  ASSERT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &session), STATUS_SUCCESS);
  for (uint32_t i = 0; i < 8; ++i) {
    const GUID layers_of[] = {FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, FWPM_LAYER_INBOUND_IPPACKET_V4,
                              FWPM_LAYER_INBOUND_TRANSPORT_V4, FWPM_LAYER_DATAGRAM_DATA_V4};
    const GUID its_key = key(i);
    FWPS_CALLOUT3 functions{};
    functions.calloutKey = its_key;
    functions.classifyFn = &classify;
    ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
    const FWPM_CALLOUT0 callout = testing::callout(its_key, layers_of[i % 4]);
    ASSERT_EQ(engine.FwpmCalloutAdd0(session, &callout, nullptr, nullptr), STATUS_SUCCESS);
    const FWPM_FILTER0 filter =
        testing::filter(layers_of[i % 4], FWP_ACTION_CALLOUT_INSPECTION, its_key);
    ASSERT_EQ(engine.FwpmFilterAdd0(session, &filter, nullptr, nullptr), STATUS_SUCCESS);
  }
  FilterRule limit;
  limit.layer = "INBOUND_MAC_FRAME_ETHERNET";
  limit.action = RuleAction::Limit;
  limit.interval_ns = 1;
  limit.per = LimitPer::Mac;
  engine.set_rules(make_rules({&limit, 1}, {}, 1));
  Datagram datagram;
  const long before = g_allocations;
  for (int i = 0; i < 100; ++i) {
    ++datagram.traffic.now_ns;
    datagram.indication.describe(datagram.bytes);
    engine.classify(datagram.traffic, &datagram.indication.list, Depth::Mac, Depth::Datagram);
  }
  EXPECT_EQ(g_allocations, before);
  for (uint32_t i = 0; i < 8; ++i) {
    const GUID its_key = key(i);
    EXPECT_EQ(engine.FwpsCalloutUnregisterByKey0(&its_key), STATUS_SUCCESS);
  }
}

// Flows that begin, have contexts, are pended, displaced and expired.
class FlowAllocation : public testing::FlowTest {
 protected:
  FlowAllocation() : FlowTest(8) {}
};

TEST_F(FlowAllocation, FlowsNeedNoneEither) {
  using testing::Asked;
  static std::vector<HANDLE> pended;
  pended.reserve(64);
  add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4).on_classify = [this](const Asked& asked) {
    HANDLE context = nullptr;
    if (flows.FwpsPendOperation0(driver, asked.completion(), &context) != STATUS_SUCCESS) return;
    pended.push_back(context);
    asked.absorb();
  };
  testing::FlowCallout& keeper = add(FWPM_LAYER_DATAGRAM_DATA_V4);
  keeper.deleted.reserve(64);
  keeper.on_classify = [&](const Asked& asked) {
    flows.FwpsFlowAssociateContext0(driver, asked.flow(), asked.values.layerId, keeper.id, 1);
  };
  Datagram datagram;
  const long before = g_allocations;
  for (uint32_t i = 0; i < 16; ++i) {
    datagram.traffic.remote = Ipv4{0x0A000100 + i};
    EXPECT_EQ(run(datagram), Verdict::Absorb);
    flows.FwpsCompleteOperation0(driver, pended.back(), nullptr);
    EXPECT_EQ(run(datagram), Verdict::Permit);
  }
  now_ns += kUdpFlowIdleNs;
  pump();
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(keeper.deletions(), 16u);
}

}  // namespace
}  // namespace hookline::filter
