#include "filter/flows.h"

#include <gtest/gtest.h>

#include <thread>

#include "filter/flows_testing.h"

namespace hookline::filter {
namespace {

using testing::Asked;
using testing::Datagram;
using testing::datagram_of;
using testing::FakeDriver;
using testing::FlowCallout;

constexpr uint32_t kClient = 0x0A000005, kOther = 0x0A000006;

class AleFlows : public testing::FlowTest {};

std::string layer_name(uint16_t id) {
  for (const Layer& layer : layers()) {
    if (layer.id == id) return std::string(layer.name);
  }
  return "?";
}

// --- the order (reference, rule 35) --------------------------------------------------------------

TEST_F(AleFlows, LayersInTheDocumentedOrder) {
  std::vector<std::string> seen;
  for (const GUID& layer :
       {FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, FWPM_LAYER_INBOUND_IPPACKET_V4,
        FWPM_LAYER_INBOUND_TRANSPORT_V4, FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4,
        FWPM_LAYER_ALE_AUTH_CONNECT_V4, FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4,
        FWPM_LAYER_DATAGRAM_DATA_V4, FWPM_LAYER_OUTBOUND_TRANSPORT_V4,
        FWPM_LAYER_OUTBOUND_IPPACKET_V4, FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET}) {
    add(layer, FWP_ACTION_CALLOUT_INSPECTION).on_classify = [&](const Asked& asked) {
      seen.push_back(layer_name(asked.values.layerId));
    };
  }
  EXPECT_EQ(in(kClient), Verdict::Permit);
  EXPECT_EQ(seen, (std::vector<std::string>{"INBOUND_MAC_FRAME_ETHERNET", "INBOUND_IPPACKET_V4",
                                            "INBOUND_TRANSPORT_V4", "ALE_AUTH_RECV_ACCEPT_V4",
                                            "ALE_FLOW_ESTABLISHED_V4", "DATAGRAM_DATA_V4"}));
  seen.clear();
  EXPECT_EQ(in(kClient), Verdict::Permit);
  EXPECT_EQ(seen, (std::vector<std::string>{"INBOUND_MAC_FRAME_ETHERNET", "INBOUND_IPPACKET_V4",
                                            "INBOUND_TRANSPORT_V4", "DATAGRAM_DATA_V4"}));
  seen.clear();
  EXPECT_EQ(out(kOther), Verdict::Permit);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"ALE_AUTH_CONNECT_V4", "ALE_FLOW_ESTABLISHED_V4",
                                      "DATAGRAM_DATA_V4", "OUTBOUND_TRANSPORT_V4",
                                      "OUTBOUND_IPPACKET_V4", "OUTBOUND_MAC_FRAME_ETHERNET"}));
  // The answer in a flow that has begun inbound.
  seen.clear();
  EXPECT_EQ(out(kClient), Verdict::Permit);
  EXPECT_EQ(seen,
            (std::vector<std::string>{"DATAGRAM_DATA_V4", "OUTBOUND_TRANSPORT_V4",
                                      "OUTBOUND_IPPACKET_V4", "OUTBOUND_MAC_FRAME_ETHERNET"}));
}

TEST_F(AleFlows, AddressesThatAreEverybodysAreOneFlowForEachInterface) {
  FlowCallout& auth = add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  Datagram first = datagram_of(Direction::Inbound, 0, 68, 0xFFFFFFFF);
  run(first);
  first.traffic.remote_mac.octets[5] ^= 1;
  run(first);
  EXPECT_EQ(auth.calls, 1);
  first.traffic.ifindex = 4;
  run(first);
  EXPECT_EQ(auth.calls, 2);
  in(kClient);
  Datagram other_way = datagram_of(Direction::Inbound, kClient);
  other_way.traffic.ifindex = 4;
  run(other_way);
  EXPECT_EQ(auth.calls, 3);
}

// --- what is shown -------------------------------------------------------------------------------

TEST_F(AleFlows, ValuesHaveTheTypesOfTheirFields) {
  size_t checked = 0;
  const auto check = [&](const Asked& asked) {
    for (const Layer& layer : layers()) {
      if (layer.id != asked.values.layerId) continue;
      ASSERT_EQ(asked.values.valueCount, layer.fields.size()) << layer.name;
      for (size_t i = 0; i < layer.fields.size(); ++i) {
        const FWP_DATA_TYPE type = asked.values.incomingValue[i].value.type;
        const FWP_DATA_TYPE meant = field_type(layer, static_cast<int>(i));
        EXPECT_TRUE(meant == FWP_EMPTY || type == meant) << layer.name << " " << layer.fields[i];
      }
      ++checked;
    }
  };
  add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4).on_classify = check;
  add(FWPM_LAYER_ALE_AUTH_CONNECT_V4).on_classify = check;
  add(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4).on_classify = check;
  in(kClient);
  out(kOther);
  EXPECT_EQ(checked, 4u);
}

TEST_F(AleFlows, ValuesAndMetadataOfAFlow) {
  FlowOptions options;
  options.program = "/usr/sbin/hookline";
  flows.configure(options);
  UINT64 at_auth = 0, at_established = 0, at_datagram = 0;
  add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4).on_classify = [&](const Asked& asked) {
    const auto* values = asked.values.incomingValue;
    EXPECT_EQ(values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_REMOTE_ADDRESS].value.uint32, kClient);
    EXPECT_EQ(values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_REMOTE_PORT].value.uint16, 68);
    EXPECT_EQ(values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_LOCAL_PORT].value.uint16, 67);
    EXPECT_EQ(values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_IP_PROTOCOL].value.uint8, 17);
    EXPECT_EQ(values[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_INTERFACE_INDEX].value.uint32, 3u);
    EXPECT_EQ(asked.flags(), 0u);
    const FWP_BYTE_BLOB& path = *asked.metadata.processPath;
    ASSERT_EQ(path.size, 2 * (std::string_view("/usr/sbin/hookline").size() + 1));
    EXPECT_EQ(std::u16string(reinterpret_cast<const char16_t*>(path.data)), u"/usr/sbin/hookline");
    EXPECT_NE(asked.completion(), nullptr);
    // Behind the transport header, as at INBOUND_TRANSPORT.
    EXPECT_EQ(asked.list->FirstNetBuffer->DataLength, Datagram::kPayload);
    at_auth = asked.flow();
  };
  add(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4).on_classify = [&](const Asked& asked) {
    const auto& direction =
        asked.values.incomingValue[FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_DIRECTION].value;
    EXPECT_EQ(direction.uint32, static_cast<UINT32>(FWP_DIRECTION_INBOUND));
    EXPECT_EQ(asked.completion(), nullptr);
    at_established = asked.flow();
  };
  add(FWPM_LAYER_DATAGRAM_DATA_V4).on_classify = [&](const Asked& asked) {
    at_datagram = asked.flow();
  };
  in(kClient);
  EXPECT_NE(at_auth, 0u);
  EXPECT_EQ(at_established, at_auth);
  EXPECT_EQ(at_datagram, at_auth);
  out(kClient);
  EXPECT_EQ(at_datagram, at_auth);
}

TEST_F(AleFlows, NobodyAsksForFlows) {
  FlowCallout& plain =
      add(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_UNKNOWN, 0, /*flow_delete=*/false);
  plain.on_classify = [](const Asked& asked) { EXPECT_EQ(asked.flow(), 0u); };
  in(kClient);
  EXPECT_EQ(plain.calls, 1);
  EXPECT_EQ(flows.report().udp, 0u);
}

TEST_F(AleFlows, AnAleFilterAloneConcernsTheInjector) {
  EXPECT_FALSE(engine.concerns(Direction::Outbound, Depth::Datagram, Depth::Mac));
  add_filter(FWPM_LAYER_ALE_AUTH_CONNECT_V4, FWP_ACTION_BLOCK);
  EXPECT_TRUE(engine.concerns(Direction::Outbound, Depth::Datagram, Depth::Mac));
  EXPECT_FALSE(engine.concerns(Direction::Outbound, Depth::Network, Depth::Mac));
  EXPECT_TRUE(engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram));
  EXPECT_EQ(out(kClient), Verdict::Block);
  EXPECT_EQ(in(kOther), Verdict::Permit);
}

// --- blocked, and asked again --------------------------------------------------------------------

TEST_F(AleFlows, WhatIsBlockedStaysBlockedUntilItIsIdle) {
  FlowCallout& auth = add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  auth.on_classify = [](const Asked& asked) { asked.block(); };
  EXPECT_EQ(in(kClient), Verdict::Block);
  EXPECT_EQ(in(kClient), Verdict::Block);
  EXPECT_EQ(out(kClient), Verdict::Block);
  EXPECT_EQ(auth.calls, 1);
  EXPECT_EQ(engine.blocker(), "filter");
  now_ns += kUdpFlowIdleNs;
  auth.on_classify = [](const Asked& asked) {
    EXPECT_FALSE(asked.again());
    asked.permit();
  };
  EXPECT_EQ(in(kClient), Verdict::Permit);
  EXPECT_EQ(auth.calls, 2);
}

TEST_F(AleFlows, AChangeOfItsFiltersAuthorizesAgain) {
  FlowCallout& auth = add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  int established = 0;
  add(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4).on_classify = [&](const Asked& asked) {
    ++established;
    flows.FwpsFlowAssociateContext0(driver, asked.flow(), asked.values.layerId, callouts.back().id,
                                    5);
  };
  EXPECT_EQ(in(kClient), Verdict::Permit);
  bool again = false;
  auth.on_classify = [&](const Asked& asked) {
    again = asked.again();
    EXPECT_EQ(asked.reason(), UINT32{FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE});
    HANDLE context = nullptr;
    EXPECT_EQ(flows.FwpsPendOperation0(driver, asked.completion(), &context),
              STATUS_FWP_CANNOT_PEND);
  };
  add_filter(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_PERMIT);  // another layer's
  in(kClient);
  EXPECT_EQ(auth.calls, 1);
  const UINT64 rule = add_filter(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, FWP_ACTION_PERMIT);
  EXPECT_EQ(out(kClient), Verdict::Permit);  // of whichever direction
  EXPECT_TRUE(again);
  EXPECT_EQ(auth.calls, 2);
  EXPECT_EQ(established, 1);
  EXPECT_EQ(driver.breaches(), 0u);
  // Now it is blocked: the flow is over.
  auth.on_classify = [](const Asked& asked) { asked.block(); };
  engine.FwpmFilterDeleteById0(session, rule);
  EXPECT_EQ(in(kClient), Verdict::Block);
  EXPECT_EQ(callouts.back().deletions(), 1u);
  // And after the next change it is a new one.
  auth.on_classify = [](const Asked& asked) { EXPECT_FALSE(asked.again()); };
  add_filter(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, FWP_ACTION_PERMIT);
  EXPECT_EQ(in(kClient), Verdict::Permit);
  EXPECT_EQ(established, 2);
  EXPECT_EQ(flows.report().reauthorized, 2u);
}

TEST_F(AleFlows, AbsorbedWithoutPendingDecidesNothing) {
  FlowCallout& auth = add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  auth.on_classify = [](const Asked& asked) { asked.absorb(); };
  EXPECT_EQ(in(kClient), Verdict::Absorb);
  EXPECT_EQ(flows.report().udp, 0u);
  EXPECT_EQ(in(kClient), Verdict::Absorb);
  EXPECT_EQ(auth.calls, 2);
}

TEST_F(AleFlows, ACalloutThatBlocksAtFlowEstablishedIsNamedAndObeyed) {
  FlowCallout& told = add(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4);
  told.on_classify = [](const Asked& asked) { asked.block(); };
  EXPECT_EQ(in(kClient), Verdict::Block);
  EXPECT_EQ(in(kClient), Verdict::Block);
  EXPECT_EQ(told.calls, 1);
  ASSERT_EQ(watch.breaches.size(), 1u);
  EXPECT_NE(watch.breaches[0].find("ALE_FLOW_ESTABLISHED"), std::string::npos);
}

// --- pending -------------------------------------------------------------------------------------

class Pending : public testing::FlowTest {
 protected:
  // A callout that pends each first authorization, and permits or blocks when asked again.
  FlowCallout& pend_at(const GUID& layer) {
    FlowCallout& auth = add(layer);
    auth.on_classify = [this](const Asked& asked) {
      if (asked.again()) {
        lists.push_back(asked.list);
        reasons.push_back(asked.reason());
        return allow ? asked.permit() : asked.block();
      }
      HANDLE context = nullptr;
      status = flows.FwpsPendOperation0(driver, asked.completion(), &context);
      if (status == STATUS_SUCCESS) contexts.push_back(context);
      asked.absorb();
    };
    return auth;
  }
  bool allow = true;
  NTSTATUS status = STATUS_SUCCESS;
  std::vector<HANDLE> contexts;
  std::vector<NET_BUFFER_LIST*> lists;
  std::vector<uint32_t> reasons;
};

TEST_F(Pending, UdpIsAuthorizedAgainWhenItIsCompletedFromAnyThread) {
  for (const bool inbound : {true, false}) {
    FlowCallout& auth =
        pend_at(inbound ? FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4 : FWPM_LAYER_ALE_AUTH_CONNECT_V4);
    const auto one = [&] { return inbound ? in(kClient) : out(kOther); };
    EXPECT_EQ(one(), Verdict::Absorb);
    EXPECT_EQ(one(), Verdict::Absorb);  // each packet is asked about until then
    EXPECT_EQ(auth.calls, 2);
    EXPECT_EQ(flows.report().pended, 2u);
    std::thread([&] { flows.FwpsCompleteOperation0(driver, contexts[0], nullptr); }).join();
    // The packet itself comes again; it finds the flow open.
    EXPECT_EQ(one(), Verdict::Permit);
    EXPECT_EQ(auth.calls, 3);
    EXPECT_EQ(lists.back(), nullptr);
    EXPECT_EQ(reasons.back(), UINT32{FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION});
    // The other one's completion decides nothing any more.
    flows.FwpsCompleteOperation0(driver, contexts[1], nullptr);
    pump();
    EXPECT_EQ(one(), Verdict::Permit);
    EXPECT_EQ(auth.calls, 3);
    EXPECT_EQ(flows.report().pended, 0u);
    contexts.clear();
  }
  EXPECT_EQ(driver.breaches(), 0u);
}

TEST_F(Pending, WhatIsRefusedAfterwardsStaysRefused) {
  FlowCallout& auth = pend_at(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  allow = false;
  in(kClient);
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  pump();
  EXPECT_EQ(auth.calls, 2);
  EXPECT_EQ(in(kClient), Verdict::Block);
  EXPECT_EQ(auth.calls, 2);
}

TEST_F(Pending, CompletedTwiceIsABreachAndNothingElse) {
  pend_at(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  in(kClient);
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  EXPECT_EQ(driver.breaches(), 1u);
  pump();
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  flows.FwpsCompleteOperation0(driver, nullptr, nullptr);
  EXPECT_EQ(driver.breaches(), 3u);
}

TEST_F(Pending, OnlyInsideAnAleAuthClassifyOfATerminatingFilter) {
  HANDLE context = nullptr;
  std::vector<NTSTATUS> got;
  const auto pend = [&](const Asked& asked) {
    got.push_back(flows.FwpsPendOperation0(driver, asked.completion(), &context));
  };
  for (const GUID& layer : {FWPM_LAYER_INBOUND_TRANSPORT_V4, FWPM_LAYER_DATAGRAM_DATA_V4,
                            FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4}) {
    add(layer).on_classify = pend;
  }
  add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, FWP_ACTION_CALLOUT_INSPECTION).on_classify = pend;
  EXPECT_EQ(in(kClient), Verdict::Permit);
  EXPECT_EQ(got, std::vector<NTSTATUS>(4, STATUS_FWP_CANNOT_PEND));
  EXPECT_EQ(driver.breaches(), 4u);
  EXPECT_EQ(flows.FwpsPendOperation0(driver, reinterpret_cast<HANDLE>(1), &context),
            STATUS_FWP_CANNOT_PEND);
}

TEST_F(Pending, OnceAndWithItsOwnCompletionHandle) {
  add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4).on_classify = [&](const Asked& asked) {
    HANDLE context = nullptr;
    EXPECT_EQ(flows.FwpsPendOperation0(driver, asked.completion(), nullptr),
              STATUS_FWP_NULL_POINTER);
    EXPECT_EQ(flows.FwpsPendOperation0(driver, reinterpret_cast<HANDLE>(99), &context),
              STATUS_FWP_CANNOT_PEND);
    EXPECT_EQ(flows.FwpsPendOperation0(driver, asked.completion(), &context), STATUS_SUCCESS);
    EXPECT_EQ(flows.FwpsPendOperation0(driver, asked.completion(), &context),
              STATUS_FWP_CANNOT_PEND);
    asked.absorb();
  };
  EXPECT_EQ(in(kClient), Verdict::Absorb);
  EXPECT_EQ(driver.breaches(), 2u);
}

TEST_F(Pending, PendedWithoutAbsorbingIsNamedAndAbsorbed) {
  HANDLE context = nullptr;
  add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4).on_classify = [&](const Asked& asked) {
    if (!asked.again()) flows.FwpsPendOperation0(driver, asked.completion(), &context);
    asked.permit();
  };
  EXPECT_EQ(in(kClient), Verdict::Absorb);
  ASSERT_EQ(watch.breaches.size(), 1u);
  EXPECT_NE(watch.breaches[0].find("absorb"), std::string::npos);
  flows.FwpsCompleteOperation0(driver, context, nullptr);
  EXPECT_EQ(in(kClient), Verdict::Permit);
}

TEST_F(Pending, Bounded) {
  pend_at(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  for (size_t i = 0; i < kPendedOperationsMax; ++i) in(kClient, uint16_t(1000 + i % 8));
  EXPECT_EQ(status, STATUS_SUCCESS);
  in(kClient);
  EXPECT_EQ(status, STATUS_INSUFFICIENT_RESOURCES);
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  pump();
  in(kClient);
  EXPECT_EQ(status, STATUS_SUCCESS);
}

TEST_F(Pending, ADriverThatIsGoneLeavesNothingPended) {
  int one = 0;
  FlowCallout& auth =
      add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, FWP_ACTION_CALLOUT_UNKNOWN, 0, true, &one);
  auth.on_classify = [&](const Asked& asked) {
    HANDLE context = nullptr;
    EXPECT_EQ(flows.FwpsPendOperation0(driver, asked.completion(), &context), STATUS_SUCCESS);
    contexts.push_back(context);
    flows.FwpsFlowAssociateContext0(driver, asked.flow(), asked.values.layerId, auth.id, 3);
    asked.absorb();
  };
  in(kClient);
  const FlowId connection = flows.open_tcp(tcp(kClient));
  EXPECT_EQ(flows.admission(connection), Admission::Pending);
  Engine::Swept swept;
  EXPECT_TRUE(engine.sweep(&one, {&session, 1}, swept));
  EXPECT_EQ(swept.pended, 2u);
  EXPECT_EQ(swept.contexts, 2u);
  EXPECT_EQ(auth.deletions(), 0u);
  EXPECT_EQ(flows.report().contexts, 0u);
  pump();
  EXPECT_EQ(flows.admission(connection), Admission::Open);
  EXPECT_EQ(in(kClient), Verdict::Permit);
  flows.close_tcp(connection);
}

// --- TCP -----------------------------------------------------------------------------------------

TEST_F(Pending, Tcp) {
  FlowCallout& auth = pend_at(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  int established = 0;
  add(FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4).on_classify = [&](const Asked& asked) {
    ++established;
    const auto& protocol =
        asked.values.incomingValue[FWPS_FIELD_ALE_FLOW_ESTABLISHED_V4_IP_PROTOCOL].value;
    EXPECT_EQ(protocol.uint8, 6);
    EXPECT_EQ(asked.list, nullptr);
    EXPECT_EQ(flows.FwpsFlowAssociateContext0(driver, asked.flow(), FWPS_LAYER_STREAM_V4,
                                              callouts.back().id, 77),
              STATUS_SUCCESS);
  };
  const FlowId good = flows.open_tcp(tcp(kClient));
  const FlowId bad = flows.open_tcp(tcp(kOther));
  EXPECT_EQ(flows.admission(good), Admission::Pending);
  EXPECT_EQ(flows.traffic_of_tcp(good).flow_handle, good);
  pump();
  EXPECT_FALSE(flows.take_tcp_changes());
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  EXPECT_EQ(flows.admission(good), Admission::Pending);  // until pump()
  pump();
  EXPECT_TRUE(flows.take_tcp_changes());
  EXPECT_FALSE(flows.take_tcp_changes());
  EXPECT_EQ(flows.admission(good), Admission::Open);
  EXPECT_EQ(established, 1);
  allow = false;
  flows.FwpsCompleteOperation0(driver, contexts[1], nullptr);
  pump();
  EXPECT_EQ(flows.admission(bad), Admission::Refused);
  EXPECT_EQ(established, 1);
  flows.close_tcp(bad);
  EXPECT_EQ(callouts.back().deletions(), 0u);
  // A change of filters: blocked now, so to be reset.
  EXPECT_FALSE(flows.must_abort(good));
  auth.on_classify = [](const Asked& asked) { asked.again() ? asked.block() : asked.permit(); };
  add_filter(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4, FWP_ACTION_PERMIT);
  pump();
  EXPECT_TRUE(flows.take_tcp_changes());
  EXPECT_TRUE(flows.must_abort(good));
  EXPECT_EQ(flows.admission(good), Admission::Open);
  flows.close_tcp(good);
  EXPECT_EQ(callouts.back().deleted, std::vector<UINT64>{77});
}

TEST_F(Pending, AConnectionThatEndsWhileItIsPended) {
  pend_at(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  const FlowId flow = flows.open_tcp(tcp(kClient));
  flows.close_tcp(flow);
  const FlowId next = flows.open_tcp(tcp(kClient));
  EXPECT_NE(next, flow);
  flows.FwpsCompleteOperation0(driver, contexts[0], nullptr);
  pump();
  EXPECT_EQ(flows.admission(next), Admission::Pending);
  EXPECT_EQ(driver.breaches(), 0u);
  flows.close_tcp(next);
}

TEST_F(AleFlows, TcpIsBoundedAndOpenWhereNobodyAsks) {
  std::vector<FlowId> all;
  for (size_t i = 0; i < kTcpFlowsMax; ++i) {
    all.push_back(flows.open_tcp(tcp(kClient)));
    EXPECT_NE(all.back(), 0u);
    EXPECT_EQ(flows.admission(all.back()), Admission::Open);
  }
  EXPECT_EQ(flows.open_tcp(tcp(kClient)), 0u);
  EXPECT_EQ(flows.report().tcp, kTcpFlowsMax);
  for (const FlowId flow : all) flows.close_tcp(flow);
  EXPECT_EQ(flows.report().tcp, 0u);
}

// --- classify handles ----------------------------------------------------------------------------

TEST_F(AleFlows, ClassifyHandles) {
  UINT64 handle = 0;
  int asked_for = 0;
  FlowCallout& auth = add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
  auth.on_classify = [&](const Asked& asked) {
    ++asked_for;
    auto* context = const_cast<void*>(asked.classify_context);
    ASSERT_EQ(flows.FwpsAcquireClassifyHandle0(driver, context, 0, &handle), STATUS_SUCCESS);
    EXPECT_EQ(flows.FwpsPendClassify0(driver, handle, 1, 0, &asked.out),
              STATUS_FWP_INVALID_PARAMETER);
    EXPECT_EQ(flows.FwpsPendClassify0(driver, handle, asked.filter.filterId, 0, &asked.out),
              STATUS_SUCCESS);
    EXPECT_EQ(asked.out.actionType, UINT32{FWP_ACTION_BLOCK});
  };
  FWPS_CLASSIFY_OUT0 answer{};
  answer.actionType = FWP_ACTION_BLOCK;
  const FlowId refused = flows.open_tcp(tcp(kClient));
  flows.FwpsCompleteClassify0(driver, handle, 0, &answer);
  flows.FwpsReleaseClassifyHandle0(driver, handle);
  pump();
  EXPECT_EQ(flows.admission(refused), Admission::Refused);
  answer.actionType = FWP_ACTION_PERMIT;
  const FlowId open = flows.open_tcp(tcp(kClient));
  EXPECT_EQ(flows.admission(open), Admission::Pending);
  flows.FwpsCompleteClassify0(driver, handle, 0, &answer);
  pump();
  EXPECT_EQ(flows.admission(open), Admission::Open);
  flows.FwpsReleaseClassifyHandle0(driver, handle);
  EXPECT_EQ(asked_for, 2);  // the answer stands for the callout
  EXPECT_EQ(driver.breaches(), 0u);
  flows.FwpsReleaseClassifyHandle0(driver, handle);
  flows.FwpsCompleteClassify0(driver, handle, 0, &answer);
  EXPECT_EQ(driver.breaches(), 2u);
  EXPECT_EQ(flows.FwpsAcquireClassifyHandle0(driver, &answer, 0, &handle),
            STATUS_FWP_INVALID_PARAMETER);
  EXPECT_EQ(driver.breaches(), 3u);
  // Released before it was answered: as the filters without an answer say, which pend no more.
  const FlowId third = flows.open_tcp(tcp(kClient));
  auth.on_classify = [](const Asked&) {};
  flows.FwpsReleaseClassifyHandle0(driver, handle);
  EXPECT_EQ(driver.breaches(), 4u);
  pump();
  EXPECT_EQ(flows.admission(third), Admission::Open);
  for (const FlowId flow : {refused, open, third}) flows.close_tcp(flow);
}

}  // namespace
}  // namespace hookline::filter
