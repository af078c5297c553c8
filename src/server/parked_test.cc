// The table of parked packets, against a prober that says what it is told to say.
#include "server/parked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <utility>

#include "base/inet_frame.h"
#include "base/log_limit.h"
#include "filter/filter_engine.h"
#include "receive/receiver.h"
#include "wire/decoder.h"

namespace hookline::server {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr uint32_t kIfindex = 2;
constexpr Ipv4 kAddress{0x0A4D0064};
constexpr MacAddress kClientMac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kSquatterMac{{2, 0, 0, 0, 0, 9}};
constexpr MacAddress kLinkMac{{2, 0, 0, 0, 0xFF, 1}};

class ScriptedProbe final : public io::AddressProbe {
 public:
  int ask(const io::AddressQuestion& question) override {
    if (error == 0) asked.push_back(question);
    resting = false;
    return error;
  }
  size_t answers(std::span<io::AddressAnswer> out) override {
    size_t count = 0;
    for (; count < out.size() && !coming.empty(); ++count) {
      out[count] = coming.front();
      coming.pop_front();
    }
    return count;
  }
  void rest() override { resting = true; }

  std::vector<io::AddressQuestion> asked;
  std::deque<io::AddressAnswer> coming;
  int error = 0;
  bool resting = true;
};

// Gives one DISCOVER after another: a Request can be made by the stages only.
class Clients final : public io::PacketPort {
 public:
  size_t receive(std::span<io::RxFrame> frames) override {
    if (!std::exchange(waits_, false)) return 0;
    std::array<uint8_t, kUdpFrameHeaderBytesMax + kReplyBytesMin> frame{};
    uint8_t* payload = frame.data() + kUdpFrameHeaderBytesMax;
    payload[0] = payload[1] = 1;
    payload[2] = 6;
    store_be32(payload + 4, xid_);
    giaddr_.store(payload + 24);
    std::copy_n(kClientMac.octets.begin(), 6, payload + 28);
    store_be32(payload + kBootpFixedBytes, 0x63825363);
    constexpr uint8_t kDiscover[] = {option::kMessageType, 1, 1, option::kEnd};
    std::copy_n(kDiscover, sizeof kDiscover, payload + kDhcpHeaderBytes);
    const UdpHeaders headers{kClientMac, kBroadcastMac, 0, {}, kBroadcast, 68, 67};
    const Bytes whole = write_udp_headers(headers, {payload, kReplyBytesMin});
    std::copy(whole.begin(), whole.end(), frames[0].buffer.begin());
    frames[0].size = frames[0].wire_size = static_cast<uint32_t>(whole.size());
    frames[0].ifindex = kIfindex;
    frames[0].vlan = 0;
    frames[0].checksum_partial = false;
    return 1;
  }
  void send(std::span<io::TxFrame>) override {}
  int send_udp(Ipv4, Ipv4, uint16_t, uint32_t, Bytes) override { return 0; }
  uint64_t kernel_drops() const override { return 0; }

  void discover(uint32_t xid, Ipv4 giaddr) {
    xid_ = xid;
    giaddr_ = giaddr;
    waits_ = true;
  }

 private:
  bool waits_ = false;
  uint32_t xid_ = 0;
  Ipv4 giaddr_;
};

class Table : public Endings {
 public:
  explicit Table(LeaseConfig leases = {}) : parked(&probe) { parked.configure(leases); }
  ~Table() { parked.drop_all(*this, Drop::ShuttingDown); }

  using Endings::drop;
  void drop(PacketHandle packet, Drop reason) override {
    drops.push_back(reason);
    pool.give_back(std::move(packet));
  }
  void drop_frame(Drop, uint64_t) override {}
  void complete(PacketHandle packet) override { pool.give_back(std::move(packet)); }

  bool park(Ipv4 address, uint32_t xid = 1, Ipv4 giaddr = {}) {
    clients_.discover(xid, giaddr);
    Batch<Request> one = decoder_.decode(filter_.admit(receiver_.take(1, links, now)));
    EXPECT_EQ(one.size(), 1u);
    one[0].packet().grant.address = address;
    if (parked.park(one[0], now)) return true;
    drop(std::move(one[0]), Drop::NoMemory);
    return false;
  }
  std::vector<ProbeResult> poll() {
    const auto results = parked.poll(now);
    return {results.begin(), results.end()};
  }
  // Their xids.
  std::vector<uint32_t> take(size_t max = kTurnPacketsMax) {
    Batch<Request> batch;
    parked.take_ready(batch, max);
    std::vector<uint32_t> xids;
    for (Request& request : batch) {
      xids.push_back(request.message().xid);
      complete(std::move(request).release());
    }
    return xids;
  }
  void pass(int64_t ms) { now.boot_ns += ms * kMs; }

  static io::LinkTable one_link() {
    io::Link link;
    link.ifindex = kIfindex;
    link.name = "eth0";
    link.mac = kLinkMac;
    link.up = true;
    return {{link}};
  }

  Now now{1000 * kMs, 1'800'000'000};
  PacketPool pool{kParkedMax + 64};
  io::LinkTable links = one_link();
  ScriptedProbe probe;
  Parked parked;
  std::vector<Drop> drops;

 private:
  Counters counters_;
  Clients clients_;
  receive::Receiver receiver_{clients_, pool, *this, counters_};
  filter::FilterEngine filter_{*this, counters_};
  wire::Decoder decoder_{*this};
};

Ipv4 address(uint32_t i) { return {kAddress.value + i}; }

TEST(Parked, AsksOnceAndGivesUpWhenTheTimeIsOver) {
  Table t;
  ASSERT_TRUE(t.park(kAddress));
  ASSERT_EQ(t.probe.asked.size(), 1u);
  EXPECT_EQ(t.probe.asked[0].address, kAddress);
  EXPECT_EQ(t.probe.asked[0].ifindex, kIfindex);
  EXPECT_EQ(t.probe.asked[0].source_mac, kLinkMac);
  EXPECT_EQ(t.parked.next_due_ns(), t.now.boot_ns + 500 * kMs);
  t.pass(499);
  EXPECT_TRUE(t.poll().empty());
  EXPECT_TRUE(t.take().empty());
  EXPECT_FALSE(t.probe.resting);
  t.pass(1);
  const auto results = t.poll();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].address, kAddress);
  EXPECT_FALSE(results[0].in_use);
  ASSERT_NE(results[0].packet, nullptr);
  EXPECT_TRUE(t.parked.has_ready());
  EXPECT_EQ(t.take(), std::vector<uint32_t>{1});
  EXPECT_EQ(t.parked.size(), 0u);
  EXPECT_TRUE(t.probe.resting);
  EXPECT_EQ(t.parked.next_due_ns(), Parked::kNothingDue);
}

TEST(Parked, AsksAsOftenAsItIsTold) {
  LeaseConfig leases;
  leases.conflict_attempts = 3;
  leases.conflict_wait_ns = 100 * kMs;
  Table t(leases);
  t.park(kAddress);
  for (size_t asked = 1; asked <= 3; ++asked) {
    EXPECT_EQ(t.probe.asked.size(), asked);
    t.pass(99);
    EXPECT_TRUE(t.poll().empty());
    t.pass(1);
    EXPECT_EQ(t.poll().size(), asked == 3 ? 1u : 0u);
  }
}

TEST(Parked, AnAnswerEndsTheWaiting) {
  Table t;
  t.park(kAddress);
  t.probe.coming.push_back({kAddress, kIfindex, kSquatterMac});
  const auto results = t.poll();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].in_use);
  EXPECT_EQ(results[0].user, kSquatterMac);
  EXPECT_EQ(results[0].packet->message.xid, 1u);
  EXPECT_EQ(t.take(), std::vector<uint32_t>{1});
}

// Also one that came in the very moment in which the time is over.
TEST(Parked, AnAnswerBeatsTheDeadline) {
  Table t;
  t.park(kAddress);
  t.pass(60'000);
  t.probe.coming.push_back({kAddress, kIfindex, kSquatterMac});
  const auto results = t.poll();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].in_use);
}

TEST(Parked, WhatMeansNothing) {
  Table t;
  t.park(kAddress);
  t.probe.coming.push_back({kAddress, kIfindex, kClientMac});        // the client itself
  t.probe.coming.push_back({address(1), kIfindex, kSquatterMac});    // not asked about
  t.probe.coming.push_back({kAddress, kIfindex + 1, kSquatterMac});  // on another link
  t.probe.coming.push_back({kAddress, 0, std::nullopt});             // not asked that way
  EXPECT_TRUE(t.poll().empty());
  EXPECT_EQ(t.parked.size(), 1u);
}

TEST(Parked, BeyondARelayByIcmp) {
  Table t;
  t.park(kAddress, 1, {0x0A630001});
  EXPECT_EQ(t.probe.asked.at(0).ifindex, 0u);
  t.probe.coming.push_back({kAddress, 0, std::nullopt});
  const auto results = t.poll();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_TRUE(results[0].in_use);
  EXPECT_FALSE(results[0].user.has_value());
}

TEST(Parked, ManyMayWaitForOneAddressInOrder) {
  Table t;
  t.park(kAddress, 7);
  t.park(address(1), 8);
  EXPECT_TRUE(t.parked.is_asked(kAddress));
  t.park(kAddress, 9);
  EXPECT_EQ(t.probe.asked.size(), 2u);
  t.probe.coming.push_back({kAddress, kIfindex, kSquatterMac});
  const auto results = t.poll();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].packet->message.xid, 7u);
  EXPECT_EQ(t.take(1), std::vector<uint32_t>{7});
  EXPECT_TRUE(t.parked.has_ready());
  EXPECT_EQ(t.take(), std::vector<uint32_t>{9});
  t.pass(500);
  t.poll();
  EXPECT_EQ(t.take(), std::vector<uint32_t>{8});
}

TEST(Parked, WhoCannotBeAskedAboutCountsAsFree) {
  Table t;
  t.probe.error = EHOSTUNREACH;
  t.park(kAddress);
  EXPECT_LE(t.parked.next_due_ns(), t.now.boot_ns);
  const auto results = t.poll();
  ASSERT_EQ(results.size(), 1u);
  EXPECT_FALSE(results[0].in_use);
  EXPECT_EQ(t.take().size(), 1u);
}

// kParkedMax.
TEST(Parked, IsBounded) {
  Table t;
  for (uint32_t i = 0; i < kParkedMax; ++i) ASSERT_TRUE(t.park(address(i), i));
  EXPECT_FALSE(t.park(address(kParkedMax), 1));
  EXPECT_EQ(t.drops, std::vector<Drop>{Drop::NoMemory});
  t.pass(500);
  EXPECT_EQ(t.poll().size(), kParkedMax);
  size_t taken = 0;
  for (size_t n = 1; n != 0; taken += n) n = t.take().size();
  EXPECT_EQ(taken, kParkedMax);
  EXPECT_TRUE(t.park(kAddress));
}

// kProbeAnswersPerTurnMax: a flood of answers is taken in slices.
TEST(Parked, AFloodOfAnswersIsTakenInSlices) {
  Table t;
  t.park(kAddress);
  for (size_t i = 0; i < kProbeAnswersPerTurnMax; ++i) {
    t.probe.coming.push_back({address(77), kIfindex, kSquatterMac});
  }
  t.probe.coming.push_back({kAddress, kIfindex, kSquatterMac});
  EXPECT_TRUE(t.poll().empty());
  EXPECT_EQ(t.probe.coming.size(), 1u);
  EXPECT_EQ(t.poll().size(), 1u);
}

TEST(Parked, AReloadSendsAllBack) {
  Table t;
  t.park(kAddress, 5);
  t.park(address(1), 6);
  LeaseConfig leases;
  leases.conflict_wait_ns = 10 * kMs;
  t.parked.configure(leases);
  EXPECT_TRUE(t.probe.resting);
  t.pass(500);
  EXPECT_TRUE(t.poll().empty()) << "what was asked before is no result";
  EXPECT_EQ(t.take(), (std::vector<uint32_t>{5, 6}));
  t.park(kAddress);
  EXPECT_EQ(t.parked.next_due_ns(), t.now.boot_ns + 10 * kMs);
}

TEST(Parked, FollowsItsLinks) {
  Table t;
  t.park(kAddress);
  io::LinkTable moved = Table::one_link();
  t.parked.links_changed(moved, t);
  EXPECT_EQ(t.parked.size(), 1u);
  t.parked.links_changed({}, t);
  EXPECT_EQ(t.drops, std::vector<Drop>{Drop::InterfaceWithdrawn});
  EXPECT_TRUE(t.probe.resting);
  t.pass(500);
  EXPECT_TRUE(t.poll().empty());
}

TEST(Parked, EndsAtOnceWhenTheServerStops) {
  Table t;
  t.park(kAddress, 1);
  t.park(address(1), 2);
  t.pass(500);
  t.poll();
  t.park(address(2), 3);
  t.parked.drop_all(t, Drop::ShuttingDown);
  EXPECT_EQ(t.drops, std::vector<Drop>(3, Drop::ShuttingDown));
  EXPECT_FALSE(t.parked.has_ready());
  EXPECT_TRUE(t.probe.resting);
  EXPECT_EQ(t.pool.available(), t.pool.size());
}

TEST(Parked, LogLimitLetsABurstThroughAndCountsTheRest) {
  LogLimit limit(3);
  int64_t now_ns = 100 * kNsPerSecond;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.allows(now_ns));
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(limit.allows(now_ns));
  EXPECT_EQ(limit.take_suppressed(), 4u);
  EXPECT_EQ(limit.take_suppressed(), 0u);
  now_ns += kNsPerSecond;
  EXPECT_TRUE(limit.allows(now_ns));
  EXPECT_FALSE(limit.allows(now_ns));
  now_ns += 60 * kNsPerSecond;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.allows(now_ns));
  EXPECT_FALSE(limit.allows(now_ns));
}

}  // namespace
}  // namespace hookline::server
