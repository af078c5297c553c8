// Active leasequery (RFC 7724).
#include <gtest/gtest.h>

#include <set>

#include "query/testing.h"

namespace hookline::query {
namespace {

using namespace testing;  // NOLINT: the tests' own words
using wire::QueryMessage;
using wire::QueryStatus;

constexpr int kStatus = static_cast<int>(QueryMessage::Status);
constexpr int kActive = static_cast<int>(MessageType::LeaseActive);
constexpr int kUnassigned = static_cast<int>(MessageType::LeaseUnassigned);

int code(QueryStatus status) { return static_cast<int>(status); }

using Messages = std::vector<std::unique_ptr<Said>>;

std::vector<std::string> addresses(const Messages& messages) {
  std::vector<std::string> out;
  for (const auto& m : messages) {
    if (m->type() != kStatus) out.push_back(m->address().text());
  }
  return out;
}

size_t subscribe(World& w, std::optional<LeaseSeconds> since = {}) {
  wire::LeaseQuery query = World::all(9);
  query.type = QueryMessage::Active;
  query.start = since;
  const size_t peer = w.ask(query);
  w.settle();
  return peer;
}

TEST(ActiveQuery, EveryChangeFromNowOn) {
  World w;
  w.lease(0);
  const size_t peer = subscribe(w);
  Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0]->status(), code(QueryStatus::ConnectionActive));
  EXPECT_EQ(w.server.subscribers(), 1u);
  w.apply(w.record(5));
  w.apply(w.record(0, LeaseState::Released));
  LeaseRecord free;
  free.address = World::address(0);
  free.scope_key = 42;
  w.settle();
  w.apply(free);
  w.settle();
  said = w.said(peer);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0]->type(), kActive);
  EXPECT_EQ(said[0]->address(), World::address(5));
  EXPECT_EQ(said[0]->message.xid, 9u);
  EXPECT_EQ(said[1]->state(), 4);
  EXPECT_EQ(said[2]->type(), kUnassigned);
  EXPECT_EQ(said[2]->state(), 1);
  w.port.at(peer).peer_ended = true;
  w.settle();
  EXPECT_EQ(w.server.subscribers(), 0u);
  EXPECT_TRUE(w.port.at(peer).closed);
}

TEST(ActiveQuery, CatchesUpFirst) {
  World w;
  w.pass(1000 * kNsPerSecond);
  for (uint32_t n = 0; n < 10; ++n) {
    LeaseRecord r = w.record(n);
    r.last_transaction = w.time_s - 100 + 10 * n;
    w.engine.restore(r);
  }
  const size_t peer = subscribe(w, w.time_s - 50);
  Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 6u);
  EXPECT_EQ(addresses(said).front(), "10.64.0.6");
  EXPECT_EQ(said.back()->type(), kStatus);
  EXPECT_EQ(said.back()->status(), code(QueryStatus::CatchUpComplete));
  w.apply(w.record(3));
  w.settle();
  EXPECT_EQ(addresses(w.said(peer)), (std::vector<std::string>{"10.64.0.4"}));
}

// RFC 7724 section 6.2.2: what became free before the server started is not known any more.
TEST(ActiveQuery, DataMissing) {
  World w;
  w.lease(0);
  const size_t peer = subscribe(w, w.time_s - 50);
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0]->status(), code(QueryStatus::DataMissing));
  EXPECT_EQ(said[2]->status(), code(QueryStatus::CatchUpComplete));
}

TEST(ActiveQuery, WhoFallsBehindCatchesUpAnew) {
  World w;
  w.lease(0);
  const size_t peer = subscribe(w);
  w.said(peer);
  w.port.at(peer).window = 0;
  w.pass(kNsPerSecond);
  for (size_t i = 0; i < 3000; ++i) w.apply(w.record(static_cast<uint32_t>(i % 7)));
  w.settle();
  LeaseRecord r = w.record(9);
  r.last_transaction = w.time_s;
  for (size_t i = 0; i < kActiveQueryBacklogMax; ++i) w.apply(r);
  w.apply(r);
  w.port.at(peer).window = 1 << 24;
  w.settle();
  const Messages said = w.said(peer);
  EXPECT_EQ(w.counters.overruns.value(), 1u);
  const auto missing = std::ranges::find_if(
      said, [](const auto& m) { return m->status() == code(QueryStatus::DataMissing); });
  ASSERT_NE(missing, said.end());
  std::set<std::string> after;
  for (auto m = missing + 1; m != said.end(); ++m) after.insert((*m)->address().text());
  EXPECT_TRUE(after.contains("10.64.0.10"));
  EXPECT_EQ(said.back()->status(), code(QueryStatus::CatchUpComplete));
  w.apply(w.record(2));
  w.settle();
  EXPECT_EQ(addresses(w.said(peer)), (std::vector<std::string>{"10.64.0.3"}));
}

TEST(ActiveQuery, KeepsTheConnectionAlive) {
  World w;
  const size_t peer = subscribe(w);
  w.said(peer);
  for (int i = 0; i < 5; ++i) {
    w.pass(kActiveQueryKeepaliveNs);
    w.turn();
    const Messages said = w.said(peer);
    ASSERT_EQ(said.size(), 1u);
    EXPECT_EQ(said[0]->status(), code(QueryStatus::ConnectionActive));
  }
  w.pass(kActiveQueryKeepaliveNs / 2);
  w.turn();
  EXPECT_TRUE(w.said(peer).empty());
}

TEST(ActiveQuery, WhoTakesNothingIsCutOff) {
  World w;
  const size_t peer = subscribe(w);
  w.port.at(peer).window = 0;
  w.apply(w.record(1));
  w.settle();
  w.pass(kActiveQuerySendNs);
  w.turn();
  EXPECT_TRUE(w.port.at(peer).was_reset);
  EXPECT_EQ(w.server.subscribers(), 0u);
}

TEST(ActiveQuery, ASecondQueryIsMalformed) {
  World w;
  const size_t peer = subscribe(w);
  w.said(peer);
  w.port.send(peer, World::framed(World::all()));
  w.settle();
  const Messages said = w.said(peer);
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0]->type(), kStatus);
  EXPECT_EQ(said[0]->status(), code(QueryStatus::MalformedQuery));
  EXPECT_EQ(w.server.subscribers(), 0u);
}

}  // namespace
}  // namespace hookline::query
