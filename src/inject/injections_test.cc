#include "inject/injections.h"

#include <gtest/gtest.h>

#include "inject/frames.h"
#include "inject/testing.h"

namespace hookline::inject {
namespace {

using namespace testing;

TEST(Injections, AFrameLeavesAsItIsAndItsListComesBack) {
  House h;
  const std::vector<uint8_t> frame = frame_with(7);
  TestList list(frame, 11);  // in many pieces
  EXPECT_EQ(h.mac_send(list.list, 2), STATUS_SUCCESS);
  EXPECT_EQ(h.sink.count(), 0u);  // never on the caller's stack
  EXPECT_TRUE(h.injections.due());
  h.pump();
  ASSERT_EQ(h.sink.completed.size(), 1u);
  EXPECT_EQ(h.sink.completed[0].list, &list.list);
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  ASSERT_EQ(h.bench.port.sent.size(), 1u);
  EXPECT_EQ(h.bench.port.sent[0].ifindex, 2u);
  EXPECT_EQ(to_hex(h.bench.port.sent[0].frame), to_hex(frame));
  EXPECT_FALSE(h.injections.due());
  EXPECT_EQ(h.injections.in_flight(), 0u);
  EXPECT_EQ(FakeDriver::level(), 0);
}

// Invariant 1: a chain completes list by list.
TEST(Injections, EachListOfAChainCompletesOnce) {
  House h;
  std::vector<std::unique_ptr<TestList>> lists;
  for (uint32_t i = 0; i < 5; ++i) lists.push_back(std::make_unique<TestList>(frame_with(i)));
  for (size_t i = 0; i + 1 < lists.size(); ++i) lists[i]->list.Next = &lists[i + 1]->list;
  h.bench.port.failing[3] = ENXIO;
  EXPECT_EQ(h.mac_send(lists[0]->list), STATUS_SUCCESS);
  h.pump();
  ASSERT_EQ(h.sink.completed.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(h.sink.completed[i].list, &lists[i]->list);
    EXPECT_EQ(h.sink.completed[i].status, i == 3 ? STATUS_DEVICE_REMOVED : STATUS_SUCCESS);
  }
  EXPECT_EQ(h.bench.port.sent.size(), 4u);
}

TEST(Injections, AListOfSeveralPacketsCompletesWithTheFirstFailure) {
  House h;
  TestList one(frame_with(1)), two(frame_with(2)), three(frame_with(3));
  one.buffer.Next = &two.buffer;
  two.buffer.Next = &three.buffer;
  h.bench.port.failing = {{2, ENETDOWN}, {3, ENXIO}};
  EXPECT_EQ(h.fate_of(one.list), STATUS_DEVICE_NOT_READY);
  EXPECT_EQ(h.bench.port.sent.size(), 1u);
  h.bench.port.failing.clear();
  EXPECT_EQ(h.fate_of(one.list), STATUS_SUCCESS);
  EXPECT_EQ(h.bench.port.sent.size(), 4u);
}

// Invariant 4.
TEST(Injections, TheStatusIsTheTruth) {
  House h;
  TestList list(frame_with(9));
  EXPECT_EQ(h.fate_of(list.list), STATUS_SUCCESS);
  const std::map<int, NTSTATUS> expected = {
      {ENETDOWN, STATUS_DEVICE_NOT_READY},     {ENXIO, STATUS_DEVICE_REMOVED},
      {ENODEV, STATUS_DEVICE_DOES_NOT_EXIST},  {EMSGSIZE, STATUS_INVALID_BUFFER_SIZE},
      {EHOSTUNREACH, STATUS_HOST_UNREACHABLE}, {EPERM, STATUS_ACCESS_DENIED},
      {EBADMSG, STATUS_UNSUCCESSFUL}};
  for (const auto& [error, status] : expected) {
    h.bench.port.failing[9] = error;
    EXPECT_EQ(h.fate_of(list.list), status) << error;
    EXPECT_EQ(list.list.Status, status);
  }
  h.bench.port.failing.clear();
  EXPECT_EQ(h.fate_of(list.list, 99), STATUS_DEVICE_DOES_NOT_EXIST);
  // The link takes 1500 bytes behind the Ethernet header.
  TestList fits(std::vector<uint8_t>(1514, 1)), larger(std::vector<uint8_t>(1515, 1)),
      huge(std::vector<uint8_t>(20000, 1));
  EXPECT_EQ(h.fate_of(fits.list), STATUS_SUCCESS);
  EXPECT_EQ(h.fate_of(larger.list), STATUS_INVALID_BUFFER_SIZE);
  EXPECT_EQ(h.fate_of(huge.list), STATUS_INVALID_BUFFER_SIZE);
  const Report report = h.injections.report();
  ASSERT_EQ(report.handles.size(), 1u);
  EXPECT_EQ(report.handles[0].driver, "a driver");
  EXPECT_EQ(report.handles[0].injected[0], 12u);
  EXPECT_EQ(report.handles[0].ended[static_cast<size_t>(End::Success)], 2u);
  EXPECT_EQ(report.handles[0].ended[static_cast<size_t>(End::Blocked)], 1u);
  EXPECT_EQ(report.handles[0].ended[static_cast<size_t>(End::Failed)], 9u);
}

TEST(Injections, AFullQueueIsWaitedForInOrderWithTheServersReplies) {
  House h;
  h.bench.port.room[1] = 0;
  TestList first(frame_with(1000)), last(frame_with(1001));
  EXPECT_EQ(h.mac_send(first.list), STATUS_SUCCESS);
  h.pump();
  h.bench.submit(h.bench.datagram(broadcast()));  // payload 0
  EXPECT_EQ(h.mac_send(last.list), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.count(), 0u);
  EXPECT_TRUE(h.injections.waits());
  h.bench.port.room.clear();
  h.pump();
  EXPECT_EQ(h.sink.count(), 2u);
  ASSERT_EQ(h.bench.port.sent.size(), 3u);
  EXPECT_EQ(load_be32(h.bench.port.sent[0].payload.data()), 1000u);
  EXPECT_EQ(load_be32(h.bench.port.sent[1].payload.data()), 0u);
  EXPECT_EQ(load_be32(h.bench.port.sent[2].payload.data()), 1001u);
}

TEST(Injections, WhatWaitsTooLongHasNoResources) {
  House h;
  h.bench.port.room[1] = 0;
  TestList list(frame_with(1));
  EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.count(), 0u);
  h.bench.now.boot_ns += kInjectDeadlineNs;
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_INSUFFICIENT_RESOURCES);
}

// --- classification ----------------------------------------------------------------------------

TEST(Injections, ASentFrameIsClassifiedAtItsLayersAndMayBeBlocked) {
  House h;
  h.bench.classifier.at = [](const Traffic& traffic, auto*, Depth) {
    EXPECT_EQ(traffic.direction, Direction::Outbound);
    EXPECT_EQ(traffic.ifindex, 1u);
    EXPECT_EQ(traffic.remote, ip("10.1.0.50"));
    EXPECT_EQ(traffic.remote_port, 68);
    EXPECT_EQ(traffic.remote_mac, kClientMac);
    return Verdict::Permit;
  };
  TestList frame(frame_with(1)), packet(without(frame_with(2), 14)),
      datagram(without(frame_with(3), 34));
  h.bench.links.hops[ip("10.1.0.50").value] = {1, ip("10.1.0.1"), kClientMac};
  EXPECT_EQ(h.fate_of(frame.list), STATUS_SUCCESS);
  EXPECT_EQ(h.bench.classifier.path, (std::vector{Depth::Mac}));
  h.bench.classifier.path.clear();
  EXPECT_EQ(h.network_send(packet.list), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  EXPECT_EQ(h.bench.classifier.path, (std::vector{Depth::Network, Depth::Mac}));
  h.bench.classifier.path.clear();
  UCHAR remote[4] = {10, 1, 0, 50};
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  args.remoteAddress = remote;
  EXPECT_EQ(h.transport_send(datagram.list, &args), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  EXPECT_EQ(h.bench.classifier.path,
            (std::vector{Depth::Datagram, Depth::Transport, Depth::Network, Depth::Mac}));
  ASSERT_EQ(h.bench.port.sent.size(), 3u);
  for (const auto& sent : h.bench.port.sent) {
    UdpFrame udp;
    ASSERT_EQ(parse_udp_frame(sent.frame, udp), FrameFault::None);
    EXPECT_TRUE(udp_checksum_is_right(udp));
    EXPECT_EQ(udp.destination_mac, kClientMac);
    EXPECT_EQ(udp.source, ip("10.1.0.1"));
  }
  h.bench.classifier.at = [](auto&, auto*, Depth) { return Verdict::Block; };
  EXPECT_EQ(h.fate_of(frame.list), STATUS_ACCESS_DENIED);
  EXPECT_EQ(h.bench.port.sent.size(), 3u);
}

TEST(Injections, FramesThatAreNoIpHaveOnlyTheirMacLayer) {
  House h;
  h.bench.classifier.at = [](const Traffic& traffic, auto*, Depth) {
    EXPECT_EQ(traffic.ether_type, 0x0806);
    EXPECT_EQ(traffic.ip_header_bytes, 0u);
    return Verdict::Permit;
  };
  std::vector<uint8_t> arp(60, 0);
  store_be16(&arp[12], 0x0806);
  TestList list(arp);
  EXPECT_EQ(h.fate_of(list.list), STATUS_SUCCESS);
  // Headers that say more than there is are not shown.
  std::vector<uint8_t> cut = frame_with(1);
  cut.resize(30);
  h.bench.classifier.at = [](const Traffic& traffic, auto*, Depth) {
    EXPECT_EQ(traffic.mac_header_bytes, 14u);
    EXPECT_EQ(traffic.ip_header_bytes, 0u);
    return Verdict::Permit;
  };
  TestList short_list(cut);
  EXPECT_EQ(h.fate_of(short_list.list), STATUS_SUCCESS);
}

// Rule 5a, and our extension.
TEST(Injections, WhatIsAbsorbedCompletesWithItsLastCloneAndThatOnesStatus) {
  for (const NTSTATUS failure : {STATUS_SUCCESS, STATUS_DEVICE_REMOVED}) {
    House h;
    FakeDriver other("another");
    const HANDLE others = h.open(other);
    std::unique_ptr<TestList> clone;
    h.bench.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
      if (clone != nullptr) return Verdict::Permit;
      clone = TestList::clone_of(*list);
      return Verdict::Absorb;
    };
    Sink others_sink;
    others_sink.then = [&](NET_BUFFER_LIST*) { clone->let_go(); };
    TestList list(frame_with(5));
    EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
    h.pump();
    ASSERT_NE(clone, nullptr);
    EXPECT_EQ(h.sink.count(), 0u);
    EXPECT_EQ(h.injections.report().held, 1u);
    if (failure != STATUS_SUCCESS) h.bench.port.failing[5] = ENXIO;
    EXPECT_EQ(h.injections.FwpsInjectMacSendAsync0(other, others, nullptr, 0,
                                                   FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, 1, 0,
                                                   &clone->list, &Sink::completion, &others_sink),
              STATUS_SUCCESS);
    h.pump();
    EXPECT_EQ(others_sink.take(), failure);
    h.injections.released();
    h.pump();
    EXPECT_EQ(h.sink.take(), failure);
    EXPECT_EQ(h.bench.port.sent.size(), failure == STATUS_SUCCESS ? 1u : 0u);
  }
}

// The reply's own chain: absorbed by a driver, whose clone is sent, or fails.
TEST(Injections, AClonesFailureReachesTheServersReply) {
  House h;
  std::unique_ptr<TestList> clone;
  h.bench.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    if (clone != nullptr) return Verdict::Permit;
    clone = TestList::clone_of(*list);
    return Verdict::Absorb;
  };
  h.sink.then = [&](NET_BUFFER_LIST*) { clone->let_go(); };
  h.bench.port.failing[0] = ENXIO;
  h.bench.submit(h.bench.datagram(broadcast()));
  EXPECT_TRUE(h.bench.completions().empty());
  EXPECT_EQ(h.mac_send(clone->list, 0), STATUS_SUCCESS);  // the interface is the original's
  h.pump();
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(h.bench.completions(), (All{{0, ENXIO}}));
}

// Invariant 5.
TEST(Injections, APacketTellsWhoInjectedIt) {
  House h;
  FakeDriver b_driver("b"), c_driver("c");
  const HANDLE a = h.handle, b = h.open(b_driver), c = h.open(c_driver);
  int contexts[2];
  std::unique_ptr<TestList> clone;
  std::vector<FWPS_PACKET_INJECTION_STATE> states;
  std::vector<HANDLE> told;
  h.bench.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    for (const HANDLE handle : {a, b, c}) {
      HANDLE context = &told;
      states.push_back(
          h.injections.FwpsQueryPacketInjectionState0(h.driver, handle, list, &context));
      told.push_back(context);
    }
    if (clone == nullptr) clone = TestList::clone_of(*list);
    return states.size() == 3 ? Verdict::Absorb : Verdict::Permit;
  };
  TestList list(frame_with(1));
  EXPECT_EQ(h.injections.FwpsQueryPacketInjectionState0(h.driver, a, &list.list, nullptr),
            FWPS_PACKET_NOT_INJECTED);
  EXPECT_EQ(h.mac_send(list.list, 1, a, &contexts[0]), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(states, (std::vector{FWPS_PACKET_INJECTED_BY_SELF, FWPS_PACKET_INJECTED_BY_OTHER,
                                 FWPS_PACKET_INJECTED_BY_OTHER}));
  EXPECT_EQ(told, (std::vector<HANDLE>{&contexts[0], nullptr, nullptr}));
  EXPECT_EQ(h.mac_send(clone->list, 1, b, &contexts[1]), STATUS_SUCCESS);
  h.pump();
  ASSERT_EQ(states.size(), 6u);
  EXPECT_EQ(states[3], FWPS_PACKET_PREVIOUSLY_INJECTED_BY_SELF);
  EXPECT_EQ(states[4], FWPS_PACKET_INJECTED_BY_SELF);
  EXPECT_EQ(states[5], FWPS_PACKET_INJECTED_BY_OTHER);
  EXPECT_EQ(told[3], &contexts[0]);
  EXPECT_EQ(told[4], &contexts[1]);
  EXPECT_EQ(told[5], nullptr);
  clone->let_go();
  h.pump();
  EXPECT_EQ(h.sink.count(), 2u);
}

TEST(Injections, AnEndlessLoopOfClonesIsCut) {
  House h;
  std::vector<std::unique_ptr<TestList>> clones;
  h.bench.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    clones.push_back(TestList::clone_of(*list));
    EXPECT_EQ(h.mac_send(clones.back()->list), STATUS_SUCCESS);
    return Verdict::Absorb;
  };
  std::map<NET_BUFFER_LIST*, TestList*> by_list;
  h.sink.then = [&](NET_BUFFER_LIST* list) {
    for (auto& clone : clones) {
      if (&clone->list == list) clone->let_go();
    }
  };
  TestList list(frame_with(1));
  EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
  for (int turn = 0; turn < 100 && (h.injections.due() || h.injections.waits()); ++turn) h.pump();
  EXPECT_EQ(clones.size(), kInjectionHopsMax);
  ASSERT_EQ(h.sink.completed.size(), kInjectionHopsMax + 1);
  // The one that went too far fails, and so all that it came from.
  for (const auto& completed : h.sink.completed) {
    EXPECT_EQ(completed.status, STATUS_UNSUCCESSFUL);
  }
  EXPECT_EQ(h.injections.report().loops_cut, 1u);
  EXPECT_TRUE(h.bench.port.sent.empty());
}

TEST(Injections, AnEndlessLoopOfCopiesIsCut) {
  InjectionOptions options;
  options.per_second_min = 100;
  options.per_packet_max = 3;
  House h(options);
  TestList list(frame_with(1));
  h.bench.counters.frames_received.add(10);
  int accepted = 0;
  for (int i = 0; i < 200; ++i) {
    const NTSTATUS status = h.mac_send(list.list);
    if (status == STATUS_SUCCESS) {
      ++accepted;
      h.pump();
    } else {
      EXPECT_EQ(status, STATUS_NETWORK_BUSY);
    }
  }
  EXPECT_EQ(accepted, 130);
  EXPECT_EQ(h.sink.count(), 130u);
  EXPECT_EQ(h.driver.breaches().size(), 1u);  // once a second
  EXPECT_EQ(h.injections.report().handles[0].too_many, 70u);
  h.bench.now.boot_ns += kNsPerSecond;
  h.bench.classifier.at = nullptr;
  h.injections.released();
  h.pump();
  EXPECT_EQ(h.mac_send(list.list), STATUS_SUCCESS);
  h.pump();
}

// --- network and transport ---------------------------------------------------------------------

TEST(Injections, AClonesWayIsItsOriginals) {
  House h;
  std::unique_ptr<TestList> clone;
  h.bench.classifier.at = [&](const Traffic& traffic, NET_BUFFER_LIST* list, Depth) {
    if (clone != nullptr) return Verdict::Permit;
    clone = TestList::clone_of(*list, traffic.mac_header_bytes + traffic.ip_header_bytes);
    return Verdict::Absorb;
  };
  Datagram d = h.bench.datagram(direct("10.2.0.77"), 2);
  d.packet().ingress.vlan = 42;
  h.bench.submit(std::move(d));
  UCHAR remote[4] = {10, 2, 0, 77};
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  args.remoteAddress = remote;
  EXPECT_EQ(h.transport_send(clone->list, &args), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  clone->let_go();
  ASSERT_EQ(h.bench.port.sent.size(), 1u);
  EXPECT_EQ(h.bench.port.sent[0].ifindex, 2u);
  UdpFrame udp;
  EXPECT_EQ(parse_udp_frame(h.bench.port.sent[0].frame, udp), FrameFault::None);
  EXPECT_EQ(udp.destination_mac, kClientMac);
  EXPECT_EQ(udp.vlan, 42);
  EXPECT_EQ(udp.source, ip("10.2.0.1"));
  EXPECT_EQ(h.bench.links.resolved, 0);
  // A deep copy has no original, but the address was just written to.
  std::vector<uint8_t> copy(308, 0x11);
  store_be16(&copy[0], 67);
  store_be16(&copy[2], 68);
  store_be16(&copy[4], 308);
  TestList deep(copy);
  EXPECT_EQ(h.transport_send(deep.list, &args, uint64_t{ip("10.2.0.1").value} << 32 | 2),
            STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  ASSERT_EQ(h.bench.port.sent.size(), 2u);
  EXPECT_EQ(parse_udp_frame(h.bench.port.sent[1].frame, udp), FrameFault::None);
  EXPECT_TRUE(udp_checksum_is_right(udp));
  EXPECT_EQ(udp.destination_mac, kClientMac);
  EXPECT_EQ(udp.source, ip("10.2.0.1"));
  EXPECT_EQ(h.bench.links.resolved, 0);
  // A broadcast goes out where its endpoint is.
  UCHAR everybody[4] = {255, 255, 255, 255};
  args.remoteAddress = everybody;
  EXPECT_EQ(h.transport_send(deep.list, &args, uint64_t{ip("10.3.0.1").value} << 32 | 3),
            STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  ASSERT_EQ(h.bench.port.sent.size(), 3u);
  EXPECT_EQ(h.bench.port.sent[2].ifindex, 3u);
  EXPECT_EQ(parse_udp_frame(h.bench.port.sent[2].frame, udp), FrameFault::None);
  EXPECT_EQ(udp.destination_mac, kBroadcastMac);
  EXPECT_EQ(udp.source, ip("10.3.0.1"));
  // No way at all.
  UCHAR nowhere[4] = {192, 0, 2, 9};
  args.remoteAddress = nowhere;
  EXPECT_EQ(h.transport_send(deep.list, &args), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_NETWORK_UNREACHABLE);
}

TEST(Injections, AnUnresolvedNeighbourIsTheKernelsToFind) {
  House h;
  h.bench.links.hops[ip("192.0.2.2").value] = {3, ip("10.3.0.1"), std::nullopt};
  TestList list(without(frame_with(77), 34));
  UCHAR remote[4] = {192, 0, 2, 2};
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  args.remoteAddress = remote;
  h.bench.classifier.at = [](const Traffic& traffic, auto*, Depth) {
    EXPECT_EQ(traffic.mac_header_bytes, 0u);
    return Verdict::Permit;
  };
  EXPECT_EQ(h.transport_send(list.list, &args), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  EXPECT_EQ(h.bench.classifier.path.back(), Depth::Network);
  ASSERT_EQ(h.bench.port.sent.size(), 1u);
  EXPECT_TRUE(h.bench.port.sent[0].frame.empty());
  EXPECT_EQ(h.bench.port.sent[0].from, ip("10.3.0.1"));
  EXPECT_EQ(load_be32(h.bench.port.sent[0].payload.data()), 77u);
  // The socket sends from port 67 only.
  std::vector<uint8_t> other = without(frame_with(78), 34);
  store_be16(&other[0], 99);
  TestList from_elsewhere(other);
  EXPECT_EQ(h.transport_send(from_elsewhere.list, &args), STATUS_SUCCESS);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_HOST_UNREACHABLE);
}

// Invariant 11: the caller's structures may go as soon as the call returns, and what they point to
// with the completion.
TEST(Injections, SendArgsAreReadInsideTheCall) {
  House h;
  h.bench.links.hops[ip("10.1.0.50").value] = {1, ip("10.1.0.1"), kClientMac};
  TestList list(without(frame_with(3), 34));
  UCHAR remote[4] = {10, 1, 0, 50};
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  args.remoteAddress = remote;
  EXPECT_EQ(h.transport_send(list.list, &args), STATUS_SUCCESS);
  std::memset(&args, 0xEE, sizeof args);
  std::memset(remote, 0xEE, sizeof remote);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  // The same with a header of its own, by either version of the function.
  std::vector<uint8_t> header = frame_with(3);
  header.resize(34);
  header = without(header, 14);
  header[1] = 0x10;  // type of service
  FWPS_TRANSPORT_SEND_PARAMS1 included{};
  included.headerIncludeHeader = header.data();
  included.headerIncludeHeaderLength = 20;
  EXPECT_EQ(h.transport_send(list.list, &included), STATUS_SUCCESS);
  std::fill(header.begin(), header.end(), 0xEE);
  h.pump();
  EXPECT_EQ(h.sink.take(), STATUS_SUCCESS);
  ASSERT_EQ(h.bench.port.sent.size(), 2u);
  EXPECT_EQ(h.bench.port.sent[1].frame[15], 0x10);
  EXPECT_EQ(h.bench.port.sent[0].to, ip("10.1.0.50"));
  EXPECT_EQ(h.bench.port.sent[1].to, ip("10.1.0.50"));
}

TEST(Injections, RepliesToMoreAddressesThanAreRememberedFindTheirWayOrNone) {
  RecentNeighbours recent;
  for (uint32_t i = 1; i <= 2 * kRecentNeighboursMax; ++i) recent.note({Ipv4{i}, i, 0, kClientMac});
  size_t found = 0;
  for (uint32_t i = 1; i <= 2 * kRecentNeighboursMax; ++i) {
    const Neighbour* neighbour = recent.find(Ipv4{i});
    if (neighbour == nullptr) continue;
    ++found;
    EXPECT_EQ(neighbour->ifindex, i);
  }
  EXPECT_GT(found, kRecentNeighboursMax / 4);
  EXPECT_LE(found, kRecentNeighboursMax);
  EXPECT_NE(recent.find(Ipv4{uint32_t{2 * kRecentNeighboursMax}}), nullptr);
  EXPECT_EQ(recent.find(Ipv4{}), nullptr);
}

}  // namespace
}  // namespace hookline::inject
