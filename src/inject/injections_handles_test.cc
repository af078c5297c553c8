// Handles and their end, and completions that act.
#include <gtest/gtest.h>

#include "inject/injections.h"
#include "inject/testing.h"

namespace hookline::inject {
namespace {

using namespace testing;

// --- handles -------------------------------------------------------------------------------------

TEST(InjectionsHandles, HandlesHaveTypesFamiliesAndAnEnd) {
  House h;
  HANDLE out = nullptr;
  EXPECT_EQ(h.injections.FwpsInjectionHandleCreate0(h.driver, 7, 0, &out),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(h.injections.FwpsInjectionHandleCreate0(h.driver, 0, 0x8000, &out),
            STATUS_FWP_INVALID_FLAGS);
  EXPECT_EQ(h.injections.FwpsInjectionHandleCreate0(h.driver, 0, 0, nullptr),
            STATUS_FWP_NULL_POINTER);
  TestList frame(frame_with(1)), packet(without(frame_with(1), 14));
  const HANDLE plain = h.open(0);  // transport, stream and forward
  EXPECT_EQ(h.mac_send(frame.list, 1, plain), STATUS_FWP_INJECT_HANDLE_STALE);
  const HANDLE mac = h.open(FWPS_INJECTION_TYPE_L2);
  EXPECT_EQ(h.mac_send(frame.list, 1, mac), STATUS_SUCCESS);
  EXPECT_EQ(h.injections.FwpsInjectNetworkSendAsync0(h.driver, mac, nullptr, 0, 1, &packet.list,
                                                     &Sink::completion, &h.sink),
            STATUS_FWP_INJECT_HANDLE_STALE);
  const HANDLE v6 = h.open(FWPS_INJECTION_TYPE_L2, HOOKLINE_AF_INET6);
  EXPECT_EQ(h.mac_send(frame.list, 1, v6), STATUS_NOT_SUPPORTED);
  h.pump();
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, mac), STATUS_SUCCESS);
  EXPECT_EQ(h.mac_send(frame.list, 1, mac), STATUS_INVALID_HANDLE);
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, mac), STATUS_INVALID_HANDLE);
  // Its place is used again, its number never.
  const HANDLE next = h.open(FWPS_INJECTION_TYPE_L2);
  EXPECT_NE(next, mac);
  EXPECT_EQ(h.mac_send(frame.list, 1, mac), STATUS_INVALID_HANDLE);
  EXPECT_EQ(h.mac_send(frame.list, 1, reinterpret_cast<HANDLE>(uintptr_t{12345})),
            STATUS_INVALID_HANDLE);
  EXPECT_EQ(h.sink.count(), 1u);
}

TEST(InjectionsHandles, ThereAreSoManyHandles) {
  House h;
  HANDLE out = nullptr;
  for (size_t i = 2; i < kInjectionHandlesMax; ++i) h.open();  // one is the server's, one is there
  EXPECT_EQ(h.injections.FwpsInjectionHandleCreate0(h.driver, 0, 0, &out),
            STATUS_INSUFFICIENT_RESOURCES);
}

TEST(InjectionsHandles, SumsOutliveTheHandle) {
  House h;
  TestList list(frame_with(1));
  EXPECT_EQ(h.fate_of(list.list), STATUS_SUCCESS);
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, h.handle), STATUS_SUCCESS);
  h.handle = h.open();
  EXPECT_EQ(h.fate_of(list.list), STATUS_SUCCESS);
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, h.handle), STATUS_SUCCESS);
  const Report report = h.injections.report();
  EXPECT_TRUE(report.handles.empty());
  ASSERT_EQ(report.retired.size(), 1u);
  EXPECT_EQ(report.retired[0].driver, "a driver");
  EXPECT_EQ(report.retired[0].injected[static_cast<size_t>(Kind::MacSend)], 2u);
  EXPECT_EQ(report.retired[0].ended[static_cast<size_t>(End::Success)], 2u);
}

// Rule 15.
TEST(InjectionsHandles, DestroyInsideItsCompletionIsAnErrorAndNoHang) {
  for (const bool inline_completion : {false, true}) {
    InjectionOptions options;
    options.inline_completion = inline_completion;
    House h(options);
    NTSTATUS inside = STATUS_SUCCESS;
    h.sink.then = [&](NET_BUFFER_LIST*) {
      inside = h.injections.FwpsInjectionHandleDestroy0(h.driver, h.handle);
    };
    TestList list(frame_with(1));
    EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
    h.pump();
    EXPECT_EQ(inside, STATUS_INVALID_DEVICE_STATE);
    EXPECT_EQ(h.driver.breaches().size(), 1u);
    EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, h.handle), STATUS_SUCCESS);
  }
}

TEST(InjectionsHandles, DestroyOnThePacketThreadEndsWhatIsUnderWay) {
  House h;
  h.bench.port.room[1] = 0;
  TestList waiting(frame_with(1)), queued(frame_with(2)), held(frame_with(3)),
      inbound(frame_with(4));
  EXPECT_EQ(h.mac_send(waiting.list), STATUS_SUCCESS);
  EXPECT_EQ(h.mac_receive(inbound.list), STATUS_SUCCESS);
  h.pump();
  std::unique_ptr<TestList> clone;
  h.bench.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    clone = TestList::clone_of(*list);
    return Verdict::Absorb;
  };
  EXPECT_EQ(h.mac_send(held.list), STATUS_SUCCESS);
  h.pump();
  h.bench.classifier.at = nullptr;
  EXPECT_EQ(h.mac_send(queued.list), STATUS_SUCCESS);
  EXPECT_EQ(h.sink.count(), 0u);
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, h.handle), STATUS_SUCCESS);
  ASSERT_EQ(h.sink.count(), 4u);
  for (const auto& completed : h.sink.completed) EXPECT_EQ(completed.status, STATUS_CANCELLED);
  // The bytes of what another still holds are kept until it lets go.
  EXPECT_EQ(h.injections.in_flight(), 1u);
  EXPECT_EQ(load_be32(static_cast<uint8_t*>(clone->buffer.CurrentMdl->MappedSystemVa) + 42), 3u);
  clone->let_go();
  h.injections.released();
  h.pump();
  EXPECT_EQ(h.injections.in_flight(), 0u);
  EXPECT_EQ(h.sink.count(), 4u);
}

TEST(InjectionsHandles, AnUnloadedDriverIsNotCalled) {
  House h;
  FakeDriver leaver("leaver");
  const HANDLE left = h.open(leaver);
  h.bench.port.room[1] = 0;
  TestList list(frame_with(1)), mine(frame_with(2));
  EXPECT_EQ(h.injections.FwpsInjectMacSendAsync0(leaver, left, nullptr, 0,
                                                 FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1, 0,
                                                 &list.list, &Sink::completion, &h.sink),
            STATUS_SUCCESS);
  EXPECT_EQ(h.mac_send(mine.list), STATUS_SUCCESS);
  h.pump();
  h.injections.driver_unloaded(leaver);
  ASSERT_EQ(leaver.breaches().size(), 1u);
  EXPECT_NE(leaver.breaches()[0].find("1 injection handles open and 1 lists"), std::string::npos);
  h.bench.port.room.clear();
  h.pump();
  ASSERT_EQ(h.sink.count(), 1u);
  EXPECT_EQ(h.sink.completed[0].list, &mine.list);
  EXPECT_EQ(h.injections.in_flight(), 0u);
  EXPECT_EQ(h.injections.report().handles.size(), 1u);
  // One that has left nothing is not blamed.
  FakeDriver clean("clean");
  const HANDLE closed = h.open(clean);
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(clean, closed), STATUS_SUCCESS);
  h.injections.driver_unloaded(clean);
  EXPECT_TRUE(clean.breaches().empty());
}

TEST(InjectionsHandles, AfterTheEndNothingIsAccepted) {
  House h;
  h.bench.port.room[1] = 0;
  TestList waiting(frame_with(1)), queued(frame_with(2));
  EXPECT_EQ(h.mac_send(waiting.list), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.mac_send(queued.list), STATUS_SUCCESS);
  h.sink.then = [&](NET_BUFFER_LIST* list) {
    EXPECT_EQ(h.mac_send(*list), STATUS_DEVICE_NOT_READY);
  };
  h.injections.abandon(h.bench.now);
  ASSERT_EQ(h.sink.count(), 2u);
  for (const auto& completed : h.sink.completed) EXPECT_EQ(completed.status, STATUS_CANCELLED);
  HANDLE out = nullptr;
  EXPECT_EQ(h.injections.FwpsInjectionHandleCreate0(h.driver, 0, 0, &out),
            STATUS_FWP_TCPIP_NOT_READY);
  EXPECT_EQ(h.injections.FwpsInjectionHandleDestroy0(h.driver, h.handle), STATUS_SUCCESS);
}

// --- completions that act ------------------------------------------------------------------------

// Invariant 12.
TEST(InjectionsHandles, ACompletionMayInjectAgain) {
  for (const bool inline_completion : {false, true}) {
    InjectionOptions options;
    options.inline_completion = inline_completion;
    House h(options);
    int left = 20;
    h.sink.then = [&](NET_BUFFER_LIST* list) {
      EXPECT_EQ(h.injections.FwpsQueryPacketInjectionState0(h.driver, h.handle, list, nullptr),
                FWPS_PACKET_NOT_INJECTED);
      if (left-- > 0) {
        EXPECT_EQ(h.mac_send(*list), STATUS_SUCCESS);
      }
    };
    TestList list(frame_with(1));
    EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
    for (int i = 0; i < 100 && (h.injections.due() || h.injections.waits()); ++i) h.pump();
    EXPECT_EQ(h.sink.count(), 21u);
    EXPECT_EQ(h.bench.port.sent.size(), 21u);
  }
}

TEST(InjectionsHandles, InlineCompletionsComeInsideTheCallAndTheCopyGoesOn) {
  InjectionOptions options;
  options.inline_completion = true;
  House h(options);
  TestList list(frame_with(1)), huge(std::vector<uint8_t>(20000, 1));
  EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  std::fill(list.pieces[0].begin(), list.pieces[0].end(), 0xEE);  // freed, as it were
  EXPECT_EQ(h.mac_send(huge.list), STATUS_SUCCESS);
  EXPECT_EQ(h.sink.take(), STATUS_INVALID_BUFFER_SIZE);
  EXPECT_TRUE(h.bench.port.sent.empty());
  h.pump();
  EXPECT_EQ(h.sink.count(), 0u);
  ASSERT_EQ(h.bench.port.sent.size(), 1u);
  EXPECT_EQ(to_hex(h.bench.port.sent[0].frame), to_hex(frame_with(1)));
  EXPECT_EQ(h.injections.in_flight(), 0u);
}

}  // namespace
}  // namespace hookline::inject
