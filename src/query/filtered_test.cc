// Connections whose bytes pass callouts.
#include <gtest/gtest.h>

#include "query/testing.h"

namespace hookline::query {
namespace {

using namespace testing;  // NOLINT: the tests' own words

TEST(Filtered, EveryBytePasses) {
  PassThrough filter;
  World w(&filter);
  for (uint32_t n = 0; n < 2000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.turn();
  ASSERT_EQ(filter.flows.size(), 1u);
  EXPECT_EQ(filter.last.protocol, 6);
  EXPECT_EQ(filter.last.remote, ip("10.77.0.2"));
  EXPECT_EQ(filter.last.local_port, 67);
  w.settle();
  const size_t bytes = w.port.at(peer).from_server.size();
  EXPECT_EQ(filter.flows[0]->way(Direction::Outbound).total, bytes);
  EXPECT_EQ(filter.flows[0]->way(Direction::Inbound).total, World::framed(World::all()).size());
  EXPECT_EQ(w.said(peer).size(), 2001u);
  w.port.at(peer).peer_ended = true;
  w.settle();
  EXPECT_TRUE(filter.flows.empty());
  EXPECT_EQ(filter.ends, std::vector{StreamFilter::End::Closed});
}

TEST(Filtered, NothingIsReadWhilePending) {
  PassThrough filter;
  filter.admission = Admission::Pending;
  World w(&filter);
  w.lease(0);
  const size_t peer = w.ask(World::all());
  w.settle();
  EXPECT_FALSE(w.port.at(peer).to_server.empty());
  filter.admission = Admission::Open;
  w.settle();
  EXPECT_EQ(w.said(peer).size(), 2u);
}

TEST(Filtered, ARefusedConnectionIsReset) {
  PassThrough filter;
  filter.admission = Admission::Refused;
  World w(&filter);
  const size_t peer = w.ask(World::all());
  w.settle();
  EXPECT_TRUE(w.port.at(peer).was_reset);
  EXPECT_EQ(w.counters.blocked.value(), 1u);
}

TEST(Filtered, WhoDefersStopsTheReading) {
  PassThrough filter;
  World w(&filter);
  for (uint32_t n = 0; n < 3000; ++n) w.lease(n);
  const size_t peer = w.ask(World::all());
  w.turn();
  filter.deferring = true;
  w.settle();
  w.port.send(peer, World::framed(World::all(8)));
  w.settle();
  EXPECT_FALSE(w.turn());
  EXPECT_FALSE(w.port.at(peer).to_server.empty());
  filter.deferring = false;
  w.settle();
  EXPECT_EQ(w.said(peer).size(), 2u * 3001);
}

TEST(Filtered, ACalloutDropsTheConnection) {
  PassThrough filter;
  World w(&filter);
  const size_t peer = w.port.connect();
  w.settle();
  filter.resetting = true;
  w.settle();
  EXPECT_TRUE(w.port.at(peer).was_reset);
  EXPECT_EQ(filter.ends, std::vector{StreamFilter::End::Reset});
}

TEST(Filtered, NoRoomForAFlow) {
  PassThrough filter;
  filter.flows_max = 0;
  World w(&filter);
  const size_t peer = w.ask(World::all());
  w.settle();
  EXPECT_TRUE(w.port.at(peer).was_reset);
  EXPECT_EQ(w.counters.too_many.value(), 1u);
}

TEST(Filtered, StoppingClosesTheFlows) {
  PassThrough filter;
  World w(&filter);
  w.port.connect();
  w.settle();
  w.server.stop(w.now());
  EXPECT_EQ(filter.ends, std::vector{StreamFilter::End::Shutdown});
}

}  // namespace
}  // namespace hookline::query
