// What callouts see and what their answers do, at each layer.
#include "filter/classify.h"

#include <gtest/gtest.h>

#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::condition;
using testing::Datagram;
using testing::EngineTest;
using testing::FakeCallout;
using testing::key;

class ClassifyTest : public EngineTest {
 protected:
  void add(FWPM_FILTER0 source) {
    ASSERT_EQ(engine.FwpmFilterAdd0(session, &source, nullptr, nullptr), STATUS_SUCCESS);
  }
};

struct Stop {
  GUID layer;
  Direction direction;
  uint32_t data_at;
};
const Stop kStops[] = {
    {FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, Direction::Inbound, 14},
    {FWPM_LAYER_INBOUND_IPPACKET_V4, Direction::Inbound, 34},
    {FWPM_LAYER_INBOUND_TRANSPORT_V4, Direction::Inbound, 42},
    {FWPM_LAYER_DATAGRAM_DATA_V4, Direction::Inbound, 42},
    {FWPM_LAYER_DATAGRAM_DATA_V4, Direction::Outbound, 34},
    {FWPM_LAYER_OUTBOUND_TRANSPORT_V4, Direction::Outbound, 34},
    {FWPM_LAYER_OUTBOUND_IPPACKET_V4, Direction::Outbound, 14},
    {FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, Direction::Outbound, 0},
};

// Rules 25 and 35: every layer once, in the documented order, with the data where it has it.
TEST_F(ClassifyTest, TheOrderOfUdpAndWhereTheDataStarts) {
  struct Seen {
    UINT16 layer;
    ULONG offset;
    ULONG length;
  };
  std::vector<Seen> seen;
  std::vector<GUID> installed;
  for (const Stop& stop : kStops) {
    if (!installed.empty() && same_key(installed.back(), stop.layer)) continue;
    installed.push_back(stop.layer);
    FakeCallout& fake = new_fake();
    fake.on_classify = [&](const FWPS_INCOMING_VALUES0& values, auto&, NET_BUFFER_LIST* list,
                           auto&) {
      const NET_BUFFER& buffer = *list->FirstNetBuffer;
      EXPECT_EQ(buffer.CurrentMdlOffset, buffer.DataOffset);
      seen.push_back({values.layerId, buffer.DataOffset, buffer.DataLength});
    };
    install(fake, key(uint32_t(installed.size())), stop.layer, FWP_ACTION_CALLOUT_UNKNOWN);
  }
  for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
    seen.clear();
    Datagram datagram(direction);
    EXPECT_EQ(run(datagram), Verdict::Permit);
    std::vector<Stop> expected;
    for (const Stop& stop : kStops) {
      if (stop.direction == direction) expected.push_back(stop);
    }
    ASSERT_EQ(seen.size(), expected.size());
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].layer, layers()[size_t(find_layer(expected[i].layer))].id) << i;
      EXPECT_EQ(seen[i].offset, expected[i].data_at) << i;
      EXPECT_EQ(seen[i].length, datagram.bytes.size() - expected[i].data_at) << i;
    }
    EXPECT_EQ(datagram.indication.buffer.DataOffset, 0u);
  }
}

TEST_F(ClassifyTest, ALayerWhoseHeaderIsMissingIsPassedOver) {
  FakeCallout& fake = new_fake();
  install(fake, key(1), FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, FWP_ACTION_CALLOUT_UNKNOWN);
  Datagram datagram(Direction::Outbound);
  datagram.traffic.mac_header_bytes = 0;  // the kernel makes it
  run(datagram);
  EXPECT_EQ(fake.calls, 0);
}

TEST_F(ClassifyTest, ALowerLayersBlockEndsTheWay) {
  FakeCallout& mac = new_fake();
  FakeCallout& datagram_layer = new_fake();
  mac.on_classify = [](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) {
    out.actionType = FWP_ACTION_BLOCK;
  };
  install(mac, key(1), FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, FWP_ACTION_CALLOUT_TERMINATING);
  install(datagram_layer, key(2), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_INSPECTION);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Block);
  EXPECT_EQ(datagram_layer.calls, 0);
}

// Rule 34.
TEST_F(ClassifyTest, ACalloutThatIsNotRegistered) {
  const GUID layer = FWPM_LAYER_DATAGRAM_DATA_V4;
  const FWPM_CALLOUT0 added = testing::callout(key(1), layer);
  ASSERT_EQ(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr), STATUS_SUCCESS);
  const auto verdict_with = [&](FWP_ACTION_TYPE action, UINT32 flags) {
    FWPM_FILTER0 source = testing::filter(layer, action, key(1));
    source.flags = flags;
    UINT64 id = 0;
    EXPECT_EQ(engine.FwpmFilterAdd0(session, &source, nullptr, &id), STATUS_SUCCESS);
    Datagram datagram;
    const Verdict verdict = run(datagram);
    EXPECT_EQ(engine.FwpmFilterDeleteById0(session, id), STATUS_SUCCESS);
    return verdict;
  };
  EXPECT_EQ(verdict_with(FWP_ACTION_CALLOUT_TERMINATING, 0), Verdict::Block);
  EXPECT_EQ(verdict_with(FWP_ACTION_CALLOUT_UNKNOWN, 0), Verdict::Block);
  EXPECT_EQ(verdict_with(FWP_ACTION_CALLOUT_INSPECTION, 0), Verdict::Permit);
  EXPECT_EQ(
      verdict_with(FWP_ACTION_CALLOUT_UNKNOWN, FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED),
      Verdict::Permit);
}

TEST_F(ClassifyTest, AnInspectionsAnswerDoesNotCount) {
  FakeCallout& fake = new_fake();
  fake.on_classify = [](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) {
    out.actionType = FWP_ACTION_BLOCK;
  };
  install(fake, key(1), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_INSPECTION);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Permit);
  EXPECT_EQ(fake.calls, 1);
}

// Rule 32: without the right a callout finds the permit that it may only veto.
TEST_F(ClassifyTest, AHardPermitIsShownAndCanBeVetoed) {
  const FWPM_SUBLAYER0 high = testing::sublayer(key(100), 0x9000);
  ASSERT_EQ(engine.FwpmSubLayerAdd0(session, &high, nullptr), STATUS_SUCCESS);
  FWPM_FILTER0 permit = testing::filter(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_PERMIT);
  permit.subLayerKey = key(100);
  permit.flags = FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT;
  add(permit);
  FakeCallout& fake = new_fake();
  FWPS_CLASSIFY_OUT0 shown{};
  fake.on_classify = [&](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) {
    shown = out;
    out.actionType = FWP_ACTION_BLOCK;
  };
  install(fake, key(1), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_TERMINATING);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Block);
  EXPECT_EQ(shown.actionType, UINT32{FWP_ACTION_PERMIT});
  EXPECT_EQ(shown.rights, 0u);
  EXPECT_EQ(engine.report().vetoes, 1u);
}

TEST_F(ClassifyTest, WithTheRightNothingIsDecidedYet) {
  FakeCallout& fake = new_fake();
  FWPS_CLASSIFY_OUT0 shown{};
  fake.on_classify = [&](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) { shown = out; };
  install(fake, key(1), FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_TERMINATING);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Permit);
  EXPECT_EQ(shown.actionType, UINT32{FWP_ACTION_CONTINUE});
  EXPECT_EQ(shown.rights, UINT32{FWPS_RIGHT_ACTION_WRITE});
  EXPECT_NE(shown.filterId, 0u);
}

// Rule 26.
TEST_F(ClassifyTest, AForgottenAdvanceIsReportedAndPutRight) {
  struct Watch final : CallWatch {
    int before_calls = 0, after_calls = 0;
    std::vector<std::string> breaches;
    void before(const CalloutName&, CalloutCall) override { ++before_calls; }
    void after(const CalloutName&, CalloutCall) override { ++after_calls; }
    void breach(const CalloutName& callout, CalloutCall, std::string_view text) override {
      EXPECT_TRUE(same_key(callout.key, key(1)));
      breaches.emplace_back(text);
    }
  } watch;
  FakeCallout fake;
  fake.on_classify = [](auto&, auto&, NET_BUFFER_LIST* list, FWPS_CLASSIFY_OUT0& out) {
    list->FirstNetBuffer->DataOffset -= 8;
    list->FirstNetBuffer->DataLength += 8;
    out.actionType = 0x1234;
  };
  Engine watched(log, &watch);
  HANDLE handle = nullptr;
  ASSERT_EQ(watched.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &handle), STATUS_SUCCESS);
  const FWPS_CALLOUT3 functions = fake.functions(key(1));
  const FWPM_CALLOUT0 added = testing::callout(key(1), FWPM_LAYER_DATAGRAM_DATA_V4);
  FWPM_FILTER0 of_it =
      testing::filter(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_UNKNOWN, key(1));
  of_it.rawContext = fake.context();
  ASSERT_EQ(watched.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(watched.FwpmCalloutAdd0(handle, &added, nullptr, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(watched.FwpmFilterAdd0(handle, &of_it, nullptr, nullptr), STATUS_SUCCESS);
  Datagram datagram;
  EXPECT_EQ(
      watched.classify(datagram.traffic, &datagram.indication.list, Depth::Mac, Depth::Datagram),
      Verdict::Permit);
  EXPECT_EQ(watch.breaches.size(), 2u);
  EXPECT_EQ(datagram.indication.buffer.DataOffset, 0u);
  EXPECT_EQ(watched.report().callouts[0].breaches, 2u);
  const GUID its_key = key(1);
  EXPECT_EQ(watched.FwpsCalloutUnregisterByKey0(&its_key), STATUS_SUCCESS);
  EXPECT_EQ(watch.before_calls, watch.after_calls);
  EXPECT_EQ(watch.before_calls, 3);  // add, classify, delete
}

TEST_F(ClassifyTest, ACalloutThatIsConditionalOnAFlowWaitsForItsContext) {
  FakeCallout& fake = new_fake();
  const FWPS_CALLOUT3 functions = fake.functions(key(1), FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW);
  const FWPM_CALLOUT0 added = testing::callout(key(1), FWPM_LAYER_DATAGRAM_DATA_V4);
  FWPM_FILTER0 of_it =
      testing::filter(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_TERMINATING, key(1));
  of_it.rawContext = fake.context();
  ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr), STATUS_SUCCESS);
  add(of_it);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Permit);
  EXPECT_EQ(fake.calls, 0);
}

TEST_F(ClassifyTest, ConditionsOfOneFieldAreAlternativesOfSeveralAllHold) {
  FakeCallout& fake = new_fake();
  install(fake, key(1), FWPM_LAYER_INBOUND_TRANSPORT_V4, FWP_ACTION_CALLOUT_INSPECTION);
  std::vector<FWPM_FILTER_CONDITION0> conditions = {
      condition(FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_EQUAL, FWP_UINT16, 67),
      condition(FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8, 17),
      condition(FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_EQUAL, FWP_UINT16, 68),
  };
  FWPM_FILTER0 blocks = testing::filter(FWPM_LAYER_INBOUND_TRANSPORT_V4, FWP_ACTION_BLOCK);
  blocks.numFilterConditions = uint32_t(conditions.size());
  blocks.filterCondition = conditions.data();
  add(blocks);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Block);
  datagram.traffic.remote_port = 69;
  EXPECT_EQ(run(datagram), Verdict::Permit);
  datagram.traffic.remote_port = 67;
  EXPECT_EQ(run(datagram), Verdict::Block);
  datagram.traffic.protocol = 6;
  EXPECT_EQ(run(datagram), Verdict::Permit);
}

}  // namespace
}  // namespace hookline::filter
