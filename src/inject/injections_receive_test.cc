// Injections into the receiving side, as the receiver and the filter meet them.

#include <gtest/gtest.h>

#include "inject/injections.h"
#include "inject/testing.h"

namespace hookline::inject {
namespace {

using namespace testing;

// Stands in for the receiver and the filter.
struct Line : House {
  PacketHandle slot = bench.pool.take();
  NET_BUFFER_LIST shown{};

  ~Line() { bench.pool.give_back(std::move(slot)); }
  io::RxFrame take() {
    io::RxFrame frame;
    frame.buffer = slot->frame_buffer();
    EXPECT_EQ(injections.waiting(), 1u);
    injections.next(*slot, frame);
    slot->borrowed = &shown.ChildRefCount;
    shown.NdisReserved[0] = slot->ingress.injection;
    return frame;
  }
};

std::vector<uint8_t> request(uint32_t id) {
  std::vector<uint8_t> room(kUdpFrameHeaderBytesMax + 300, 0x33);
  store_be32(room.data() + kUdpFrameHeaderBytesMax, id);
  const Bytes frame = write_udp_headers({kClientMac, kBroadcastMac, 0, Ipv4{}, kBroadcast, 68, 67},
                                        {room.data() + kUdpFrameHeaderBytesMax, 300});
  return {frame.begin(), frame.end()};
}

TEST(InjectionsReceive, AFrameComesInAsItIsAndCompletesWithItsClassification) {
  const std::map<Verdict, NTSTATUS> expected = {{Verdict::Permit, STATUS_SUCCESS},
                                                {Verdict::Block, STATUS_ACCESS_DENIED},
                                                {Verdict::Absorb, STATUS_SUCCESS}};
  for (const auto& [verdict, status] : expected) {
    Line l;
    const std::vector<uint8_t> bytes = request(5);
    TestList list(bytes, 9);
    int context;
    EXPECT_EQ(l.injections.FwpsInjectMacReceiveAsync0(l.driver, l.handle, &context, 0,
                                                      FWPS_LAYER_INBOUND_MAC_FRAME_ETHERNET, 2, 0,
                                                      &list.list, &Sink::completion, &l.sink),
              STATUS_SUCCESS);
    EXPECT_EQ(l.injections.waiting(), 0u);  // until the packet thread has looked at it
    l.pump();
    const io::RxFrame frame = l.take();
    EXPECT_EQ(to_hex(frame.buffer.first(frame.size)), to_hex(bytes));
    EXPECT_EQ(frame.wire_size, frame.size);
    EXPECT_EQ(frame.ifindex, 2u);
    EXPECT_EQ(l.slot->ingress.first_layer, Depth::Mac);
    HANDLE told = nullptr;
    EXPECT_EQ(l.injections.FwpsQueryPacketInjectionState0(l.driver, l.handle, &l.shown, &told),
              FWPS_PACKET_INJECTED_BY_SELF);
    EXPECT_EQ(told, &context);
    l.pump();
    EXPECT_EQ(l.sink.count(), 0u);
    l.injections.classified(*l.slot, verdict);
    EXPECT_EQ(l.sink.count(), 0u);  // not on the filter's stack
    EXPECT_TRUE(l.injections.due());
    l.pump();
    EXPECT_EQ(l.sink.take(), status);
  }
}

TEST(InjectionsReceive, WhatIsAbsorbedThereCompletesWithItsLastClone) {
  Line l;
  TestList list(request(1));
  EXPECT_EQ(l.mac_receive(list.list), STATUS_SUCCESS);
  l.pump();
  l.take();
  l.shown.ChildRefCount = 1;
  l.injections.classified(*l.slot, Verdict::Absorb);
  l.pump();
  EXPECT_EQ(l.sink.count(), 0u);
  EXPECT_TRUE(l.injections.waits());
  l.shown.Status = STATUS_NETWORK_UNREACHABLE;  // a clone failed
  --l.shown.ChildRefCount;
  EXPECT_EQ(l.shown.ChildRefCount, 1);  // the slot stays until its status has been read
  l.pump();
  EXPECT_EQ(l.sink.take(), STATUS_NETWORK_UNREACHABLE);
  EXPECT_EQ(l.shown.ChildRefCount, 0);
}

TEST(InjectionsReceive, WhatTheServerDoesNotTakeIsNotAccepted) {
  Line l;
  TestList list(request(1));
  for (const auto& [drop, status] :
       std::map<Drop, NTSTATUS>{{Drop::NotForUs, STATUS_DATA_NOT_ACCEPTED},
                                {Drop::BadUdpChecksum, STATUS_DATA_NOT_ACCEPTED},
                                {Drop::InterfaceGone, STATUS_DEVICE_REMOVED}}) {
    EXPECT_EQ(l.mac_receive(list.list), STATUS_SUCCESS);
    l.pump();
    l.take();
    l.injections.refused(*l.slot, drop);
    l.pump();
    EXPECT_EQ(l.sink.take(), status);
  }
  EXPECT_EQ(l.mac_receive(list.list, 99), STATUS_SUCCESS);
  l.pump();
  EXPECT_EQ(l.sink.take(), STATUS_DEVICE_DOES_NOT_EXIST);
}

TEST(InjectionsReceive, WhatIsLargerThanASlotIsCutOffAndSaysSo) {
  Line l;
  TestList list(std::vector<uint8_t>(9000, 0x77));
  EXPECT_EQ(l.mac_receive(list.list), STATUS_SUCCESS);
  l.pump();
  const io::RxFrame frame = l.take();
  EXPECT_EQ(frame.size, kFrameBytesMax);
  EXPECT_EQ(frame.wire_size, 9000u);
  l.injections.refused(*l.slot, Drop::TooLarge);
  l.pump();
  EXPECT_EQ(l.sink.take(), STATUS_DATA_NOT_ACCEPTED);
}

// Table 25: at the network and transport layers the bytes begin at the IP header.
TEST(InjectionsReceive, AnIpPacketGetsAnEthernetHeader) {
  for (const bool transport : {false, true}) {
    Line l;
    TestList deep(without(request(2), 14));
    EXPECT_EQ(transport ? l.transport_receive(deep.list) : l.network_receive(deep.list),
              STATUS_SUCCESS);
    l.pump();
    io::RxFrame frame = l.take();
    EXPECT_EQ(l.slot->ingress.first_layer, Depth::Network);
    UdpFrame udp;
    EXPECT_EQ(parse_udp_frame(frame.buffer.first(frame.size), udp), FrameFault::None);
    EXPECT_EQ(udp.destination_mac, kBroadcastMac);
    EXPECT_EQ(udp.source_mac, MacAddress{});  // nobody knows
    l.injections.classified(*l.slot, Verdict::Permit);
    l.pump();
    EXPECT_EQ(l.sink.take(), STATUS_SUCCESS);
    // A clone of what came in has its original's source, and its interface and tag.
    Indication original;
    std::vector<uint8_t> bytes = request(3);
    original.describe(bytes);
    original.tell_frame(3, 42);
    const auto clone = TestList::clone_of(original.list, 14);
    EXPECT_EQ(transport ? l.transport_receive(clone->list, 0) : l.network_receive(clone->list, 0),
              STATUS_SUCCESS);
    l.pump();
    frame = l.take();
    EXPECT_EQ(frame.ifindex, 3u);
    EXPECT_EQ(frame.vlan, 42);
    EXPECT_EQ(parse_udp_frame(frame.buffer.first(frame.size), udp), FrameFault::None);
    EXPECT_EQ(udp.source_mac, kClientMac);
    l.injections.refused(*l.slot, Drop::NotForUs);
    l.pump();
    clone->let_go();
    EXPECT_EQ(original.children(), 0);
  }
}

TEST(InjectionsReceive, WhatNobodyTakesIsCancelled) {
  Line l;
  TestList list(request(1));
  EXPECT_EQ(l.mac_receive(list.list), STATUS_SUCCESS);
  l.pump();
  EXPECT_EQ(l.injections.waiting(), 1u);
  l.injections.abandon(l.bench.now);
  EXPECT_EQ(l.sink.take(), STATUS_CANCELLED);
  EXPECT_EQ(l.injections.waiting(), 0u);
}

}  // namespace
}  // namespace hookline::inject
