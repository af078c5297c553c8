// Peers that send nonsense, too slowly, or too often.
#include <gtest/gtest.h>

#include "query/testing.h"

namespace hookline::query {
namespace {

using namespace testing;  // NOLINT: the tests' own words
using wire::QueryMessage;
using wire::QueryStatus;

constexpr int kDone = static_cast<int>(QueryMessage::Done);

int code(QueryStatus status) { return static_cast<int>(status); }

using Messages = std::vector<std::unique_ptr<Said>>;

void expect_malformed(std::vector<uint8_t> bytes, uint32_t xid) {
  World w;
  w.lease(0);
  const size_t peer = w.port.connect();
  w.port.send(peer, bytes);
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0]->type(), kDone);
  EXPECT_EQ(said[0]->status(), code(QueryStatus::MalformedQuery));
  EXPECT_EQ(said[0]->message.xid, xid);
  EXPECT_TRUE(w.port.at(peer).server_ended);
  EXPECT_EQ(w.counters.malformed.value(), 1u);
  w.pass(kQueryLingerNs);
  w.settle();
  EXPECT_TRUE(w.port.at(peer).was_reset) << "it does not wait for ever";
  EXPECT_EQ(w.server.connections(), 0u);
}

TEST(Hostile, MalformedMessages) {
  expect_malformed({0, 0}, 0);
  expect_malformed({0, 10, 1, 2, 3}, 0);
  expect_malformed({0xFF, 0xFF, 1}, 0);
  expect_malformed(World::framed(std::vector<uint8_t>(240)), 0);
  std::vector<uint8_t> reply = World::framed(World::all());
  reply[2] = 2;
  expect_malformed(reply, 7);
  wire::LeaseQuery two = World::all();
  two.kind = QueryKind::Address;
  two.address = ip("10.64.0.1");
  std::vector<uint8_t> bytes = World::framed(two);
  bytes[2 + 1] = 1;
  bytes[2 + 2] = 6;
  expect_malformed(bytes, 7);
  wire::LeaseQuery times = World::all();
  times.start = 10;
  times.end = 9;
  expect_malformed(World::framed(times), 7);
  wire::LeaseQuery type = World::all();
  type.type = static_cast<QueryMessage>(MessageType::Discover);
  expect_malformed(World::framed(type), 7);
}

TEST(Hostile, OnlyWhoMayAsk) {
  World w;
  const size_t peer = w.ask(World::all(), "192.0.2.1");
  w.settle();
  EXPECT_TRUE(w.port.at(peer).was_reset);
  EXPECT_TRUE(w.said(peer).empty());
  EXPECT_EQ(w.counters.not_allowed.value(), 1u);
}

TEST(Hostile, AFloodOfConnectionsIsBounded) {
  World w;
  w.lease(0);
  for (size_t i = 0; i < kQueryConnectionsMax + 20; ++i) w.port.connect();
  w.settle();
  EXPECT_EQ(w.server.connections(), kQueryConnectionsMax);
  EXPECT_EQ(w.counters.too_many.value(), 20u);
  w.port.at(0).peer_ended = true;
  w.settle();
  const size_t next = w.ask(World::all());
  w.settle();
  EXPECT_EQ(w.said(next).size(), 2u);
}

TEST(Hostile, SlowSendersAndIdlePeersAreCutOff) {
  World w;
  const size_t slow = w.port.connect();
  const size_t idle = w.port.connect();
  const auto bytes = World::framed(World::all());
  w.port.send(slow, Bytes(bytes).first(5));
  w.turn();
  w.turn();
  w.pass(kQueryFrameNs / 2);
  w.port.send(slow, Bytes(bytes).subspan(5, 3));
  w.turn();
  w.pass(kQueryFrameNs / 2);
  w.turn();
  EXPECT_TRUE(w.port.at(slow).was_reset);
  EXPECT_FALSE(w.port.at(idle).was_reset);
  w.pass(kQueryIdleNs);
  w.turn();
  EXPECT_TRUE(w.port.at(idle).was_reset);
  EXPECT_EQ(w.counters.timed_out.value(), 2u);
}

TEST(Hostile, WhoTakesNothingIsCutOff) {
  World w;
  for (uint32_t n = 0; n < 1000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.port.at(peer).window = 100;
  w.settle();
  w.pass(kQueryIdleNs);
  w.turn();
  EXPECT_TRUE(w.port.at(peer).was_reset);
}

TEST(Hostile, AVanishedPeer) {
  World w;
  for (uint32_t n = 0; n < 3000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.port.at(peer).window = 5000;
  w.begin();
  w.port.at(peer).peer_reset = true;
  w.settle();
  EXPECT_EQ(w.server.connections(), 0u);
}

TEST(Hostile, OtherVpnsAndTls) {
  World w;
  const size_t peer = w.port.connect();
  wire::LeaseQuery query = World::all();
  std::array<uint8_t, wire::kAnswerBytesMax> message;
  size_t size = wire::write_query(query, message.data());
  const uint8_t vss[] = {221, 4, 0, 'v', 'p', 'n', 255};
  std::copy(std::begin(vss), std::end(vss), &message[size - 1]);
  w.port.send(peer, World::framed(Bytes(message).first(size - 1 + sizeof vss)));
  query.type = QueryMessage::Tls;
  w.port.send(peer, World::framed(query));
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0]->status(), code(QueryStatus::NotAllowed));
  EXPECT_EQ(said[1]->type(), static_cast<int>(QueryMessage::Tls));
  EXPECT_EQ(said[1]->status(), code(QueryStatus::TlsConnectionRefused));
  EXPECT_FALSE(w.port.at(peer).server_ended);
}

}  // namespace
}  // namespace hookline::query
