#include "inject/injector.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "inject/testing.h"

namespace hookline::inject {
namespace {

using namespace testing;

TEST(Injector, BroadcastsOnTheLinkItCameFrom) {
  Bench b;
  EXPECT_EQ(b.error_of(b.datagram(broadcast(), 2)), 0);
  ASSERT_EQ(b.port.sent.size(), 1u);
  EXPECT_EQ(b.port.sent[0].ifindex, 2u);
  UdpFrame udp;
  parse_udp_frame(b.port.sent[0].frame, udp);
  EXPECT_EQ(udp.destination_mac, kBroadcastMac);
  EXPECT_EQ(udp.source_mac, b.links.table_.links[1].mac);
  EXPECT_EQ(udp.source, ip("10.2.0.1"));
  EXPECT_EQ(udp.destination, kBroadcast);
  EXPECT_EQ(udp.source_port, 67);
  EXPECT_EQ(udp.destination_port, 68);
  EXPECT_EQ(udp.payload_size, 300u);
  EXPECT_EQ(b.counters.sent[static_cast<size_t>(MessageType::Offer)].value(), 1u);
  EXPECT_EQ(b.links.resolved, 0);
}

TEST(Injector, AWholeFrameByteForByte) {
  Bench b;
  Destination to = direct("10.1.0.50");
  b.submit(b.datagram(to, 1, 4));
  const std::vector<uint8_t> expected = *from_hex(
      "020000000077 020000000101 0800"
      "4500 0020 0000 4000 40 11 2699 0a010001 0a010032"
      "0043 0044 000c eb1a 00000000");
  ASSERT_EQ(b.port.sent.size(), 1u);
  EXPECT_EQ(to_hex(b.port.sent[0].frame), to_hex(expected));
}

TEST(Injector, ATaggedRequestGetsATaggedReply) {
  Bench b;
  Datagram d = b.datagram(direct("10.1.0.50"));
  d.packet().ingress.vlan = 42;
  EXPECT_EQ(b.error_of(std::move(d)), 0);
  const auto& frame = b.port.sent[0].frame;
  EXPECT_EQ(frame.size(), 300u + 46);
  EXPECT_EQ(load_be16(&frame[12]), 0x8100);
  EXPECT_EQ(load_be16(&frame[14]), 42);
}

TEST(Injector, RoutesByTheKernelsTables) {
  Bench b;
  b.links.hops[ip("192.0.2.1").value] = {3, ip("10.3.0.1"), kRelayMac};
  b.links.hops[ip("192.0.2.2").value] = {3, ip("10.3.0.1"), std::nullopt};
  b.links.hops[ip("192.0.2.3").value] = {9, ip("10.9.0.1"), kRelayMac};
  EXPECT_EQ(b.error_of(b.datagram(routed("192.0.2.1"))), 0);
  EXPECT_EQ(b.error_of(b.datagram(routed("192.0.2.2"))), 0);
  EXPECT_EQ(b.error_of(b.datagram(routed("192.0.2.3"))), 0);
  EXPECT_EQ(b.error_of(b.datagram(routed("192.0.2.4"))), ENETUNREACH);
  ASSERT_EQ(b.port.sent.size(), 3u);
  UdpFrame udp;
  parse_udp_frame(b.port.sent[0].frame, udp);
  EXPECT_EQ(b.port.sent[0].ifindex, 3u);
  EXPECT_EQ(udp.destination_mac, kRelayMac);
  EXPECT_EQ(udp.source_mac, b.links.table_.links[2].mac);
  EXPECT_EQ(udp.source, ip("10.1.0.1"));  // the server identifier, wherever it leaves
  EXPECT_EQ(udp.destination_port, 67);
  EXPECT_TRUE(b.port.sent[1].frame.empty());  // not resolved
  EXPECT_EQ(b.port.sent[1].from, ip("10.1.0.1"));
  EXPECT_EQ(b.port.sent[1].ifindex, 3u);
  EXPECT_TRUE(b.port.sent[2].frame.empty());  // an interface that is not served
  EXPECT_EQ(b.counters.send_failures.value(), 1u);
}

TEST(Injector, ANeighbourThatWasJustHeardNeedsNoTable) {
  Bench b;
  Datagram d = b.datagram(routed("10.1.0.50"));
  d.packet().ingress.source = ip("10.1.0.50");
  EXPECT_EQ(b.error_of(std::move(d)), 0);
  UdpFrame udp;
  parse_udp_frame(b.port.sent[0].frame, udp);
  EXPECT_EQ(udp.destination_mac, kClientMac);
  EXPECT_EQ(b.links.resolved, 0);
  // From beyond a router it may come by another way than it has to go.
  Datagram far = b.datagram(routed("192.0.2.1"));
  far.packet().ingress.source = ip("192.0.2.1");
  EXPECT_EQ(b.error_of(std::move(far)), ENETUNREACH);
  EXPECT_EQ(b.links.resolved, 1);
}

TEST(Injector, ASourceThatIsNotOursIsNotUsed) {
  Bench b;
  b.links.hops[ip("192.0.2.1").value] = {3, ip("10.3.0.1"), kRelayMac};
  Datagram d = b.datagram(routed("192.0.2.1"));
  d.packet().grant.server_id = ip("192.0.2.1");  // the relay's override, RFC 5107
  EXPECT_EQ(b.error_of(std::move(d)), 0);
  EXPECT_EQ(b.port.sent[0].from, ip("10.3.0.1"));
  Datagram local = b.datagram(broadcast());
  local.packet().grant.server_id = ip("192.0.2.1");
  EXPECT_EQ(b.error_of(std::move(local)), 0);
  EXPECT_EQ(b.port.sent[1].from, ip("10.1.0.1"));
  b.links.table_.links[0].addresses.clear();
  Datagram none = b.datagram(broadcast());
  EXPECT_EQ(b.error_of(std::move(none)), EADDRNOTAVAIL);
}

TEST(Injector, NothingLargerThanTheLinkTakes) {
  Bench b;
  EXPECT_EQ(b.error_of(b.datagram(broadcast(), 1, 1472)), 0);
  EXPECT_EQ(b.error_of(b.datagram(broadcast(), 1, 1473)), EMSGSIZE);
  b.links.table_.links[0].mtu = 9000;
  EXPECT_EQ(b.error_of(b.datagram(broadcast(), 1, 4096)), 0);
}

TEST(Injector, EachCompletionHasItsOwnError) {
  Bench b;
  b.port.failing = {{1, ENETDOWN}, {3, ENXIO}};
  Batch<Datagram> batch;
  for (int i = 0; i < 5; ++i) batch.push(b.datagram(broadcast()));
  b.injector.submit(std::move(batch), b.now);
  EXPECT_EQ(b.injector.in_flight(), 5u);  // nothing completes on submit's stack
  using All = std::vector<std::pair<uint32_t, int>>;
  // What may be over in a moment has been tried once more.
  EXPECT_EQ(b.completions(), (All{{0, 0}, {2, 0}, {3, ENXIO}, {4, 0}, {1, ENETDOWN}}));
  EXPECT_EQ(b.port.tries, 6u);
  EXPECT_EQ(b.injector.in_flight(), 0u);
}

TEST(Injector, AFullQueueIsWaitedForInOrder) {
  Bench b;
  b.port.room[1] = 2;
  Batch<Datagram> batch;
  for (int i = 0; i < 6; ++i) batch.push(b.datagram(broadcast(), i == 4 ? 2 : 1));
  b.injector.submit(std::move(batch), b.now);
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, 0}, {1, 0}, {4, 0}}));
  EXPECT_EQ(b.injector.in_flight(), 3u);
  EXPECT_TRUE(b.injections.waits());
  b.submit(b.datagram(broadcast()));  // must not overtake
  b.port.room[1] = 3;
  EXPECT_EQ(b.completions(), (All{{2, 0}, {3, 0}, {5, 0}}));
  b.port.room.clear();
  EXPECT_EQ(b.completions(), (All{{6, 0}}));
}

TEST(Injector, WhatTheSocketSendsWaitsBehindTheFramesOfItsInterface) {
  Bench b;
  b.links.hops[ip("192.0.2.2").value] = {3, ip("10.3.0.1"), std::nullopt};
  b.port.room[3] = 0;
  b.port.drains_at_once = true;
  Batch<Datagram> batch;
  batch.push(b.datagram(broadcast(), 3));
  batch.push(b.datagram(routed("192.0.2.2")));
  batch.push(b.datagram(broadcast(), 3));
  b.injector.submit(std::move(batch), b.now);
  EXPECT_TRUE(b.port.sent.empty());
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, 0}, {1, 0}, {2, 0}}));
}

TEST(Injector, WhatWaitsTooLongFails) {
  Bench b;
  b.port.room[1] = 0;
  b.submit(b.datagram(broadcast()));
  b.now.boot_ns += kInjectDeadlineNs - 1;
  b.submit(b.datagram(broadcast()));
  EXPECT_TRUE(b.completions().empty());
  b.now.boot_ns += 1;
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, ENOBUFS}}));
  b.port.room.clear();
  EXPECT_EQ(b.completions(), (All{{1, 0}}));
}

TEST(Injector, HoldsAsManyAsItsLimitAndNoMore) {
  Bench b;
  b.port.room[1] = 0;
  while (b.injector.room() != 0) {
    Batch<Datagram> batch;
    while (!batch.full()) batch.push(b.datagram(broadcast()));
    b.injector.submit(std::move(batch), b.now);
  }
  EXPECT_EQ(b.injector.in_flight(), kInjectionsMax);
  EXPECT_TRUE(b.completions().empty());
  b.port.room.clear();
  b.port.tries = 0;
  size_t completed = 0;
  while (b.injector.in_flight() != 0) completed += b.completions().size();
  EXPECT_EQ(completed, kInjectionsMax);
  EXPECT_EQ(b.port.tries, kInjectionsMax);
  for (uint32_t i = 0; i < kInjectionsMax; ++i) {
    ASSERT_EQ(load_be32(b.port.sent[i].payload.data()), i);
  }
}

TEST(InjectorDeathTest, MoreThanItsRoomIsABug) {
  EXPECT_DEATH(
      {
        Bench b;
        b.port.room[1] = 0;
        for (size_t i = 0; i < kInjectionsMax / kTurnPacketsMax; ++i) {
          Batch<Datagram> batch;
          while (!batch.full()) batch.push(b.datagram(broadcast()));
          b.injector.submit(std::move(batch), b.now);
        }
        b.submit(b.datagram(broadcast()));
      },
      "room");
}

TEST(Injector, AbandonedOnesCompleteToo) {
  Bench b;
  b.port.room[1] = 1;
  for (int i = 0; i < 3; ++i) b.submit(b.datagram(broadcast()));
  b.injections.abandon(b.now);
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, 0}, {1, ECANCELED}, {2, ECANCELED}}));
}

TEST(Injector, ATransientErrorIsTriedOnceMore) {
  Bench b;
  b.port.failing = {{0, ENETDOWN}};
  b.port.fail_once = true;
  b.submit(b.datagram(broadcast()));
  EXPECT_EQ(b.injector.in_flight(), 1u);
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, 0}}));
  EXPECT_EQ(b.port.sent.size(), 1u);
  EXPECT_EQ(b.counters.send_failures.value(), 0u);
}

TEST(Injector, AReplyPassesTheOutboundLayersFromTheTop) {
  Bench b;
  std::vector<Traffic> seen;
  b.classifier.at = [&](const Traffic& traffic, NET_BUFFER_LIST* list, Depth) {
    EXPECT_EQ(list->NdisReserved[0], nullptr);
    EXPECT_EQ(list->FirstNetBuffer->DataLength, 342u);
    seen.push_back(traffic);
    return Verdict::Permit;
  };
  EXPECT_EQ(b.error_of(b.datagram(direct("10.1.0.50"))), 0);
  EXPECT_EQ(b.classifier.path,
            (std::vector{Depth::Datagram, Depth::Transport, Depth::Network, Depth::Mac}));
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].remote, ip("10.1.0.50"));
  EXPECT_EQ(seen[0].local, ip("10.1.0.1"));
  EXPECT_EQ(seen[0].remote_mac, kClientMac);
  EXPECT_EQ(seen[0].mac_header_bytes, 14u);
  EXPECT_EQ(seen[0].ifindex, 1u);
}

TEST(Injector, WhatTheKernelSendsHasNoMacLayer) {
  Bench b;
  b.links.hops[ip("192.0.2.2").value] = {3, ip("10.3.0.1"), std::nullopt};
  b.classifier.at = [&](const Traffic& traffic, NET_BUFFER_LIST* list, Depth) {
    EXPECT_EQ(traffic.mac_header_bytes, 0u);
    EXPECT_EQ(list->FirstNetBuffer->DataLength, 328u);
    return Verdict::Permit;
  };
  EXPECT_EQ(b.error_of(b.datagram(routed("192.0.2.2"))), 0);
  EXPECT_EQ(b.classifier.path, (std::vector{Depth::Datagram, Depth::Transport, Depth::Network}));
}

TEST(Injector, WhatIsBlockedIsNotSent) {
  Bench b;
  b.classifier.at = [](auto&, auto*, Depth depth) {
    return depth == Depth::Network ? Verdict::Block : Verdict::Permit;
  };
  EXPECT_EQ(b.error_of(b.datagram(broadcast())), EPERM);
  EXPECT_TRUE(b.port.sent.empty());
  EXPECT_EQ(b.counters.send_failures.value(), 1u);
}

TEST(Injector, WhatIsAbsorbedEndsWhenItsLastCloneHasGone) {
  Bench b;
  std::unique_ptr<TestList> first, second;
  b.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    first = TestList::clone_of(*list);
    second = TestList::clone_of(*list);
    return Verdict::Absorb;
  };
  b.submit(b.datagram(broadcast()));
  EXPECT_TRUE(b.completions().empty());
  EXPECT_EQ(b.injections.report().replies_held, 1u);
  EXPECT_EQ(b.injector.room(), kInjectionsMax - 1);
  first->let_go();
  EXPECT_TRUE(b.completions().empty());
  second->let_go();
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, 0}}));
  EXPECT_TRUE(b.port.sent.empty());
}

TEST(Injector, WhatIsSentEndsWhenNobodyLooksAnyMore) {
  Bench b;
  std::unique_ptr<TestList> clone;
  b.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth depth) {
    if (depth == Depth::Mac) clone = TestList::clone_of(*list);
    return Verdict::Permit;
  };
  b.port.failing[0] = ENXIO;
  b.submit(b.datagram(broadcast()));
  EXPECT_TRUE(b.completions().empty());
  clone->let_go();
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, ENXIO}}));
}

TEST(Injector, AClonesFailureIsTheReplysOwn) {
  Bench b;
  std::unique_ptr<TestList> clone;
  NET_BUFFER_LIST* parent = nullptr;
  b.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    parent = list;
    clone = TestList::clone_of(*list);
    return Verdict::Absorb;
  };
  b.submit(b.datagram(broadcast()));
  parent->Status = STATUS_DEVICE_NOT_READY;
  clone->let_go();
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, ENETDOWN}}));
  // Its place is used again, without any of that.
  b.classifier.at = nullptr;
  EXPECT_EQ(b.error_of(b.datagram(broadcast())), 0);
}

TEST(Injector, WhatIsHeldAtTheEndIsCancelledWhenNoCalloutRuns) {
  Bench b;
  std::unique_ptr<TestList> clone;
  b.classifier.at = [&](auto&, NET_BUFFER_LIST* list, Depth) {
    clone = TestList::clone_of(*list);
    return Verdict::Absorb;
  };
  b.submit(b.datagram(broadcast()));
  b.injections.abandon(b.now);
  EXPECT_TRUE(b.completions().empty()) << "the clone's bytes are the packet's";
  b.injections.abandon_held(b.now);
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, ECANCELED}}));
}

TEST(Injector, EachReplyIsAnInjectionOfTheServers) {
  Bench b;
  b.links.hops[ip("192.0.2.1").value] = {3, ip("10.3.0.1"), kRelayMac};
  b.error_of(b.datagram(broadcast()));
  b.error_of(b.datagram(direct("10.1.0.50")));
  b.error_of(b.datagram(routed("192.0.2.1")));
  b.error_of(b.datagram(routed("192.0.2.9")));
  const HandleReport replies = b.injections.report().replies;
  EXPECT_EQ(replies.driver, "hookline");
  EXPECT_EQ(replies.injected[static_cast<size_t>(Kind::MacSend)], 2u);
  EXPECT_EQ(replies.injected[static_cast<size_t>(Kind::TransportSend)], 2u);
  EXPECT_EQ(replies.ended[static_cast<size_t>(End::Success)], 3u);
  EXPECT_EQ(replies.ended[static_cast<size_t>(End::Failed)], 1u);
  EXPECT_EQ(replies.in_flight, 0u);
}

// Whatever is submitted, in whatever batches, over interfaces that fill up, fail and recover: each
// completes exactly once, what completed as sent was sent exactly once, and nothing overtakes
// another on its interface.
RC_GTEST_PROP(Injector, EveryDatagramCompletesExactlyOnceAndInOrder, ()) {
  Bench b;
  b.links.hops[ip("192.0.2.2").value] = {3, ip("10.3.0.1"), std::nullopt};
  b.links.hops[ip("192.0.2.1").value] = {2, ip("10.2.0.1"), kRelayMac};
  std::map<uint32_t, int> completed;
  const auto collect = [&] {
    for (const auto& [id, error] : b.completions()) {
      RC_ASSERT(!completed.contains(id));
      completed[id] = error;
    }
  };
  const int steps = *rc::gen::inRange(1, 40);
  b.port.drains_at_once = *rc::gen::arbitrary<bool>();
  for (int step = 0; step < steps; ++step) {
    for (uint32_t ifindex = 1; ifindex <= 3; ++ifindex) {
      const int room = *rc::gen::inRange(-3, 8);
      if (room < 0) {
        b.port.room.erase(ifindex);
      } else {
        b.port.room[ifindex] = static_cast<size_t>(room);
      }
    }
    Batch<Datagram> batch;
    const int count = *rc::gen::inRange(0, 20);
    for (int i = 0; i < count; ++i) {
      if (*rc::gen::inRange(0, 10) == 0) b.port.failing[b.next_id] = ENETDOWN;
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
          batch.push(b.datagram(routed("192.0.2.1")));
          break;
        case 1:
          batch.push(b.datagram(routed("192.0.2.2")));
          break;
        case 2:
          batch.push(b.datagram(routed("192.0.2.9")));
          break;
        case 3:
          batch.push(b.datagram(broadcast(), 2));
          break;
        default:
          batch.push(b.datagram(broadcast(), *rc::gen::inRange<uint32_t>(1, 4)));
      }
    }
    b.injector.submit(std::move(batch), b.now);
    b.now.boot_ns += *rc::gen::inRange<int64_t>(0, kInjectDeadlineNs);
    collect();
    RC_ASSERT(b.injector.in_flight() + completed.size() == b.next_id);
  }
  b.port.room.clear();
  while (b.injector.in_flight() != 0) collect();
  RC_ASSERT(completed.size() == b.next_id);
  std::map<uint32_t, uint32_t> last;
  std::set<uint32_t> sent;
  for (const FakePort::Sent& s : b.port.sent) {
    const uint32_t id = load_be32(s.payload.data());
    RC_ASSERT(sent.insert(id).second);
    RC_ASSERT(completed[id] == 0);
    RC_ASSERT(!last.contains(s.ifindex) || last[s.ifindex] < id);
    last[s.ifindex] = id;
  }
  for (const auto& [id, error] : completed) RC_ASSERT((error == 0) == sent.contains(id));
}

}  // namespace
}  // namespace hookline::inject
