// What is not accepted: hostile lists, wrong arguments, too much.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "inject/injections.h"
#include "inject/testing.h"

namespace hookline::inject {
namespace {

using namespace testing;

// --- what is refused ----------------------------------------------------------------------------

struct EachFunction {
  const char* name;
  std::function<NTSTATUS(House&, NET_BUFFER_LIST*)> call;
  size_t cut;  // bytes of a whole frame that its data do not have
};

std::vector<EachFunction> each_function() {
  static UCHAR remote[4] = {10, 1, 0, 50};
  return {
      {"MacSend", [](House& h, NET_BUFFER_LIST* l) { return h.mac_send(*l); }, 0},
      {"MacReceive", [](House& h, NET_BUFFER_LIST* l) { return h.mac_receive(*l); }, 0},
      {"NetworkSend", [](House& h, NET_BUFFER_LIST* l) { return h.network_send(*l); }, 14},
      {"NetworkReceive", [](House& h, NET_BUFFER_LIST* l) { return h.network_receive(*l); }, 14},
      {"TransportSend",
       [](House& h, NET_BUFFER_LIST* l) {
         FWPS_TRANSPORT_SEND_PARAMS1 args{};
         args.remoteAddress = remote;
         return h.transport_send(*l, &args);
       },
       34},
      {"TransportSend with its header",
       [](House& h, NET_BUFFER_LIST* l) { return h.transport_send(*l, nullptr); }, 14},
      {"TransportReceive", [](House& h, NET_BUFFER_LIST* l) { return h.transport_receive(*l); },
       14},
  };
}

TEST(InjectionsRefused, HostileListsAreRefusedByEveryFunction) {
  for (const EachFunction& function : each_function()) {
    SCOPED_TRACE(function.name);
    House h;
    const std::vector<uint8_t> good = without(frame_with(1), function.cut);
    const auto refused = [&](NET_BUFFER_LIST* list) {
      const size_t breaches = h.driver.breaches().size();
      EXPECT_NE(function.call(h, list), STATUS_SUCCESS);
      EXPECT_GT(h.driver.breaches().size(), breaches);
      h.pump();
      EXPECT_EQ(h.sink.count(), 0u);
      EXPECT_EQ(h.injections.in_flight(), 0u);
    };
    refused(nullptr);
    TestList none(good);
    none.list.FirstNetBuffer = nullptr;
    refused(&none.list);
    TestList empty(good);
    empty.buffer.DataLength = 0;
    refused(&empty.list);
    TestList beyond(good, 100);
    beyond.buffer.DataLength += 1;
    refused(&beyond.list);
    TestList offset(good);
    offset.buffer.CurrentMdlOffset = offset.mdls[0].ByteCount + 1;
    refused(&offset.list);
    TestList no_mdl(good);
    no_mdl.buffer.CurrentMdl = nullptr;
    refused(&no_mdl.list);
    TestList ring(good, 100);
    ring.mdls.back().Next = &ring.mdls.back();
    ring.mdls.back().ByteCount = 0;
    refused(&ring.list);
    TestList ring_of_buffers(good);
    ring_of_buffers.buffer.Next = &ring_of_buffers.buffer;
    refused(&ring_of_buffers.list);
    TestList ring_of_lists(good);
    ring_of_lists.list.Next = &ring_of_lists.list;
    refused(&ring_of_lists.list);
    ring_of_lists.list.Next = nullptr;
    TestList tiny(std::vector<uint8_t>(function.cut == 0 ? 13 : 7, 0x45));
    refused(&tiny.list);
    EXPECT_EQ(h.injections.report().handles[0].refused, 10u);
    // And what is right is still taken.
    EXPECT_EQ(function.call(h, &ring_of_lists.list), STATUS_SUCCESS);
    h.injections.abandon(h.bench.now);
    EXPECT_EQ(h.sink.count(), 1u);
  }
}

TEST(InjectionsRefused, IpHeadersThatSayTooMuchAreRefused) {
  House h;
  for (const EachFunction& function : each_function()) {
    if (function.cut != 14) continue;
    std::vector<uint8_t> bytes = without(frame_with(1), 14);
    store_be16(&bytes[2], uint16_t(bytes.size() + 1));
    TestList longer(bytes);
    EXPECT_EQ(function.call(h, &longer.list), STATUS_INVALID_PARAMETER);
    bytes = without(frame_with(1), 14);
    bytes[0] = 0x44;
    TestList short_header(bytes);
    EXPECT_EQ(function.call(h, &short_header.list), STATUS_INVALID_PARAMETER);
    bytes[0] = 0x65;
    TestList version(bytes);
    EXPECT_EQ(function.call(h, &version.list), STATUS_INVALID_PARAMETER);
  }
  std::vector<uint8_t> bytes = without(frame_with(1), 34);
  store_be16(&bytes[4], uint16_t(bytes.size() - 1));
  TestList udp(bytes);
  UCHAR remote[4] = {10, 1, 0, 50};
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  EXPECT_EQ(h.transport_send(udp.list, &args), STATUS_INVALID_PARAMETER);  // no address
  args.remoteAddress = remote;
  EXPECT_EQ(h.transport_send(udp.list, &args), STATUS_INVALID_PARAMETER);
  UCHAR header[64] = {0x45};
  args.headerIncludeHeader = header;
  for (const ULONG size : {1u, 19u, 24u, 61u}) {
    args.headerIncludeHeaderLength = size;
    EXPECT_EQ(h.transport_send(udp.list, &args), STATUS_INVALID_PARAMETER) << size;
  }
  EXPECT_EQ(h.injections.in_flight(), 0u);
}

// Any bytes, at every function: nothing is read past them (under AddressSanitizer), and accepted
// lists complete.
RC_GTEST_PROP(InjectionsRefused, AnyBytesAtAnyFunction, ()) {
  House h;
  h.bench.classifier.at = [](auto&, auto*, Depth) { return Verdict::Permit; };
  for (const EachFunction& function : each_function()) {
    auto bytes = *rc::gen::container<std::vector<uint8_t>>(rc::gen::arbitrary<uint8_t>());
    if (bytes.empty()) continue;
    if (*rc::gen::arbitrary<bool>()) bytes[0] = 0x45 + *rc::gen::inRange<uint8_t>(0, 3);
    if (bytes.size() > 4 && *rc::gen::arbitrary<bool>()) {
      store_be16(&bytes[2], uint16_t(bytes.size() - *rc::gen::inRange<size_t>(0, 3)));
    }
    TestList list(bytes, *rc::gen::inRange<size_t>(1, 40));
    const NTSTATUS status = function.call(h, &list.list);
    h.pump();
    Packet packet;
    while (h.injections.waiting() != 0) {
      io::RxFrame frame;
      frame.buffer = packet.frame_buffer();
      h.injections.next(packet, frame);
      h.injections.refused(packet, Drop::NotForUs);
    }
    h.pump();
    RC_ASSERT(h.sink.count() == (status == STATUS_SUCCESS ? 1u : 0u));
    h.sink.completed.clear();
  }
}

TEST(InjectionsRefused, WrongArgumentsAreRefused) {
  House h;
  TestList list(frame_with(1));
  FakeDriver& d = h.driver;
  Injections& i = h.injections;
  const auto complete = &Sink::completion;
  EXPECT_EQ(
      i.FwpsInjectMacSendAsync0(d, h.handle, nullptr, 1, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1,
                                0, &list.list, complete, &h.sink),
      STATUS_INVALID_PARAMETER);
  EXPECT_EQ(
      i.FwpsInjectMacSendAsync0(d, h.handle, nullptr, 0, FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET, 1,
                                0, &list.list, complete, &h.sink),
      STATUS_INVALID_PARAMETER);
  EXPECT_EQ(
      i.FwpsInjectMacReceiveAsync0(d, h.handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET,
                                   1, 0, &list.list, complete, &h.sink),
      STATUS_INVALID_PARAMETER);
  EXPECT_EQ(
      i.FwpsInjectNetworkSendAsync0(d, h.handle, nullptr, 0, 7, &list.list, complete, &h.sink),
      STATUS_INVALID_PARAMETER);
  EXPECT_EQ(i.FwpsInjectNetworkSendAsync0(d, h.handle, nullptr, 0, 1, &list.list, nullptr, &h.sink),
            STATUS_FWP_NULL_POINTER);
  EXPECT_EQ(i.FwpsInjectTransportReceiveAsync0(d, h.handle, nullptr, nullptr, 0, HOOKLINE_AF_INET6,
                                               1, 1, 0, &list.list, complete, &h.sink),
            STATUS_NOT_SUPPORTED);
  EXPECT_EQ(i.FwpsInjectTransportReceiveAsync0(d, h.handle, nullptr, nullptr, 0, 55, 1, 1, 0,
                                               &list.list, complete, &h.sink),
            STATUS_INVALID_PARAMETER);
  EXPECT_EQ(i.FwpsInjectForwardAsync0(d, h.handle, nullptr, 0, HOOKLINE_AF_INET, 1, 1, &list.list,
                                      complete, &h.sink),
            STATUS_NOT_SUPPORTED);
  EXPECT_EQ(i.FwpsInjectvSwitchEthernetIngressAsync0(d, h.handle, nullptr, 0, nullptr, nullptr, 0,
                                                     0, &list.list, complete, &h.sink),
            STATUS_NOT_SUPPORTED);
  h.pump();
  EXPECT_EQ(h.sink.count(), 0u);
  EXPECT_EQ(i.in_flight(), 0u);
  // Without a completionFn, which the MAC functions allow, nobody is called.
  EXPECT_EQ(i.FwpsInjectMacSendAsync0(d, h.handle, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_NATIVE,
                                      1, 0, &list.list, nullptr, nullptr),
            STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.bench.port.sent.size(), 1u);
  EXPECT_EQ(i.in_flight(), 0u);
}

TEST(InjectionsRefused, NoMoreThanItsRecords) {
  House h;
  h.bench.port.room[1] = 0;
  std::vector<std::unique_ptr<TestList>> lists;
  for (size_t i = 0; i < kDriverInjectionsMax; ++i) {
    lists.push_back(std::make_unique<TestList>(frame_with(uint32_t(i), 4)));
    ASSERT_EQ(h.mac_send(lists.back()->list), STATUS_SUCCESS);
  }
  TestList more(frame_with(1));
  EXPECT_EQ(h.mac_send(more.list), STATUS_INSUFFICIENT_RESOURCES);
  h.bench.port.room.clear();
  while (h.injections.due() || h.injections.waits()) h.pump();
  EXPECT_EQ(h.sink.count(), kDriverInjectionsMax);
  for (size_t i = 0; i < h.bench.port.sent.size(); ++i) {
    ASSERT_EQ(load_be32(h.bench.port.sent[i].payload.data()), i);
  }
  h.sink.completed.clear();
  EXPECT_EQ(h.fate_of(more.list), STATUS_SUCCESS);
}

// A chain of so many, and of one more.
TEST(InjectionsRefused, ChainsAreOfBoundedLength) {
  House h;
  std::vector<std::unique_ptr<TestList>> lists;
  for (uint32_t i = 0; i <= kInjectionChainMax; ++i) {
    lists.push_back(std::make_unique<TestList>(frame_with(i, 8)));
    if (i != 0) lists[i - 1]->list.Next = &lists[i]->list;
  }
  EXPECT_EQ(h.mac_send(lists[0]->list), STATUS_INVALID_PARAMETER);
  lists[kInjectionChainMax - 1]->list.Next = nullptr;
  EXPECT_EQ(h.mac_send(lists[0]->list), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.count(), kInjectionChainMax);
  EXPECT_EQ(h.bench.port.sent.size(), kInjectionChainMax);
}

TEST(InjectionsRefused, TheLargestFrameAndALargerOne) {
  House h;
  h.bench.links.table_.links[0].mtu = 9216 + 4;
  TestList largest(std::vector<uint8_t>(kInjectedFrameBytesMax, 1)),
      larger(std::vector<uint8_t>(kInjectedFrameBytesMax + 1, 1));
  EXPECT_EQ(h.fate_of(largest.list), STATUS_SUCCESS);
  EXPECT_EQ(h.fate_of(larger.list), STATUS_INVALID_BUFFER_SIZE);
  ASSERT_EQ(h.bench.port.sent.size(), 1u);
  EXPECT_EQ(h.bench.port.sent[0].frame.size(), kInjectedFrameBytesMax);
}

TEST(InjectionsRefused, MoreThanASecondsPacketsAccountFor) {
  House h;
  h.bench.port.discard = true;
  TestList list(frame_with(1, 8));
  h.bench.counters.frames_received.add(10);
  uint64_t accepted = 0;
  while (h.mac_send(list.list) == STATUS_SUCCESS) {
    if (++accepted % 256 == 0) h.pump();
  }
  EXPECT_EQ(accepted, kInjectionsPerSecondMin + 10 * kInjectionsPerPacketMax);
  h.pump();
}

}  // namespace
}  // namespace hookline::inject
