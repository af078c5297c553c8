// Bulk leasequery (RFC 6926) and active leasequery (RFC 7724), without a network.
#include <gtest/gtest.h>

#include "query/testing.h"

namespace hookline::query {
namespace {

using namespace testing;  // NOLINT: the tests' own words
using wire::QueryMessage;
using wire::QueryStatus;

constexpr int kDone = static_cast<int>(QueryMessage::Done);
constexpr int kActive = static_cast<int>(MessageType::LeaseActive);
constexpr int kUnassigned = static_cast<int>(MessageType::LeaseUnassigned);
constexpr int kUnknown = static_cast<int>(MessageType::LeaseUnknown);

int code(QueryStatus status) { return static_cast<int>(status); }

using Messages = std::vector<std::unique_ptr<Said>>;

std::vector<std::string> addresses(const Messages& messages) {
  std::vector<std::string> out;
  for (const auto& m : messages) {
    if (m->type() != kDone) out.push_back(m->address().text());
  }
  return out;
}

// RFC 6926 section 8.3: each lease by itself, then DHCPLEASEQUERYDONE.
TEST(BulkQuery, AllLeases) {
  World w;
  w.lease(0);
  w.lease(1, LeaseState::Released);
  w.lease(2, LeaseState::Expired);
  w.lease(3, LeaseState::Declined);
  const size_t peer = w.ask(World::all());
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 5u);
  EXPECT_EQ(said[0]->type(), kActive);
  EXPECT_EQ(said[0]->state(), 2);
  EXPECT_EQ(said[0]->address(), World::address(0));
  EXPECT_EQ(said[0]->message.xid, 7u);
  EXPECT_EQ(said[0]->message.options.u32(option::kLeaseTime), 3590u);
  EXPECT_EQ(said[0]->message.options.u32(option::kBaseTime), w.time_s);
  EXPECT_EQ(said[0]->message.options.u32(option::kStartTimeOfState), 100u);
  EXPECT_EQ(said[0]->message.options.u32(option::kLastTransactionTime), 10u);
  EXPECT_EQ(said[0]->message.options.ipv4(option::kServerIdentifier), ip("10.77.0.1"));
  EXPECT_TRUE(equal(said[0]->message.hardware_address(), w.mac(0)));
  for (int i = 1; i < 4; ++i) EXPECT_EQ(said[i]->type(), kUnassigned);
  EXPECT_EQ(said[1]->state(), 4);
  EXPECT_EQ(said[2]->state(), 3);
  EXPECT_EQ(said[3]->state(), 5);
  EXPECT_EQ(said[4]->type(), kDone);
  EXPECT_EQ(said[4]->status(), -1);
  EXPECT_EQ(w.counters.answers.value(), 4u);
  EXPECT_EQ(w.counters.bulk[static_cast<size_t>(QueryKind::All)].value(), 1u);
}

TEST(BulkQuery, ByAddress) {
  World w;
  w.lease(0);
  const auto ask = [&](std::string_view address) {
    wire::LeaseQuery query = World::all();
    query.kind = QueryKind::Address;
    query.address = ip(address);
    const size_t peer = w.ask(query);
    w.settle();
    Messages said = w.said(peer);
    EXPECT_EQ(said.size(), 2u);
    EXPECT_EQ(said.back()->type(), kDone);
    EXPECT_EQ(said[0]->address(), ip(address));
    return said[0]->type();
  };
  EXPECT_EQ(ask("10.64.0.1"), kActive);
  EXPECT_EQ(ask("10.64.0.2"), kUnassigned);
  EXPECT_EQ(ask("192.0.2.1"), kUnknown);
}

TEST(BulkQuery, ByHardwareClientRelayAndRemote) {
  World w;
  const std::vector<uint8_t> client = {1, 9, 9};
  const std::vector<uint8_t> relay = {2, 2, 'r', '1', 12, 3, 'a', 'b', 'c'};
  for (uint32_t n = 0; n < 6; ++n) {
    LeaseRecord r = w.record(n);
    if (n == 2) r.client_id = client;
    if (n == 3 || n == 4) r.relay_info = relay;
    w.engine.restore(r);
  }
  const auto ask = [&](QueryKind kind, std::vector<uint8_t> id) {
    wire::LeaseQuery query = World::all();
    query.kind = kind;
    query.hardware_type = 1;
    query.id = id;
    const size_t peer = w.ask(query);
    w.settle();
    const Messages said = w.said(peer);
    EXPECT_EQ(said.back()->type(), kDone);
    EXPECT_EQ(w.counters.bulk[static_cast<size_t>(kind)].value(), 1u);
    return addresses(said);
  };
  using Texts = std::vector<std::string>;
  EXPECT_EQ(ask(QueryKind::Hardware, w.mac(1)), (Texts{"10.64.0.2"}));
  EXPECT_EQ(ask(QueryKind::ClientId, client), (Texts{"10.64.0.3"}));
  EXPECT_EQ(ask(QueryKind::RelayId, {'a', 'b', 'c'}), (Texts{"10.64.0.4", "10.64.0.5"}));
  EXPECT_EQ(ask(QueryKind::RemoteId, {'r', '1'}), (Texts{"10.64.0.4", "10.64.0.5"}));
}

// More than a turn looks at, and more than the socket takes at once.
TEST(BulkQuery, ManyLeasesOfOneHardwareAddress) {
  World w;
  constexpr uint32_t kMany = 3 * kQueryLeasesPerTurn;
  static_assert(kMany < kHardwareLeasesMax);
  const auto mac = w.mac(7);
  for (uint32_t n = 0; n < kMany; ++n) {
    LeaseRecord r = w.record(n);
    r.hardware_address = mac;
    w.engine.restore(r);
  }
  wire::LeaseQuery query = World::all();
  query.kind = QueryKind::Hardware;
  query.hardware_type = 1;
  query.id = mac;
  const size_t peer = w.ask(query);
  w.settle();
  EXPECT_EQ(w.said(peer).size(), kMany + 1);
}

// RFC 6926 section 7.2: what changed in that time.
TEST(BulkQuery, QueryStartAndEndTime) {
  World w;
  for (uint32_t n = 0; n < 10; ++n) {
    LeaseRecord r = w.record(n);
    r.last_transaction = w.time_s - 1000 + 10 * n;
    w.engine.restore(r);
  }
  wire::LeaseQuery query = World::all();
  query.start = w.time_s - 970;
  query.end = w.time_s - 950;
  const size_t peer = w.ask(query);
  w.settle();
  EXPECT_EQ(addresses(w.said(peer)),
            (std::vector<std::string>{"10.64.0.4", "10.64.0.5", "10.64.0.6"}));
}

TEST(BulkQuery, OnlyWhatThePeerWantsToKnow) {
  World w;
  w.lease(0);
  const std::vector<uint8_t> codes = {option::kLastTransactionTime};
  wire::LeaseQuery query = World::all();
  query.parameters = codes;
  const size_t peer = w.ask(query);
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_TRUE(said[0]->message.options.has(option::kLastTransactionTime));
  EXPECT_FALSE(said[0]->message.options.has(option::kLeaseTime));
  EXPECT_TRUE(said[0]->message.options.has(option::kLeaseState));
  EXPECT_TRUE(said[0]->message.options.has(option::kBaseTime));
}

// A lease that ran out and that nobody has taken out yet.
TEST(BulkQuery, ALeaseThatIsOver) {
  World w;
  LeaseRecord r = w.record(0);
  r.expiry = w.time_s - 7;
  w.engine.restore(r);
  const size_t peer = w.ask(World::all());
  w.settle();
  const Messages said = w.said(peer);
  EXPECT_EQ(said[0]->type(), kUnassigned);
  EXPECT_EQ(said[0]->state(), 3);
  EXPECT_EQ(said[0]->message.options.u32(option::kStartTimeOfState), 7u);
}

// RFC 6926 section 8.4: one after the other, each to its end.
TEST(BulkQuery, SeveralOnOneConnection) {
  World w;
  for (uint32_t n = 0; n < 300; ++n) w.lease(n);
  const size_t peer = w.port.connect();
  for (uint32_t xid = 1; xid <= 3; ++xid) w.port.send(peer, World::framed(World::all(xid)));
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 3u * 301);
  for (size_t i = 0; i < said.size(); ++i) {
    EXPECT_EQ(said[i]->message.xid, 1 + i / 301);
    EXPECT_EQ(said[i]->type() == kDone, i % 301 == 300);
  }
  EXPECT_FALSE(w.port.at(peer).closed);
}

// The peer ends its direction right after the query: it gets everything, then the end.
TEST(BulkQuery, AHalfClosedPeerIsAnswered) {
  World w;
  for (uint32_t n = 0; n < 2000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.port.at(peer).peer_ended = true;
  w.settle();
  EXPECT_EQ(w.said(peer).size(), 2001u);
  EXPECT_TRUE(w.port.at(peer).server_ended);
  EXPECT_TRUE(w.port.at(peer).closed);
  EXPECT_EQ(w.server.connections(), 0u);
}

// No turn looks at more than kQueryLeasesPerTurn leases, and it says that there is more.
TEST(BulkQuery, ATurnIsBounded) {
  World w;
  for (uint32_t n = 0; n < 5000; ++n) w.lease(n);
  const size_t one = w.ask(World::all());
  const size_t two = w.ask(World::all());
  size_t before = 0;
  size_t turns = 0;
  bool more = true;
  for (int idle = 0; idle < 3; idle = more ? 0 : idle + 1) {
    more = w.turn();
    const size_t now = w.counters.answers.value();
    EXPECT_LE(now - before, kQueryLeasesPerTurn);
    before = now;
    ++turns;
  }
  EXPECT_GE(turns, 10'000 / kQueryLeasesPerTurn);
  EXPECT_EQ(w.said(one).size(), 5001u);
  EXPECT_EQ(w.said(two).size(), 5001u);
}

TEST(BulkQuery, ASlowReaderHoldsNobodyUp) {
  World w;
  for (uint32_t n = 0; n < 3000; ++n) w.lease(n);
  const size_t slow = w.ask(World::all());
  w.port.at(slow).window = 1000;
  const size_t fast = w.ask(World::all());
  w.settle();
  EXPECT_FALSE(w.turn()) << "what is blocked gives nothing to do";
  EXPECT_EQ(w.said(fast).size(), 3001u);
  size_t got = 0;
  for (int i = 0; i < 3000 && got < 3001; ++i) {
    got += w.said(slow).size();
    w.turn();
  }
  EXPECT_EQ(got, 3001u);
}

TEST(BulkQuery, WhatWaitsForItsSocketIsBounded) {
  World w;
  for (uint32_t n = 0; n < 3000; ++n) w.lease(n);
  w.port.at(w.ask(World::all())).window = 0;
  w.settle();
  EXPECT_GT(w.counters.answers.value(), kQueryOutputBytes / 400);
  EXPECT_LE(w.counters.answers.value(), kQueryOutputBytes / kDhcpHeaderBytes);
}

TEST(BulkQuery, AReloadTerminatesIt) {
  World w;
  for (uint32_t n = 0; n < 3000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.begin();
  w.server.adopted(w.config, w.now());
  w.settle();
  const Messages said = w.said(peer);
  EXPECT_LT(said.size(), 3001u);
  EXPECT_EQ(said.back()->type(), kDone);
  EXPECT_EQ(said.back()->status(), code(QueryStatus::QueryTerminated));
  w.port.send(peer, World::framed(World::all(8)));
  w.settle();
  EXPECT_EQ(w.said(peer).size(), 3001u) << "the connection stays";
}

TEST(BulkQuery, AReloadThatForbidsIt) {
  World w;
  w.lease(0);
  const size_t peer = w.ask(World::all());
  w.settle();
  w.said(peer);
  auto other = std::make_shared<Config>(*w.config);
  other->leasequery.allow.clear();
  w.server.adopted(other, w.now());
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0]->status(), code(QueryStatus::QueryTerminated));
  EXPECT_TRUE(w.port.at(peer).server_ended);
}

TEST(BulkQuery, StoppingSaysSo) {
  World w;
  for (uint32_t n = 0; n < 3000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.begin();
  w.server.stop(w.now());
  const Messages said = w.said(peer);
  EXPECT_EQ(said.back()->status(), code(QueryStatus::QueryTerminated));
  EXPECT_EQ(w.unread(peer), 0u) << "no half message";
  EXPECT_TRUE(w.port.at(peer).closed);
}

}  // namespace
}  // namespace hookline::query
