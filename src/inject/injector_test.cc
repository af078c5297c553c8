#include "inject/injector.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include "base/inet_frame.h"

// The stages before the injector make its input; here a test stands in for each of them.
namespace hookline::receive {
class Receiver {
 public:
  static Frame make(PacketHandle packet) { return Frame({}, std::move(packet)); }
};
}  // namespace hookline::receive
namespace hookline::wire {
class Decoder {
 public:
  static Request make(Admitted&& a) { return Request({}, std::move(a)); }
};
class Encoder {
 public:
  static Reply make(Immediate&& i) { return Reply({}, std::move(i)); }
};
}  // namespace hookline::wire
namespace hookline::lease {
class Engine {
 public:
  static Immediate make(Request&& r) {
    r.packet().grant.reply = ReplyKind::Offer;
    return Immediate({}, std::move(r));
  }
};
}  // namespace hookline::lease
namespace hookline::filter {
class FilterEngine {
 public:
  static Admitted admit(Frame&& f) { return Admitted({}, std::move(f)); }
  static Datagram release(Reply&& r) { return Datagram({}, std::move(r)); }
};
}  // namespace hookline::filter

namespace hookline::inject {
namespace {

constexpr MacAddress kOurMac{{0x02, 0, 0, 0, 0, 0x01}};
constexpr MacAddress kClientMac{{0x02, 0, 0, 0, 0, 0x77}};
constexpr MacAddress kRelayMac{{0x02, 0, 0, 0, 0, 0x99}};

Ipv4 ip(const char* text) { return *Ipv4::parse(text); }

class FakeLinks final : public io::LinkMonitor {
 public:
  FakeLinks() {
    for (uint32_t i = 1; i <= 3; ++i) {
      io::Link link;
      link.ifindex = i;
      link.mac = kOurMac;
      link.mac.octets[4] = static_cast<uint8_t>(i);
      link.addresses = {{Ipv4{0x0A000001 + (i << 16)}, Prefix{Ipv4{0x0A000000 + (i << 16)}, 24}}};
      table_.links.push_back(link);
    }
  }
  const io::LinkTable& table() const override { return table_; }
  bool changed() override { return false; }
  std::optional<io::NextHop> resolve(Ipv4 to) override {
    ++resolved;
    const auto it = hops.find(to.value);
    return it == hops.end() ? std::nullopt : std::optional(it->second);
  }

  io::LinkTable table_;
  std::map<uint32_t, io::NextHop> hops;
  int resolved = 0;
};

// Keeps what was sent; each interface takes as many frames as it has `room` for, and frames whose
// first payload byte is in `failing` fail.
class FakePort final : public io::PacketPort {
 public:
  struct Sent {
    uint32_t ifindex;
    std::vector<uint8_t> frame;  // empty: by the socket
    std::vector<uint8_t> payload;
    Ipv4 from;
    Ipv4 to;
  };

  size_t receive(std::span<io::RxFrame>) override { return 0; }
  void send(std::span<io::TxFrame> frames) override {
    std::set<uint32_t> full;
    for (io::TxFrame& tx : frames) {
      ++tries;
      UdpFrame udp;
      EXPECT_EQ(parse_udp_frame(tx.frame, udp), FrameFault::None);
      EXPECT_NE(udp.udp_checksum, 0);
      EXPECT_TRUE(udp_checksum_is_right(udp));
      const Bytes payload = tx.frame.subspan(udp.payload_offset, udp.payload_size);
      tx.error = full.contains(tx.ifindex) ? ENOBUFS : take(tx.ifindex, payload);
      if (tx.error == ENOBUFS) full.insert(tx.ifindex);
      if (tx.error != 0) continue;
      sent.push_back({tx.ifindex,
                      {tx.frame.begin(), tx.frame.end()},
                      {payload.begin(), payload.end()},
                      udp.source,
                      udp.destination});
    }
  }
  int send_udp(Ipv4 from, Ipv4 to, uint16_t, uint32_t ifindex, Bytes payload) override {
    const int error = take(ifindex, payload);
    if (error == 0) sent.push_back({ifindex, {}, {payload.begin(), payload.end()}, from, to});
    return error;
  }
  uint64_t kernel_drops() const override { return 0; }

  std::vector<Sent> sent;
  std::map<uint32_t, size_t> room;  // absent: endless
  bool drains_at_once = false;      // a full queue has room again for the next call
  std::map<uint32_t, int> failing;  // by the payload's first four bytes
  size_t tries = 0;

 private:
  int take(uint32_t ifindex, Bytes payload) {
    const auto limit = room.find(ifindex);
    if (limit != room.end() && limit->second == 0) {
      if (drains_at_once) room.erase(limit);
      return ENOBUFS;
    }
    const auto it = failing.find(load_be32(payload.data()));
    if (it != failing.end()) return it->second;
    if (limit != room.end()) --limit->second;
    return 0;
  }
};

struct Bench {
  PacketPool pool{kInjectionsMax + 1};
  FakeLinks links;
  FakePort port;
  Counters counters;
  Injector injector{port, links, counters};
  Now now{1'000'000'000, 0};
  uint32_t next_id = 0;

  ~Bench() {
    injector.abandon(ECANCELED);
    while (injector.in_flight() != 0) end(injector.completions(now));
    EXPECT_EQ(pool.available(), pool.size());
  }
  void end(Batch<Completion> batch) {
    for (Completion& c : batch) pool.give_back(std::move(c).release());
  }

  // A reply whose payload starts with its number.
  Datagram datagram(Destination to, uint32_t ifindex = 1, size_t size = 300) {
    PacketHandle packet = pool.take();
    packet->ingress = {};
    packet->ingress.ifindex = ifindex;
    packet->ingress.link = links.table_.find(ifindex);
    packet->ingress.source_mac = kClientMac;
    packet->destination = to;
    packet->reply_type = MessageType::Offer;
    packet->reply_size = static_cast<uint16_t>(size);
    std::memset(packet->reply_data(), 0x5A, size);
    store_be32(packet->reply_data(), next_id++);
    packet->grant.server_id = packet->ingress.link->primary();
    return filter::FilterEngine::release(
        wire::Encoder::make(lease::Engine::make(wire::Decoder::make(
            filter::FilterEngine::admit(receive::Receiver::make(std::move(packet)))))));
  }
  void submit(Datagram d) {
    Batch<Datagram> batch;
    batch.push(std::move(d));
    injector.submit(std::move(batch), now);
  }
  // The next completion's number and error; ends its packet.
  std::vector<std::pair<uint32_t, int>> completions() {
    std::vector<std::pair<uint32_t, int>> all;
    Batch<Completion> batch = injector.completions(now);
    for (Completion& c : batch) {
      all.emplace_back(load_be32(c.packet().reply_data()), c.error());
      pool.give_back(std::move(c).release());
    }
    return all;
  }
  int error_of(Datagram d) {
    submit(std::move(d));
    const auto all = completions();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? -1 : all[0].second;
  }
};

Destination broadcast() { return {Reach::Broadcast, kBroadcast, 68, kBroadcastMac}; }
Destination direct(const char* to) { return {Reach::Direct, ip(to), 68, kClientMac}; }
Destination routed(const char* to) { return {Reach::Routed, ip(to), 67, {}}; }

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
  EXPECT_EQ(b.completions(), (All{{0, 0}, {1, ENETDOWN}, {2, 0}, {3, ENXIO}, {4, 0}}));
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
  EXPECT_EQ(b.injector.waiting(), 3u);
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
  b.injector.abandon(ECANCELED);
  using All = std::vector<std::pair<uint32_t, int>>;
  EXPECT_EQ(b.completions(), (All{{0, 0}, {1, ECANCELED}, {2, ECANCELED}}));
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
