// What holds across requests: pending proposals, offers held, expiry, reload, recovery, the
// operator's commands, the view.
#include "lease/engine.h"

#include <gtest/gtest.h>

#include <set>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

std::shared_ptr<Config> office(std::string_view first = "10.0.0.10",
                               std::string_view last = "10.0.0.20") {
  return make_config({make_scope("office", "10.0.0.0/24", {range(first, last)})});
}

Ask discover(uint32_t client) { return Ask(MessageType::Discover).client(client); }
Ask selecting(uint32_t client, Ipv4 address) {
  return Ask(MessageType::Request).client(client).requested(address).server("10.0.0.1");
}
Ask renew(uint32_t client, Ipv4 address) {
  return Ask(MessageType::Request).client(client).ciaddr(address).to("10.0.0.1");
}

// --- pending ---

TEST(Pending, ALaterRequestOfTheClientWaits) {
  World w(office());
  const Ipv4 a = w.ask(discover(1)).address;
  ASSERT_EQ(w.propose(selecting(1, a)).kind, Answer::Kind::Durable);
  EXPECT_EQ(w.propose(discover(1)).kind, Answer::Kind::Deferred);
  EXPECT_EQ(w.propose(Ask(MessageType::Release).client(1).ciaddr(a)).kind, Answer::Kind::Deferred);
  EXPECT_EQ(w.propose(Ask(MessageType::Inform).client(1).ciaddr(a)).kind, Answer::Kind::Deferred);
  EXPECT_EQ(w.propose(discover(2)).kind, Answer::Kind::Immediate);
  w.commit();
  EXPECT_EQ(w.propose(discover(1)).why, "current binding");
}

TEST(Pending, AnotherClientThatNeedsTheAddressWaits) {
  World w(office());
  ASSERT_EQ(w.propose(selecting(1, ip("10.0.0.10"))).kind, Answer::Kind::Durable);
  EXPECT_EQ(w.propose(selecting(2, ip("10.0.0.10"))).kind, Answer::Kind::Deferred);
  EXPECT_EQ(w.propose(discover(2).requested("10.0.0.10")).address, ip("10.0.0.11"));
  w.fail_commit();
  EXPECT_EQ(w.propose(selecting(3, ip("10.0.0.10"))).kind, Answer::Kind::Durable);
  EXPECT_EQ(w.engine.use(0).active, 0u);
}

// Order of a client's requests within one batch: what follows a deferred one is deferred.
TEST(Pending, NobodyOvertakesHimself) {
  World w(office());
  ASSERT_EQ(w.propose(selecting(1, ip("10.0.0.10"))).kind, Answer::Kind::Durable);
  Batch<Request> batch;
  batch.push(w.request(selecting(2, ip("10.0.0.10"))));
  batch.push(w.request(discover(3)));
  batch.push(w.request(discover(2)));
  batch.push(w.request(selecting(2, ip("10.0.0.12"))));
  Proposed p = w.engine.propose(std::move(batch), w.now());
  ASSERT_EQ(p.deferred.size(), 3u);
  EXPECT_EQ(p.immediate.size(), 1u);
  EXPECT_EQ(p.deferred[0].message().options.ipv4(option::kRequestedAddress), ip("10.0.0.10"));
  EXPECT_EQ(p.deferred[1].message().type, MessageType::Discover);
  w.complete(std::move(p.immediate[0]).release());
  w.commit();
  Proposed again = w.engine.propose(std::move(p.deferred), w.now());
  ASSERT_EQ(again.immediate.size(), 2u) << "a NAK and an offer";
  EXPECT_EQ(again.immediate[0].grant().reply, ReplyKind::Nak);
  EXPECT_EQ(again.immediate[1].grant().reply, ReplyKind::Offer);
  ASSERT_EQ(again.durable.size(), 1u);
  for (Immediate& i : again.immediate) w.complete(std::move(i).release());
  w.uncommitted.push_back(std::move(again.durable[0]));
}

TEST(Pending, OneBatchNeverGivesAnAddressTwice) {
  World w(office());
  Batch<Request> batch;
  for (uint32_t c = 0; c < 20; ++c) {
    batch.push(w.request(discover(c).option(option::kRapidCommit, std::vector<uint8_t>{})));
  }
  Proposed p = w.engine.propose(std::move(batch), w.now());
  EXPECT_EQ(p.durable.size(), 11u);
  EXPECT_EQ(w.drops, 9u);
  std::set<uint32_t> given;
  for (Proposal& d : p.durable) {
    EXPECT_TRUE(given.insert(d.grant().address.value).second);
    w.uncommitted.push_back(std::move(d));
  }
}

TEST(Pending, WithdrawnLeavesEverythingAsItWas) {
  World w(office());
  const Ipv4 a = w.lease(discover(1).option_text(option::kHostName, "old"));
  w.time_s += 10;
  ASSERT_EQ(w.propose(renew(1, a).option_text(option::kHostName, "new")).kind,
            Answer::Kind::Durable);
  w.fail_commit();
  EXPECT_EQ(w.engine.find(a)->expiry, w.time_s - 10 + 3600);
  EXPECT_EQ(as_text(w.engine.find(a)->hostname), "old");
  w.time_s += 3591;
  EXPECT_EQ(w.expire(), 1u);
}

TEST(Pending, RenewalUnderWayIsNotTakenOut) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  w.time_s += 3600;
  ASSERT_EQ(w.propose(renew(1, a)).kind, Answer::Kind::Durable);
  w.time_s += 1;
  std::vector<LeaseRecord> out(8);
  EXPECT_EQ(w.engine.take_expired(w.now(), out), 0u);
  w.commit();
  EXPECT_EQ(w.expire(), 0u);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Active);
}

// --- expiry ---

TEST(Expiry, NotBeforeOneSecondAfter) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  EXPECT_GT(w.engine.next_expiry(), 0u);
  EXPECT_LE(w.engine.next_expiry(), w.time_s + 3601);
  w.time_s += 3600;
  EXPECT_EQ(w.expire(), 0u);
  w.time_s += 1;
  std::vector<LeaseRecord> out(8);
  ASSERT_EQ(w.engine.take_expired(w.now(), out), 1u);
  EXPECT_EQ(out[0].address, a);
  EXPECT_EQ(out[0].state, LeaseState::Expired);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Active) << "until it is committed";
  EXPECT_EQ(w.engine.take_expired(w.now(), out), 0u) << "pending";
  EXPECT_EQ(w.propose(renew(1, a)).kind, Answer::Kind::Deferred);
  w.engine.withdraw(out[0]);
  ASSERT_EQ(w.engine.take_expired(w.now(), out), 1u);
  w.apply(out[0]);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Expired);
  EXPECT_EQ(w.engine.next_expiry(), 0u);
  EXPECT_EQ(w.ask(renew(1, a)).why, "previous binding");
}

TEST(Expiry, RenewedLeasesStay) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  for (int i = 0; i < 50; ++i) {
    w.time_s += 1800;
    ASSERT_EQ(w.ask(renew(1, a)).reply, ReplyKind::Ack);
    ASSERT_EQ(w.expire(), 0u);
  }
  w.time_s += 3601;
  EXPECT_EQ(w.expire(), 1u);
}

TEST(Expiry, ShorterRenewalCounts) {
  World w(office());
  const Ipv4 a = w.lease(discover(1).option_u32(option::kLeaseTime, 86400));
  ASSERT_EQ(w.ask(renew(1, a).option_u32(option::kLeaseTime, 300)).lease_s, 300u);
  w.time_s += 301;
  EXPECT_EQ(w.expire(), 1u);
}

// The lease clock goes with a step of the wall clock, and all leases with it.
TEST(Expiry, ClockSteps) {
  for (const int64_t step : {int64_t{1'000'000}, int64_t{-1'000'000}}) {
    World w(office());
    const Ipv4 a = w.lease(discover(1));
    w.ask(discover(2));
    w.engine.shift_times(step);
    w.time_s = static_cast<LeaseSeconds>(w.time_s + step);
    EXPECT_EQ(w.engine.find(a)->expiry, w.time_s + 3600);
    EXPECT_EQ(w.expire(), 0u);
    EXPECT_EQ(w.engine.offer_count(), 1u);
    w.time_s += 3600;
    EXPECT_EQ(w.expire(), 0u);
    w.time_s += 1;
    EXPECT_EQ(w.expire(), 1u);
    EXPECT_EQ(w.ask(discover(2)).why, "longest unused") << "the offer is over";
  }
}

// --- offers ---

// kOffersMax: the flood behind one relay costs its own oldest offers, not those behind another.
TEST(OfferTable, FairEvictionWhenFull) {
  World w(make_config({make_scope("big", "10.0.0.0/14", {range("10.0.0.10", "10.3.255.250")})}));
  const Ipv4 quiet = w.ask(discover(1).link(1).giaddr("10.1.0.1")).address;
  for (uint32_t c = 0; c < kOffersMax + 1000; ++c) {
    ASSERT_EQ(w.ask(discover(100 + c)).reply, ReplyKind::Offer);
  }
  EXPECT_EQ(w.engine.offer_count(), kOffersMax);
  EXPECT_EQ(w.engine.use(0).offered, kOffersMax);
  EXPECT_EQ(w.ask(discover(1).giaddr("10.1.0.1")).why, "offered before");
  EXPECT_EQ(w.ask(discover(1).giaddr("10.1.0.1")).address, quiet);
  EXPECT_NE(w.ask(discover(100)).why, "offered before") << "it was the oldest of the flood";
}

// --- reload, recovery ---

TEST(Reload, LeasesCarryOverAndOrphansComeBack) {
  World w(office());
  const Ipv4 a = w.lease(discover(1).option_text(option::kHostName, "pc"));
  const Ipv4 b = w.lease(discover(2));
  w.ask(Ask(MessageType::Release).client(2).ciaddr(b));
  w.ask(discover(3));
  auto elsewhere = make_config({make_scope("new", "10.9.0.0/24", {range("10.9.0.1", "10.9.0.9")})});
  ASSERT_TRUE(w.engine.configure(elsewhere, w.links).has_value());
  EXPECT_EQ(w.engine.lease_count(), 2u);
  EXPECT_EQ(w.engine.use(0).active, 0u);
  EXPECT_EQ(as_text(w.engine.find(a)->hostname), "pc") << "an orphan is shown";
  std::vector<Ipv4> seen;
  EXPECT_EQ(w.engine.scan(0, 10, [&](const LeaseRecord& r) { seen.push_back(r.address); }),
            kScanDone);
  EXPECT_EQ(seen, (std::vector<Ipv4>{a, b}));
  w.reload(office());
  EXPECT_EQ(w.engine.use(0).active, 1u);
  EXPECT_EQ(w.engine.use(0).released, 1u);
  EXPECT_EQ(w.engine.offer_count(), 0u);
  EXPECT_EQ(w.ask(renew(1, a)).why, "current binding");
  EXPECT_EQ(w.ask(discover(2)).why, "previous binding");
}

// A reload that changes nothing for an address leaves the offer of it.
TEST(Reload, OffersStayWhereTheAddressDoes) {
  World w(office("10.0.0.10", "10.0.0.20"));
  const Ipv4 a = w.ask(discover(1).requested("10.0.0.10")).address;
  w.ask(discover(2).requested("10.0.0.19"));
  ASSERT_TRUE(w.engine.configure(office("10.0.0.5", "10.0.0.15"), w.links).has_value());
  EXPECT_EQ(w.engine.offer_count(), 1u);
  EXPECT_EQ(w.ask(Ask(MessageType::Request).client(1).requested(a).server("10.0.0.1")).why,
            "offered");
  EXPECT_EQ(
      w.ask(Ask(MessageType::Request).client(2).requested("10.0.0.19").server("10.0.0.1")).why,
      "the address is in no range");
}

// A lease outside of the new ranges is no part of their total.
TEST(Reload, LeasesOutsideOfTheRangesAreCountedApart) {
  World w(office("10.0.0.10", "10.0.0.20"));
  w.lease(discover(1).requested("10.0.0.10"));
  w.lease(discover(2).requested("10.0.0.20"));
  const auto sum = [](const ScopeUse& u) {
    return u.active + u.free_ + u.offered + u.declined + u.reserved + u.released + u.expired;
  };
  for (const char* last : {"10.0.0.15", "10.0.0.12", "10.0.0.20", "10.0.0.15"}) {
    w.reload(office("10.0.0.10", last));
    const ScopeUse u = w.engine.use(0);
    const bool both = ip(last) == ip("10.0.0.20");
    EXPECT_EQ(u.total, ip(last).value - ip("10.0.0.10").value + 1);
    EXPECT_EQ(u.total, sum(u));
    EXPECT_EQ(u.active, both ? 2u : 1u);
    EXPECT_EQ(u.outside, both ? 0u : 1u);
    EXPECT_EQ(w.engine.lease_counts()[static_cast<size_t>(LeaseState::Active)], 2u);
  }
  // The same after a restart.
  World other(office("10.0.0.10", "10.0.0.15"));
  w.engine.scan(0, 10, [&](const LeaseRecord& r) { other.engine.restore(r); });
  EXPECT_EQ(other.engine.use(0).total, 6u);
  EXPECT_EQ(other.engine.use(0).outside, 1u);
}

// Half of a scope's addresses change while others are looked at: nothing that nobody may have is
// given, and nothing is lost, before and after all have been looked at again.
TEST(Reload, IsRightBeforeItHasSettled) {
  World w(office("10.0.0.10", "10.0.0.29"));
  for (uint32_t c = 0; c < 20; ++c) {
    const Ipv4 a = w.lease(discover(c));
    if (c % 2 == 0) w.ask(Ask(MessageType::Release).client(c).ciaddr(a));
  }
  ASSERT_TRUE(w.engine.configure(office("10.0.0.20", "10.0.0.39"), w.links).has_value());
  for (uint32_t c = 100; c < 115; ++c) {
    const Ipv4 a = w.lease(discover(c));
    EXPECT_TRUE(ip("10.0.0.20") <= a && a <= ip("10.0.0.39")) << a.text();
  }
  EXPECT_EQ(w.ask(discover(200)).drop, Drop::NoAddress);
  EXPECT_EQ(w.engine.use(0).active, 20u);
  EXPECT_EQ(w.engine.use(0).outside, 5u);
}

// From 10.0.0.10 on; the last address is then the one longest unused.
void lease_and_release(World& w, uint32_t clients) {
  for (uint32_t c = 0; c < clients; ++c) w.lease(discover(c));
  for (uint32_t c = clients; c-- > 0;) {
    w.time_s += 10;
    w.ask(Ask(MessageType::Release).client(c).ciaddr(Ipv4{ip("10.0.0.10").value + c}));
  }
}

// The order that LeaseTable::longest_unused() documents.
TEST(Reload, WhatItBringsBackComesLast) {
  World w(office("10.0.0.10", "10.0.0.14"));
  lease_and_release(w, 5);
  w.reload(office("10.0.0.10", "10.0.0.12"));
  w.time_s += 10;
  ASSERT_EQ(w.lease(discover(9)), ip("10.0.0.12"));
  w.ask(Ask(MessageType::Release).client(9).ciaddr("10.0.0.12"));
  w.reload(office("10.0.0.10", "10.0.0.14"));
  for (const char* next : {"10.0.0.11", "10.0.0.10", "10.0.0.12", "10.0.0.13", "10.0.0.14"}) {
    EXPECT_EQ(w.ask(discover(ip(next).value)).address, ip(next));
  }
}

TEST(Reload, OrphansComeBackInOrderOfTheirLastUse) {
  World before(office("10.0.0.10", "10.0.0.12"));
  lease_and_release(before, 3);
  World w(make_config({}));
  before.engine.scan(0, 10, [&](const LeaseRecord& r) { w.engine.restore(r); });
  w.time_s = before.time_s;
  w.reload(office("10.0.0.10", "10.0.0.12"));
  for (const char* next : {"10.0.0.12", "10.0.0.11", "10.0.0.10"}) {
    EXPECT_EQ(w.ask(discover(ip(next).value)).address, ip(next));
  }
}

TEST(Reload, ASubnetThatGrowsKeepsItsLeases) {
  World w(office());
  const Ipv4 a = w.lease(discover(1).option_text(option::kHostName, "pc"));
  const Ipv4 b = w.lease(discover(2));
  w.ask(Ask(MessageType::Release).client(2).ciaddr(b));
  auto larger =
      make_config({make_scope("office", "10.0.0.0/23", {range("10.0.0.10", "10.0.1.9")})});
  for (const auto& config : {larger, office(), larger}) {
    w.reload(config);
    EXPECT_EQ(w.engine.lease_count(), 2u);
    EXPECT_EQ(w.engine.use(0).active, 1u);
    EXPECT_EQ(w.engine.use(0).released, 1u);
    EXPECT_EQ(as_text(w.engine.find(a)->hostname), "pc");
    EXPECT_EQ(w.ask(renew(1, a)).why, "current binding");
    EXPECT_EQ(w.ask(discover(2)).address, b);
  }
}

// The wire's own numbers change with the configuration; who is bound is found all the same.
TEST(Reload, IntoASuperscopeAndOut) {
  const auto scopes = [](bool joined, bool turned) {
    Scope a = make_scope("a", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.20")});
    Scope b = make_scope("b", "10.0.9.0/24", {range("10.0.9.10", "10.0.9.20")});
    if (joined) a.superscope = b.superscope = "wire";
    return turned ? make_config({b, a}) : make_config({a, b});
  };
  World w(scopes(false, false));
  const Ipv4 a = w.lease(discover(1));
  const Ipv4 b = w.lease(discover(2).giaddr("10.0.9.1"));
  ASSERT_EQ(b, ip("10.0.9.10"));
  for (const auto& [joined, turned] : {std::pair(true, true), std::pair(true, false),
                                       std::pair(false, true), std::pair(false, false)}) {
    ASSERT_TRUE(w.engine.configure(scopes(joined, turned), w.links).has_value());
    EXPECT_EQ(w.ask(discover(1)).address, a);
    EXPECT_EQ(w.ask(discover(2).giaddr("10.0.9.1")).address, b);
    EXPECT_EQ(w.ask(discover(2)).address == b, joined) << "found from its wire only";
  }
}

TEST(Reload, WhatWasPreparedAheadIsTaken) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  const auto first = office("10.0.0.10", "10.0.0.11"), second = office("10.0.0.30", "10.0.0.31");
  ASSERT_TRUE(w.engine.prepare(first).has_value());
  ASSERT_TRUE(w.engine.configure(second, w.links).has_value()) << "another one than prepared";
  EXPECT_EQ(w.lease(discover(2)), ip("10.0.0.30"));
  ASSERT_TRUE(w.engine.prepare(first).has_value());
  ASSERT_TRUE(w.engine.configure(first, w.links).has_value());
  w.engine.discard_old();
  EXPECT_EQ(w.ask(renew(1, a)).why, "current binding");
  EXPECT_EQ(w.lease(discover(3)), ip("10.0.0.11"));
}

// --- look-ups for leasequery ---

TEST(Find, ByHardwareAddressAndClientId) {
  auto config = make_config({make_scope("a", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.99")}),
                             make_scope("b", "10.0.9.0/24", {range("10.0.9.10", "10.0.9.20")})});
  World w(config);
  const Ipv4 a = w.lease(discover(1).client_id("01aa"));
  w.time_s += 10;
  const Ipv4 b = w.lease(discover(1).client_id("01bb"));
  w.time_s += 10;
  const Ipv4 c = w.lease(discover(1).client_id("01aa").giaddr("10.0.9.1"));
  w.lease(discover(2).client_id("01cc"));
  const std::vector<uint8_t> mac = {2, 0xC1, 0, 0, 0, 1}, id = {1, 0xAA};
  const auto found = [&](bool by_hardware, size_t max) {
    std::vector<LeaseRecord> out(max);
    const size_t n =
        by_hardware ? w.engine.find_by_hardware(mac, out) : w.engine.find_by_client_id(id, out);
    std::vector<Ipv4> addresses;
    for (size_t i = 0; i < n; ++i) addresses.push_back(out[i].address);
    return addresses;
  };
  EXPECT_EQ(found(true, 9), (std::vector<Ipv4>{c, b, a}));
  EXPECT_EQ(found(true, 2), (std::vector<Ipv4>{c, b}));
  EXPECT_EQ(found(false, 9), (std::vector<Ipv4>{c, a}));
  w.time_s += 10;
  w.ask(Ask(MessageType::Release).client(1).client_id("01aa").ciaddr(a));
  EXPECT_EQ(found(true, 9), (std::vector<Ipv4>{a, c, b})) << "a release is a transaction, too";
  w.apply(*w.engine.propose_delete(b, w.now()));
  EXPECT_EQ(found(true, 9), (std::vector<Ipv4>{a, c}));
}

// kHardwareLeasesMax: one hardware address with more leases than are looked at.
TEST(Find, ByAHardwareAddressOfVeryManyClients) {
  World w(office("10.0.0.10", "10.0.0.20"));
  ASSERT_TRUE(w.engine
                  .configure(make_config({make_scope("big", "10.0.0.0/16",
                                                     {range("10.0.0.10", "10.0.255.20")})}),
                             w.links)
                  .has_value());
  const std::vector<uint8_t> mac = {2, 0xC1, 0, 0, 0, 1};
  for (uint32_t i = 0; i < 2 * kHardwareLeasesMax; ++i) {
    uint8_t id[4];
    store_be32(id, i);
    LeaseRecord r;
    r.address = {ip("10.0.0.10").value + i};
    r.state = LeaseState::Active;
    r.hardware_address = mac;
    r.client_id = id;
    r.last_transaction = w.time_s;
    r.expiry = w.time_s + 10;
    r.sequence = i + 1;
    w.engine.restore(r);
  }
  size_t seen = 0;
  const auto count = [&](const LeaseRecord&) { ++seen; };
  EXPECT_FALSE(w.engine.visit_hardware(mac, kHardwareLeasesMax, count));
  EXPECT_EQ(seen, kHardwareLeasesMax);
  EXPECT_TRUE(w.engine.visit_hardware(mac, 4 * kHardwareLeasesMax, count));
  EXPECT_EQ(seen, 3 * kHardwareLeasesMax);
}

TEST(Reload, OrphansRunOut) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  ASSERT_TRUE(w.engine.configure(make_config({}), w.links).has_value());
  EXPECT_NE(w.engine.next_expiry(), 0u);
  EXPECT_LE(w.engine.next_expiry(), w.time_s + 3601);
  w.time_s += 3601;
  EXPECT_EQ(w.expire(), 1u);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Expired);
  EXPECT_EQ(w.engine.next_expiry(), 0u);
}

TEST(Reload, TooManyAddressesKeepsTheOldTables) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  auto huge = make_config({make_scope("huge", "0.0.0.0/1", {range("1.0.0.0", "1.0.0.9")})});
  const Result<void> done = w.engine.configure(huge, w.links);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(w.ask(renew(1, a)).reply, ReplyKind::Ack);
}

TEST(Recovery, LaterSequenceWinsInAnyOrder) {
  LeaseRecord active;
  active.address = ip("10.0.0.10");
  active.state = LeaseState::Active;
  active.hardware_type = 1;
  const std::vector<uint8_t> mac1 = {2, 0xC1, 0, 0, 0, 1}, mac2 = {2, 0xC1, 0, 0, 0, 2};
  active.hardware_address = mac1;
  active.last_transaction = 1'800'000'000;
  active.expiry = 1'800'003'600;
  active.sequence = 5;
  LeaseRecord later = active;
  later.hardware_address = mac2;
  later.sequence = 9;
  for (const bool in_order : {true, false}) {
    World w(office());
    w.engine.restore(in_order ? active : later);
    w.engine.restore(in_order ? later : active);
    EXPECT_EQ(w.engine.lease_count(), 1u);
    EXPECT_EQ(w.ask(renew(2, active.address)).why, "current binding");
    EXPECT_EQ(w.ask(renew(1, active.address)).why, "bound to another client");
    w.time_s += 3601;
    EXPECT_EQ(w.expire(), 1u);
  }
}

TEST(Recovery, FreeAddressesInOrderOfTheirLastUse) {
  World w(office("10.0.0.10", "10.0.0.12"));
  const std::vector<uint8_t> macs[3] = {{1}, {2}, {3}};
  const LeaseSeconds ends[3] = {300, 100, 200};
  for (uint32_t i = 0; i < 3; ++i) {
    LeaseRecord r;
    r.address = {ip("10.0.0.10").value + i};
    r.state = LeaseState::Expired;
    r.hardware_address = macs[i];
    r.last_transaction = 50;
    r.expiry = ends[i];
    r.sequence = i + 1;
    w.engine.restore(r);
  }
  EXPECT_EQ(w.ask(discover(1)).address, ip("10.0.0.11"));
  EXPECT_EQ(w.ask(discover(2)).address, ip("10.0.0.12"));
  EXPECT_EQ(w.ask(discover(3)).address, ip("10.0.0.10"));
}

// Everything of a record survives: long and short identifiers, option 82 of 255 bytes.
TEST(Recovery, RecordsComeBackWhole) {
  World w(office());
  Ask d = discover(1)
              .option(option::kClientIdentifier, std::vector<uint8_t>(255, 0xC1))
              .option(option::kRelayAgentInfo, std::vector<uint8_t>(255, 0x82))
              .option(option::kHostName, std::vector<uint8_t>(255, 'h'));
  const Ipv4 a = w.lease(d);
  World other(office());
  w.engine.scan(0, 10, [&](const LeaseRecord& r) { other.engine.restore(r); });
  const LeaseRecord r = *other.engine.find(a);
  EXPECT_EQ(r.client_id.size(), 255u);
  EXPECT_EQ(r.client_id[254], 0xC1);
  EXPECT_EQ(r.relay_info.size(), 255u);
  EXPECT_EQ(r.relay_info[0], 0x82);
  EXPECT_EQ(r.hostname[254], 'h');
  EXPECT_EQ(r.hardware_type, 1);
  EXPECT_EQ(r.sequence, 1u);
  EXPECT_EQ(r.scope_key, office()->scopes[0].key);
  other.time_s = w.time_s;
  EXPECT_EQ(other.ask(d).why, "current binding");
}

// --- the operator ---

TEST(Operator, ReleasesAndDeletes) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  EXPECT_EQ(w.engine.propose_release(ip("10.0.0.99"), w.now()).error().kind, ErrorKind::Missing);
  Result<LeaseRecord> r = w.engine.propose_release(a, w.now());
  ASSERT_TRUE(r.has_value());
  EXPECT_EQ(r->state, LeaseState::Released);
  EXPECT_EQ(w.engine.propose_delete(a, w.now()).error().kind, ErrorKind::Busy);
  EXPECT_EQ(w.propose(renew(1, a)).kind, Answer::Kind::Deferred);
  w.apply(*r);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Released);
  EXPECT_EQ(w.engine.propose_release(a, w.now()).error().kind, ErrorKind::Missing);
  r = w.engine.propose_delete(a, w.now());
  ASSERT_TRUE(r.has_value());
  w.apply(*r);
  EXPECT_FALSE(w.engine.find(a).has_value());
  EXPECT_EQ(w.engine.lease_count(), 0u);
  EXPECT_EQ(w.ask(discover(1)).why, "longest unused") << "nothing is remembered";
}

TEST(Operator, DeletesAnOrphan) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  ASSERT_TRUE(w.engine.configure(make_config({}), w.links).has_value());
  const auto r = w.engine.propose_delete(a, w.now());
  ASSERT_TRUE(r.has_value());
  EXPECT_EQ(w.engine.propose_delete(a, w.now()).error().kind, ErrorKind::Busy);
  w.apply(*r);
  EXPECT_EQ(w.engine.lease_count(), 0u);
}

// --- the view ---

TEST(Scan, GoesOnWhereItStopped) {
  World w(office());
  for (uint32_t c = 1; c <= 5; ++c) w.lease(discover(c));
  std::vector<Ipv4> seen;
  uint64_t cursor = 0;
  int calls = 0;
  while (cursor != kScanDone) {
    cursor = w.engine.scan(cursor, 2, [&](const LeaseRecord& r) { seen.push_back(r.address); });
    ++calls;
  }
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(calls, 3);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Use, AddsUp) {
  auto config = office();
  config->scopes[0].reservations = {reserve_mac("02c100000009", "10.0.0.20"),
                                    reserve_mac("02c10000000a", "10.0.0.200")};
  World w(config);
  ScopeUse u = w.engine.use(0);
  EXPECT_EQ(u.total, 12u);
  EXPECT_EQ(u.free_, 10u);
  EXPECT_EQ(u.reserved, 2u);
  w.lease(discover(9));
  w.lease(discover(1));
  w.ask(discover(2));
  u = w.engine.use(0);
  EXPECT_EQ(u.active, 2u);
  EXPECT_EQ(u.offered, 1u);
  EXPECT_EQ(u.free_, 8u);
  EXPECT_EQ(u.reserved, 1u);
  EXPECT_EQ(u.total, 12u);
}

}  // namespace
}  // namespace hookline::lease
