#include "filter/flow_contexts.h"

#include <gtest/gtest.h>

#include "filter/flows_testing.h"

namespace hookline::filter {
namespace {

using testing::Asked;
using testing::Datagram;
using testing::datagram_of;
using testing::FlowCallout;

constexpr uint32_t kClient = 0x0A000005, kOther = 0x0A000006;
constexpr uint16_t kLayer = FWPS_LAYER_DATAGRAM_DATA_V4;

class Contexts : public testing::FlowTest {
 protected:
  Contexts() : FlowTest(4) {}
  NTSTATUS associate(UINT64 flow, UINT64 context, uint32_t id) {
    return flows.FwpsFlowAssociateContext0(driver, flow, kLayer, id, context);
  }
  NTSTATUS remove(UINT64 flow, uint32_t id) {
    return flows.FwpsFlowRemoveContext0(driver, flow, kLayer, id);
  }
  // A callout at DATAGRAM_DATA that gives each new flow the next context, and remembers the rest.
  FlowCallout& keeper(uint32_t flags = 0) {
    FlowCallout& fake = add(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_UNKNOWN, flags);
    fake.on_classify = [this, &fake](const Asked& asked) {
      flow = asked.flow();
      shown.push_back(asked.flow_context);
      if (asked.flow_context == 0) {
        EXPECT_EQ(associate(flow, ++last, fake.id), STATUS_SUCCESS);
      }
    };
    return fake;
  }
  UINT64 flow = 0, last = 0;
  std::vector<UINT64> shown;
};

// Rule 38.
TEST_F(Contexts, AssociateAndRemove) {
  FlowCallout& fake = keeper();
  in(kClient);
  in(kClient);
  out(kClient);
  EXPECT_EQ(shown, (std::vector<UINT64>{0, 1, 1}));
  EXPECT_EQ(associate(flow, 9, fake.id), STATUS_OBJECT_NAME_EXISTS);
  EXPECT_EQ(flows.FwpsFlowAssociateContext0(driver, flow, FWPS_LAYER_STREAM_V4, fake.id, 9),
            STATUS_SUCCESS);  // of another layer
  EXPECT_EQ(remove(flow, fake.id), STATUS_SUCCESS);
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{1});
  EXPECT_EQ(remove(flow, fake.id), STATUS_UNSUCCESSFUL);
  EXPECT_EQ(remove(flow + 1, fake.id), STATUS_UNSUCCESSFUL);
  EXPECT_EQ(flows.report().contexts, 1u);
  EXPECT_EQ(flows.report().contexts_deleted, 1u);
}

TEST_F(Contexts, WhatIsRefused) {
  FlowCallout& fake = keeper();
  FlowCallout& without =
      add(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_UNKNOWN, 0, /*flow_delete=*/false);
  in(kClient);
  remove(flow, fake.id);
  EXPECT_EQ(associate(flow, 0, fake.id), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breaches(), 1u);
  EXPECT_EQ(associate(flow, 1, without.id), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(driver.breaches(), 2u);
  EXPECT_EQ(associate(flow, 1, 99'999), STATUS_FWP_CALLOUT_NOT_FOUND);
  EXPECT_EQ(associate(0, 1, fake.id), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(associate(flow + 1, 1, fake.id), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(associate(~UINT64{0}, 1, fake.id), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(flows.FwpsFlowAssociateContext0(driver, flow, FWPS_BUILTIN_LAYER_MAX, fake.id, 1),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(flows.report().contexts, 0u);
}

TEST_F(Contexts, RemovedWhileItsClassifyRuns) {
  FlowCallout& fake = keeper();
  in(kClient);
  size_t deleted_inside = 99;
  fake.on_classify = [&](const Asked& asked) {
    EXPECT_EQ(asked.flow_context, 1u);
    EXPECT_EQ(remove(flow, fake.id), STATUS_PENDING);
    EXPECT_EQ(remove(flow, fake.id), STATUS_UNSUCCESSFUL);
    EXPECT_EQ(associate(flow, 2, fake.id), STATUS_SUCCESS);
    deleted_inside = fake.deletions();
  };
  in(kClient);
  EXPECT_EQ(deleted_inside, 0u);
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{1});
  EXPECT_EQ(flows.report().contexts, 1u);
}

TEST_F(Contexts, GoWithTheirFlow) {
  FlowCallout& fake = keeper();
  in(kClient);
  now_ns += kUdpFlowIdleNs - 1;
  pump();
  EXPECT_EQ(fake.deletions(), 0u);
  now_ns += 1;
  pump();
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{1});
  EXPECT_EQ(flows.report().expired, 1u);
  EXPECT_EQ(flows.report().udp, 0u);
  EXPECT_EQ(associate(flow, 5, fake.id), STATUS_INVALID_PARAMETER);  // the handle is over
}

TEST_F(Contexts, AFullTableLetsTheLeastRecentlyUsedGo) {
  FlowCallout& fake = keeper();
  for (uint32_t i = 0; i < 4; ++i) in(kClient + i);
  in(kClient);  // used
  in(kClient + 4);
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{2});
  out(kClient + 5);
  EXPECT_EQ(fake.deleted, (std::vector<UINT64>{2, 3}));
  EXPECT_EQ(flows.report().displaced, 2u);
  EXPECT_EQ(flows.report().udp, 4u);
  in(kClient);
  EXPECT_EQ(shown.back(), 1u);
}

// Rule 39.
TEST_F(Contexts, UnregisteringGivesThemBackAndIsBusyOnce) {
  FlowCallout& fake = keeper();
  in(kClient);
  in(kOther);
  fake.on_delete = [&](UINT64) {
    EXPECT_EQ(engine.FwpsCalloutUnregisterById0(fake.id), STATUS_NOT_SUPPORTED);
  };
  EXPECT_EQ(engine.FwpsCalloutUnregisterById0(fake.id), STATUS_DEVICE_BUSY);
  EXPECT_EQ(fake.deletions(), 2u);
  // New flows do not see it meanwhile.
  const int calls = fake.calls;
  EXPECT_EQ(in(kClient + 7), Verdict::Permit);
  EXPECT_EQ(fake.calls, calls);
  EXPECT_EQ(associate(flow, 1, fake.id), STATUS_FWP_CALLOUT_NOT_FOUND);
  EXPECT_EQ(engine.FwpsCalloutUnregisterById0(fake.id), STATUS_SUCCESS);
  EXPECT_EQ(fake.deletions(), 2u);
}

TEST_F(Contexts, ConditionalOnFlow) {
  FlowCallout& all = keeper();
  FlowCallout& some = add(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_UNKNOWN,
                          FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW);
  in(kClient);
  in(kOther);
  EXPECT_EQ(some.calls, 0);
  EXPECT_EQ(associate(flow, 42, some.id), STATUS_SUCCESS);
  some.on_classify = [](const Asked& asked) { EXPECT_EQ(asked.flow_context, 42u); };
  in(kClient);
  EXPECT_EQ(some.calls, 0);
  in(kOther);
  EXPECT_EQ(some.calls, 1);
  EXPECT_EQ(all.calls, 4);
}

TEST_F(Contexts, Abort) {
  FlowCallout& fake = keeper();
  in(kClient);
  in(kOther);
  EXPECT_EQ(flows.FwpsFlowAbort0(driver, flow), STATUS_SUCCESS);
  EXPECT_EQ(in(kOther), Verdict::Block);
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{2});
  EXPECT_EQ(in(kClient), Verdict::Permit);
  EXPECT_EQ(flows.FwpsFlowAbort0(driver, flow + 1), STATUS_INVALID_PARAMETER);
  now_ns += kUdpFlowIdleNs;
  EXPECT_EQ(in(kOther), Verdict::Permit);
  const FlowId connection = flows.open_tcp(tcp(kClient));
  EXPECT_EQ(flows.FwpsFlowAbort0(driver, connection), STATUS_SUCCESS);
  EXPECT_FALSE(flows.must_abort(connection));
  pump();
  EXPECT_TRUE(flows.must_abort(connection));
  EXPECT_TRUE(flows.take_tcp_changes());
  EXPECT_EQ(flows.report().aborted, 2u);
  flows.close_tcp(connection);
}

TEST_F(Contexts, OfConnectionsAlone) {
  FlowCallout& fake = add(FWPM_LAYER_STREAM_V4);
  const FlowId connection = flows.open_tcp(tcp(kClient));
  EXPECT_EQ(flows.FwpsFlowAssociateContext0(driver, connection, FWPS_LAYER_STREAM_V4, fake.id, 4),
            STATUS_SUCCESS);
  in(kClient);
  EXPECT_EQ(flows.report().udp, 0u);
  flows.close_tcp(connection);
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{4});
}

// A context that a callout of the flow's end takes as its last word.
TEST_F(Contexts, TheLastUseEndsBeforeTheContext) {
  FlowCallout& fake = keeper();
  in(kClient);
  const UINT64 mine = flow;
  bool inside = false;
  fake.on_delete = [&](UINT64 context) { EXPECT_FALSE(inside && context == 1); };
  fake.on_classify = [&](const Asked& asked) {
    if (asked.flow() != mine) return;
    inside = true;
    // Four others: this one's place is wanted while it is in use.
    for (uint32_t i = 1; i <= 4; ++i) in(kClient + i);
    EXPECT_EQ(fake.deletions(), 0u);
    inside = false;
  };
  EXPECT_EQ(in(kClient), Verdict::Permit);
  fake.on_classify = [](const Asked&) {};
  for (uint32_t i = 1; i <= 4; ++i) in(kClient + i);
  EXPECT_EQ(fake.deleted, std::vector<UINT64>{1});
}

class AllFlows : public testing::FlowTest {
 protected:
  AllFlows() : FlowTest(kUdpFlowsMax) {}
};

TEST_F(AllFlows, AsManyAsThereMayBe) {
  add_filter(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4, FWP_ACTION_PERMIT);
  for (uint32_t i = 0; i < kUdpFlowsMax; ++i) in(kClient + i);
  EXPECT_EQ(flows.report().udp, kUdpFlowsMax);
  EXPECT_EQ(flows.report().displaced, 0u);
  in(kClient + kUdpFlowsMax);
  EXPECT_EQ(flows.report().udp, kUdpFlowsMax);
  EXPECT_EQ(flows.report().displaced, 1u);
}

TEST(FlowContexts, Bounded) {
  FlowContexts contexts(nullptr);
  contexts.reserve();
  static size_t deleted = 0;
  deleted = 0;
  FWPS_CALLOUT3 functions{};
  functions.flowDeleteFn = [](UINT16, UINT32, UINT64) { ++deleted; };
  const auto callout = std::make_shared<Callout>(Callout::Functions(functions), 300, nullptr);
  FlowId flow = 0;
  for (uint32_t place = 0; place < kFlowPlaces; ++place) {
    flow = contexts.begin(place);
    ASSERT_EQ(contexts.associate(flow, 1, callout, 1), STATUS_SUCCESS);
    ASSERT_EQ(contexts.associate(flow, 2, callout, 1), STATUS_SUCCESS);
  }
  EXPECT_EQ(contexts.associate(flow, 7, callout, 1), STATUS_INSUFFICIENT_RESOURCES);
  EXPECT_EQ(contexts.end_callout(*callout), kFlowContextsMax);
  EXPECT_EQ(deleted, kFlowContextsMax);
  EXPECT_EQ(contexts.size(), 0u);
}

}  // namespace
}  // namespace hookline::filter
