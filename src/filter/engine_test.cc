// Sessions, transactions, registrations and notifications.
#include "filter/engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/limits.h"
#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::callout;
using testing::Datagram;
using testing::EngineTest;
using testing::FakeCallout;
using testing::key;
using testing::kInspectKey;
using testing::sublayer;

constexpr GUID kLayer = FWPM_LAYER_INBOUND_TRANSPORT_V4;
using Events = std::vector<std::string>;

void block(FWPS_CLASSIFY_OUT0& out) {
  out.actionType = FWP_ACTION_BLOCK;
  out.rights &= ~UINT32{FWPS_RIGHT_ACTION_WRITE};
}

TEST_F(EngineTest, IsRunning) {
  EXPECT_EQ(engine.FwpmBfeStateGet0(), FWPM_SERVICE_RUNNING);
  HANDLE change = nullptr;
  const auto callback = [](void*, FWPM_SERVICE_STATE) {};
  EXPECT_EQ(engine.FwpmBfeStateSubscribeChanges0(nullptr, callback, nullptr, &change),
            STATUS_SUCCESS);
  EXPECT_EQ(engine.FwpmBfeStateUnsubscribeChanges0(change), STATUS_SUCCESS);
}

TEST_F(EngineTest, WithoutFiltersNothingIsConcerned) {
  EXPECT_FALSE(engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram));
  FakeCallout& fake = new_fake();
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_INSPECTION);
  EXPECT_TRUE(engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram));
  EXPECT_TRUE(engine.concerns(Direction::Inbound, Depth::Transport, Depth::Transport));
  EXPECT_FALSE(engine.concerns(Direction::Inbound, Depth::Mac, Depth::Network));
  EXPECT_FALSE(engine.concerns(Direction::Outbound, Depth::Datagram, Depth::Mac));
}

TEST_F(EngineTest, HandlesThatAreNone) {
  const HANDLE closed = open();
  ASSERT_EQ(engine.FwpmEngineClose0(closed), STATUS_SUCCESS);
  for (const HANDLE bad : {HANDLE{}, closed, reinterpret_cast<HANDLE>(uintptr_t(-1))}) {
    EXPECT_EQ(engine.FwpmEngineClose0(bad), STATUS_INVALID_HANDLE);
    EXPECT_EQ(engine.FwpmTransactionBegin0(bad, 0), STATUS_INVALID_HANDLE);
    EXPECT_EQ(engine.FwpmTransactionCommit0(bad), STATUS_INVALID_HANDLE);
    EXPECT_EQ(engine.FwpmFilterDeleteById0(bad, 1), STATUS_INVALID_HANDLE);
  }
  EXPECT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, nullptr),
            STATUS_FWP_NULL_POINTER);
  EXPECT_EQ(engine.FwpmFilterAdd0(session, nullptr, nullptr, nullptr), STATUS_FWP_NULL_POINTER);
}

TEST_F(EngineTest, SessionsHaveTheirLimit) {
  std::vector<HANDLE> handles;
  while (handles.size() + 1 < kFilterSessionsMax) handles.push_back(open());
  HANDLE one_more = nullptr;
  EXPECT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &one_more),
            STATUS_INSUFFICIENT_RESOURCES);
  for (const HANDLE handle : handles) EXPECT_EQ(engine.FwpmEngineClose0(handle), STATUS_SUCCESS);
}

TEST_F(EngineTest, ATransactionIsSeenWhenItIsCommitted) {
  Datagram datagram;
  ASSERT_EQ(engine.FwpmTransactionBegin0(session, 0), STATUS_SUCCESS);
  EXPECT_EQ(engine.FwpmTransactionBegin0(session, 0), STATUS_FWP_TXN_IN_PROGRESS);
  const FWPM_FILTER0 blocks = testing::filter(kLayer, FWP_ACTION_BLOCK);
  UINT64 id = 0;
  ASSERT_EQ(engine.FwpmFilterAdd0(session, &blocks, nullptr, &id), STATUS_SUCCESS);
  EXPECT_EQ(run(datagram), Verdict::Permit);
  ASSERT_EQ(engine.FwpmTransactionCommit0(session), STATUS_SUCCESS);
  EXPECT_EQ(run(datagram), Verdict::Block);
  EXPECT_EQ(engine.FwpmTransactionCommit0(session), STATUS_FWP_NO_TXN_IN_PROGRESS);
  ASSERT_EQ(engine.FwpmFilterDeleteById0(session, id), STATUS_SUCCESS);
  EXPECT_EQ(run(datagram), Verdict::Permit);
}

TEST_F(EngineTest, AnAbortedTransactionLeavesNothing) {
  ASSERT_EQ(engine.FwpmTransactionBegin0(session, 0), STATUS_SUCCESS);
  const FWPM_SUBLAYER0 added = sublayer(key(1), 9);
  const FWPM_CALLOUT0 its_callout = callout(key(2), kLayer);
  FWPM_FILTER0 blocks = testing::filter(kLayer, FWP_ACTION_CALLOUT_UNKNOWN, key(2));
  blocks.subLayerKey = key(1);
  ASSERT_EQ(engine.FwpmSubLayerAdd0(session, &added, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmCalloutAdd0(session, &its_callout, nullptr, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmFilterAdd0(session, &blocks, nullptr, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmTransactionAbort0(session), STATUS_SUCCESS);
  EXPECT_EQ(engine.report().filters.size(), 0u);
  EXPECT_EQ(engine.report().callouts.size(), 0u);
  EXPECT_EQ(engine.FwpmSubLayerAdd0(session, &added, nullptr), STATUS_SUCCESS);
  EXPECT_EQ(engine.FwpmTransactionAbort0(session), STATUS_FWP_NO_TXN_IN_PROGRESS);
}

TEST_F(EngineTest, AReadOnlyTransactionWritesNothing) {
  ASSERT_EQ(engine.FwpmTransactionBegin0(session, FWPM_TXN_READ_ONLY), STATUS_SUCCESS);
  const FWPM_SUBLAYER0 added = sublayer(key(1), 9);
  EXPECT_EQ(engine.FwpmSubLayerAdd0(session, &added, nullptr), STATUS_FWP_INCOMPATIBLE_TXN);
  EXPECT_EQ(engine.FwpmTransactionCommit0(session), STATUS_SUCCESS);
}

TEST_F(EngineTest, AnotherWriterWaitsAndGivesUp) {
  FWPM_SESSION0 impatient{};
  impatient.txnWaitTimeoutInMSec = 1;
  HANDLE other = nullptr;
  ASSERT_EQ(engine.FwpmEngineOpen0(nullptr, 10, nullptr, &impatient, &other), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmTransactionBegin0(session, 0), STATUS_SUCCESS);
  const FWPM_SUBLAYER0 added = sublayer(key(1), 9);
  EXPECT_EQ(engine.FwpmTransactionBegin0(other, 0), STATUS_FWP_TIMEOUT);
  EXPECT_EQ(engine.FwpmSubLayerAdd0(other, &added, nullptr), STATUS_FWP_TIMEOUT);
  ASSERT_EQ(engine.FwpmEngineClose0(session), STATUS_SUCCESS);  // aborts
  EXPECT_EQ(engine.FwpmSubLayerAdd0(other, &added, nullptr), STATUS_SUCCESS);
  session = other;
}

TEST_F(EngineTest, ADynamicSessionTakesItsObjectsAlong) {
  FakeCallout& fake = new_fake();
  const HANDLE dynamic = open(FWPM_SESSION_FLAG_DYNAMIC);
  std::swap(session, const_cast<HANDLE&>(dynamic));
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_TERMINATING);
  std::swap(session, const_cast<HANDLE&>(dynamic));
  Datagram datagram;
  run(datagram);
  EXPECT_EQ(fake.calls, 1);
  ASSERT_EQ(engine.FwpmEngineClose0(dynamic), STATUS_SUCCESS);
  run(datagram);
  EXPECT_EQ(fake.calls, 1);
  EXPECT_EQ(fake.events, (Events{"add", "delete"}));
  EXPECT_EQ(engine.report().filters.size(), 0u);
}

TEST_F(EngineTest, RegistrationAndManagementShareTheIdentifier) {
  FakeCallout& fake = new_fake();
  const FWPS_CALLOUT3 functions = fake.functions(kInspectKey);
  UINT32 registered = 0;
  UINT32 added = 0;
  const FWPM_CALLOUT0 object = callout(kInspectKey, kLayer);
  ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, &registered), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmCalloutAdd0(session, &object, nullptr, &added), STATUS_SUCCESS);
  EXPECT_EQ(registered, added);
  EXPECT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, &registered),
            STATUS_FWP_ALREADY_EXISTS);
  EXPECT_EQ(engine.FwpsCalloutUnregisterById0(registered + 1), STATUS_FWP_CALLOUT_NOT_FOUND);
  EXPECT_EQ(engine.FwpsCalloutUnregisterByKey0(&kInspectKey), STATUS_SUCCESS);
  EXPECT_EQ(engine.FwpsCalloutUnregisterByKey0(&kInspectKey), STATUS_FWP_CALLOUT_NOT_FOUND);
  EXPECT_EQ(engine.FwpmCalloutDeleteById0(session, added), STATUS_SUCCESS);
}

TEST_F(EngineTest, CalloutsHaveTheirLimit) {
  FakeCallout& fake = new_fake();
  FWPS_CALLOUT3 functions{};
  for (uint32_t i = 0; i < kFilterCalloutsMax; ++i) {
    functions = fake.functions(key(i));
    ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
  }
  functions = fake.functions(key(9999));
  EXPECT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr),
            STATUS_FWP_TOO_MANY_CALLOUTS);
}

TEST_F(EngineTest, ACalloutHearsOfItsFiltersFromAddToDelete) {
  FakeCallout& fake = new_fake();
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_UNKNOWN);
  EXPECT_EQ(fake.events, (Events{"add"}));
  const UINT64 id = engine.report().filters[0].id;
  ASSERT_EQ(engine.FwpmFilterDeleteById0(session, id), STATUS_SUCCESS);
  EXPECT_EQ(fake.events, (Events{"add", "delete"}));
}

TEST_F(EngineTest, ACalloutThatComesLaterHearsOfWhatIsThere) {
  FakeCallout& fake = new_fake();
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_UNKNOWN);
  ASSERT_EQ(engine.FwpsCalloutUnregisterByKey0(&kInspectKey), STATUS_SUCCESS);
  EXPECT_EQ(fake.events, (Events{"add", "delete"}));
  const FWPS_CALLOUT3 functions =
      fake.functions(kInspectKey, FWP_CALLOUT_FLAG_ENABLE_COMMIT_ADD_NOTIFY);
  ASSERT_EQ(engine.FwpsCalloutRegister3(nullptr, &functions, nullptr), STATUS_SUCCESS);
  EXPECT_EQ(fake.events, (Events{"add", "delete", "add"}));
  FWPM_FILTER0 another = testing::filter(kLayer, FWP_ACTION_CALLOUT_UNKNOWN, kInspectKey);
  another.rawContext = fake.context();
  ASSERT_EQ(engine.FwpmFilterAdd0(session, &another, nullptr, nullptr), STATUS_SUCCESS);
  EXPECT_EQ(fake.events, (Events{"add", "delete", "add", "add", "committed"}));
}

TEST_F(EngineTest, ACalloutThatRefusesAFilterEndsTheTransaction) {
  FakeCallout& fake = new_fake();
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_UNKNOWN);
  int adds = 0;
  fake.on_notify = [&](FWPS_CALLOUT_NOTIFY_TYPE type, UINT64) {
    return type == FWPS_CALLOUT_NOTIFY_ADD_FILTER && ++adds == 2 ? STATUS_UNSUCCESSFUL
                                                                 : STATUS_SUCCESS;
  };
  FWPM_FILTER0 another = testing::filter(kLayer, FWP_ACTION_CALLOUT_UNKNOWN, kInspectKey);
  another.rawContext = fake.context();
  fake.events.clear();
  ASSERT_EQ(engine.FwpmTransactionBegin0(session, 0), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmFilterAdd0(session, &another, nullptr, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpmFilterAdd0(session, &another, nullptr, nullptr), STATUS_SUCCESS);
  EXPECT_EQ(engine.FwpmTransactionCommit0(session), STATUS_FWP_CALLOUT_NOTIFICATION_FAILED);
  EXPECT_EQ(fake.events, (Events{"add", "add", "delete"}));
  EXPECT_EQ(engine.report().filters.size(), 1u);
  EXPECT_EQ(engine.FwpmTransactionAbort0(session), STATUS_FWP_NO_TXN_IN_PROGRESS);
}

TEST_F(EngineTest, ManagingFromInsideACalloutIsRefused) {
  FakeCallout& fake = new_fake();
  std::vector<NTSTATUS> got;
  const auto manage = [&] {
    got.push_back(engine.FwpmFilterDeleteById0(session, 1));
    got.push_back(engine.FwpsCalloutUnregisterByKey0(&kInspectKey));
    got.push_back(engine.FwpmTransactionBegin0(session, 0));
  };
  fake.on_notify = [&](auto, auto) {
    manage();
    return STATUS_SUCCESS;
  };
  fake.on_classify = [&](auto&, auto&, auto*, auto&) { manage(); };
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_UNKNOWN);
  Datagram datagram;
  run(datagram);
  EXPECT_EQ(got, std::vector<NTSTATUS>(6, STATUS_NOT_SUPPORTED));
}

TEST_F(EngineTest, AFlowContextKeepsARegistrationBusy) {
  FakeCallout& fake = new_fake();
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_UNKNOWN);
  const auto registered = engine.registered(engine.report().callouts[0].id);
  ASSERT_NE(registered, nullptr);
  registered->flow_contexts = 1;
  EXPECT_EQ(engine.FwpsCalloutUnregisterByKey0(&kInspectKey), STATUS_DEVICE_BUSY);
  registered->flow_contexts = 0;
  EXPECT_EQ(engine.FwpsCalloutUnregisterByKey0(&kInspectKey), STATUS_SUCCESS);
}

TEST_F(EngineTest, AllVersionsOfACalloutAreCalled) {
  struct Counts {
    int calls = 0;
  } counts;
  FWPS_CALLOUT0 zero{};
  zero.calloutKey = key(0);
  zero.classifyFn = [](const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                       const FWPS_FILTER0* f, UINT64,
                       FWPS_CLASSIFY_OUT0*) { ++reinterpret_cast<Counts*>(f->context)->calls; };
  FWPS_CALLOUT1 one{};
  one.calloutKey = key(1);
  one.classifyFn = [](const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                      const void*, const FWPS_FILTER1* f, UINT64,
                      FWPS_CLASSIFY_OUT0*) { ++reinterpret_cast<Counts*>(f->context)->calls; };
  FWPS_CALLOUT2 two{};
  two.calloutKey = key(2);
  two.classifyFn = [](const FWPS_INCOMING_VALUES0*, const FWPS_INCOMING_METADATA_VALUES0*, void*,
                      const void*, const FWPS_FILTER2* f, UINT64,
                      FWPS_CLASSIFY_OUT0*) { ++reinterpret_cast<Counts*>(f->context)->calls; };
  ASSERT_EQ(engine.FwpsCalloutRegister0(nullptr, &zero, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpsCalloutRegister1(nullptr, &one, nullptr), STATUS_SUCCESS);
  ASSERT_EQ(engine.FwpsCalloutRegister2(nullptr, &two, nullptr), STATUS_SUCCESS);
  for (uint32_t i = 0; i < 3; ++i) {
    const FWPM_CALLOUT0 added = callout(key(i), kLayer);
    ASSERT_EQ(engine.FwpmCalloutAdd0(session, &added, nullptr, nullptr), STATUS_SUCCESS);
    FWPM_FILTER0 of_it = testing::filter(kLayer, FWP_ACTION_CALLOUT_INSPECTION, key(i));
    of_it.rawContext = reinterpret_cast<uintptr_t>(&counts);
    ASSERT_EQ(engine.FwpmFilterAdd0(session, &of_it, nullptr, nullptr), STATUS_SUCCESS);
  }
  Datagram datagram;
  run(datagram);
  EXPECT_EQ(counts.calls, 3);
  zero.classifyFn = nullptr;
  zero.calloutKey = key(7);
  EXPECT_EQ(engine.FwpsCalloutRegister0(nullptr, &zero, nullptr), STATUS_FWP_NULL_POINTER);
}

TEST_F(EngineTest, ReportsWhatItDid) {
  FakeCallout& fake = new_fake();
  fake.on_classify = [](auto&, auto&, auto*, FWPS_CLASSIFY_OUT0& out) {
    block(out);
    out.flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  };
  install(fake, kInspectKey, kLayer, FWP_ACTION_CALLOUT_TERMINATING);
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Absorb);
  const Report report = engine.report();
  ASSERT_EQ(report.callouts.size(), 1u);
  EXPECT_EQ(report.callouts[0].calls, 1u);
  EXPECT_EQ(report.callouts[0].absorbed, 1u);
  EXPECT_EQ(report.callouts[0].layer, "INBOUND_TRANSPORT_V4");
  ASSERT_EQ(report.filters.size(), 1u);
  EXPECT_EQ(report.filters[0].hits, 1u);
  EXPECT_EQ(report.filters[0].action, "terminating");
  ASSERT_EQ(report.layers.size(), 1u);
  EXPECT_EQ(report.layers[0].absorbed, 1u);
}

}  // namespace
}  // namespace hookline::filter
