// LEASEQUERY: RFC 4388.
#include <gtest/gtest.h>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

std::shared_ptr<Config> houses() {
  auto config =
      make_config({make_scope("office", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.12")}),
                   make_scope("lab", "192.0.2.0/24", {range("192.0.2.10", "192.0.2.12")})});
  config->leasequery.allow = {*Prefix::parse("198.51.100.0/24")};
  return config;
}

// Its own hardware address is no part of the question.
Ask query() {
  Ask ask(MessageType::LeaseQuery);
  ask.hardware = {};
  ask.hardware_type = 0;
  ask.giaddr("198.51.100.9");
  return ask;
}
Ask by_address(std::string_view address) { return query().ciaddr(address); }
Ask by_hardware(std::string_view mac) {
  Ask ask = query().mac(mac);
  ask.hardware_type = 1;
  return ask;
}
Ask discover(std::string_view mac) { return Ask(MessageType::Discover).mac(mac); }

std::vector<std::string> addresses(const LeaseFound& found) {
  std::vector<std::string> out;
  for (size_t i = 0; i < found.address_count; ++i) {
    out.push_back(Ipv4::load(&found.addresses[4 * i]).text());
  }
  return out;
}

// Which addresses changed, in order; whether each was free by then.
struct Heard final : LeaseObserver {
  explicit Heard(World& world) : w(world) { w.engine.set_observer(this); }
  ~Heard() { w.engine.set_observer(nullptr); }
  void lease_changed(Ipv4 address) override {
    events.push_back(address.text() + (w.engine.find(address) ? "" : " free"));
  }
  World& w;
  std::vector<std::string> events;
};

TEST(LeaseQuery, AnObserverHearsOfEveryChange) {
  World w(houses());
  Heard heard(w);
  w.ask(discover("020000000001"));
  EXPECT_TRUE(heard.events.empty()) << "an offer is no lease";
  w.lease(discover("020000000001"));
  w.time_s += 4000;
  w.expire();
  w.apply(*w.engine.propose_delete(ip("10.0.0.10"), w.now()));
  EXPECT_EQ(heard.events, (std::vector<std::string>{"10.0.0.10", "10.0.0.10", "10.0.0.10 free"}));
}

TEST(LeaseQuery, WhatTheServerGivesOut) {
  World w(houses());
  EXPECT_TRUE(w.engine.gives_out(ip("10.0.0.11")));
  EXPECT_FALSE(w.engine.gives_out(ip("10.0.0.99")));
  EXPECT_FALSE(w.engine.gives_out(ip("10.0.0.1")));
  EXPECT_FALSE(w.engine.gives_out(ip("203.0.113.1")));
}

TEST(LeaseQuery, ByAddress) {
  World w(houses());
  ASSERT_EQ(w.lease(discover("020000000001").client_id("0a0b")), ip("10.0.0.10"));
  w.time_s += 600;
  const Answer a = w.ask(by_address("10.0.0.10"));
  EXPECT_EQ(a.kind, Answer::Kind::Immediate);
  EXPECT_EQ(a.reply, ReplyKind::LeaseQuery);
  EXPECT_EQ(a.found.reply, MessageType::LeaseActive);
  EXPECT_EQ(a.record.address, ip("10.0.0.10"));
  EXPECT_EQ(to_hex(a.record.client_id), "0a0b");
  EXPECT_EQ(to_hex(a.record.hardware_address), "020000000001");
  // What is left, of a lease of 3600 s, 600 s after it was given.
  EXPECT_EQ(a.lease_s, 3000u);
  EXPECT_EQ(a.renew_s, 1200u);
  EXPECT_EQ(a.rebind_s, 2550u);
  EXPECT_EQ(a.found.now - a.record.last_transaction, 600u);
  EXPECT_TRUE(addresses(a.found).empty());
  EXPECT_EQ(w.engine.lease_count(), 1u);
}

// 6.4.1: unassigned is what the server could give out; unknown what it has nothing to do with.
TEST(LeaseQuery, AnAddressThatNobodyHas) {
  World w(houses());
  EXPECT_EQ(w.ask(by_address("10.0.0.11")).found.reply, MessageType::LeaseUnassigned);
  EXPECT_EQ(w.ask(by_address("10.0.0.99")).found.reply, MessageType::LeaseUnknown);
  EXPECT_EQ(w.ask(by_address("10.0.0.1")).found.reply, MessageType::LeaseUnknown);
  EXPECT_EQ(w.ask(by_address("203.0.113.1")).found.reply, MessageType::LeaseUnknown);
}

TEST(LeaseQuery, ALeaseThatIsOverIsUnassigned) {
  World w(houses());
  ASSERT_EQ(w.lease(discover("020000000001")), ip("10.0.0.10"));
  w.time_s += 3600;  // nobody has taken it out yet
  EXPECT_EQ(w.ask(by_address("10.0.0.10")).found.reply, MessageType::LeaseUnassigned);
  EXPECT_EQ(w.ask(by_hardware("020000000001")).found.reply, MessageType::LeaseUnknown);
  w.time_s += 1;
  ASSERT_EQ(w.expire(), 1u);
  EXPECT_EQ(w.ask(by_address("10.0.0.10")).found.reply, MessageType::LeaseUnassigned);
  EXPECT_EQ(w.ask(by_hardware("020000000001")).found.reply, MessageType::LeaseUnknown);
}

// 6.4.2: of several, the one that the client used last, and all of them as associated.
TEST(LeaseQuery, ByHardwareAddress) {
  World w(houses());
  ASSERT_EQ(w.lease(discover("020000000001")), ip("10.0.0.10"));
  w.time_s += 10;
  ASSERT_EQ(w.lease(discover("020000000001").link(2)), ip("192.0.2.10"));
  const Answer a = w.ask(by_hardware("020000000001"));
  EXPECT_EQ(a.found.reply, MessageType::LeaseActive);
  EXPECT_EQ(a.record.address, ip("192.0.2.10"));
  EXPECT_EQ(addresses(a.found), (std::vector<std::string>{"192.0.2.10", "10.0.0.10"}));
  Ask token_ring = by_hardware("020000000001");
  token_ring.hardware_type = 6;
  EXPECT_EQ(w.ask(token_ring).found.reply, MessageType::LeaseUnknown);
  EXPECT_EQ(w.ask(by_hardware("020000000002")).found.reply, MessageType::LeaseUnknown);
}

TEST(LeaseQuery, ByClientId) {
  World w(houses());
  ASSERT_EQ(w.lease(discover("020000000001").client_id("00112233")), ip("10.0.0.10"));
  const Answer a = w.ask(query().client_id("00112233"));
  EXPECT_EQ(a.found.reply, MessageType::LeaseActive);
  EXPECT_EQ(a.record.address, ip("10.0.0.10"));
  EXPECT_EQ(w.ask(query().client_id("00112234")).found.reply, MessageType::LeaseUnknown);
}

TEST(LeaseQuery, ALeaseForEverStaysSo) {
  auto config = houses();
  config->scopes[0].times.default_s = config->scopes[0].times.max_s = kLeaseTimeInfinite;
  World w(config);
  ASSERT_EQ(w.lease(discover("020000000001")), ip("10.0.0.10"));
  w.time_s += 600;
  EXPECT_EQ(w.ask(by_address("10.0.0.10")).lease_s, kLeaseTimeInfinite);
}

TEST(LeaseQuery, OnlyThoseWhoMayAsk) {
  World w(houses());
  EXPECT_EQ(w.ask(by_address("10.0.0.10").giaddr("198.51.101.9")).drop, Drop::LeaseQueryNotAllowed);
  auto closed = houses();
  closed->leasequery.allow.clear();
  w.reload(closed);
  EXPECT_EQ(w.ask(by_address("10.0.0.10")).drop, Drop::LeaseQueryNotAllowed);
}

TEST(LeaseQuery, AsManyAddressesAsItsLimitAndNoMore) {
  std::vector<Scope> scopes;
  for (size_t i = 0; i <= kLeaseQueryAddressesMax; ++i) {
    const std::string net = "10.1." + std::to_string(i);
    scopes.push_back(
        make_scope("s" + std::to_string(i), net + ".0/24", {range(net + ".10", net + ".12")}));
  }
  auto config = make_config(std::move(scopes));
  config->leasequery = houses()->leasequery;
  World w(config);
  for (size_t i = 0; i <= kLeaseQueryAddressesMax; ++i) {
    w.time_s += 1;
    const std::string relay = "10.1." + std::to_string(i) + ".1";
    ASSERT_TRUE(w.lease(discover("020000000001").giaddr(relay)));
  }
  const std::vector<std::string> found = addresses(w.ask(by_hardware("020000000001")).found);
  ASSERT_EQ(found.size(), kLeaseQueryAddressesMax);
  EXPECT_EQ(found.front(), "10.1.16.10");
  EXPECT_EQ(found.back(), "10.1.1.10");
}

// 6.3: exactly one of the three, and somewhere to answer to.
TEST(LeaseQuery, OneQuestion) {
  World w(houses());
  EXPECT_EQ(w.ask(query()).drop, Drop::BadLeaseQuery);
  EXPECT_EQ(w.ask(by_address("10.0.0.10").mac("020000000001")).drop, Drop::BadLeaseQuery);
  EXPECT_EQ(w.ask(by_address("10.0.0.10").client_id("0a")).drop, Drop::BadLeaseQuery);
  EXPECT_EQ(w.ask(by_hardware("020000000001").client_id("0a")).drop, Drop::BadLeaseQuery);
  EXPECT_EQ(w.ask(by_address("10.0.0.10").giaddr("0.0.0.0")).drop, Drop::BadLeaseQuery);
}

}  // namespace
}  // namespace hookline::lease
