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
  ASSERT_TRUE(w.engine.configure(office(), w.links).has_value());
  EXPECT_EQ(w.engine.use(0).active, 1u);
  EXPECT_EQ(w.engine.use(0).expired_or_released, 1u);
  EXPECT_EQ(w.engine.offer_count(), 0u);
  EXPECT_EQ(w.ask(renew(1, a)).why, "current binding");
  EXPECT_EQ(w.ask(discover(2)).why, "previous binding");
}

TEST(Reload, OrphansRunOut) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  ASSERT_TRUE(w.engine.configure(make_config({}), w.links).has_value());
  EXPECT_EQ(w.engine.next_expiry(), w.time_s + 3601);
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
