// Conflict detection in the engine: who has to wait for a probe, and what its outcome means
// (RFC 2131 2.2 and 4.3.1: "the server SHOULD probe the reused address before allocating").
#include <gtest/gtest.h>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words
using Kind = Answer::Kind;

std::shared_ptr<Config> office(std::vector<Reservation> reservations = {}) {
  Scope scope = make_scope("office", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.14")});
  scope.conflict_detection = true;
  scope.bootp = true;
  scope.reservations = std::move(reservations);
  return make_config({scope});
}

Ask discover(uint32_t client) { return Ask(MessageType::Discover).client(client); }

void expect_probe(const Answer& a, std::string_view address) {
  EXPECT_EQ(a.kind, Kind::ToProbe);
  EXPECT_EQ(a.address, ip(address));
  EXPECT_EQ(a.scope, "office");
}

void expect_offer(const std::vector<Answer>& answers, std::string_view address) {
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].reply, ReplyKind::Offer);
  EXPECT_EQ(answers[0].address, ip(address));
}

TEST(Conflict, OffOffersAtOnce) {
  auto config = office();
  config->scopes[0].conflict_detection = false;
  World w(config);
  EXPECT_EQ(w.ask(discover(1)).reply, ReplyKind::Offer);
}

TEST(Conflict, AFreeAddressIsOfferedAfterItsProbe) {
  World w(office());
  expect_probe(w.ask(discover(1)), "10.0.0.10");
  EXPECT_EQ(w.engine.use(0).offered, 1u) << "held meanwhile";
  expect_probe(w.ask(discover(2)), "10.0.0.11");
  w.probed(ip("10.0.0.11"), false);  // client 1's is still asked about: it comes back again
  ASSERT_EQ(w.parked.size(), 1u);
  expect_offer(w.probed(ip("10.0.0.10"), false), "10.0.0.10");
}

// The offer remembers: neither a repeated DISCOVER nor the REQUEST is held up.
TEST(Conflict, WhatWasFoundFreeIsNotAskedAboutAgain) {
  World w(office());
  w.ask(discover(1));
  w.probed(ip("10.0.0.10"), false);
  EXPECT_EQ(w.ask(discover(1)).reply, ReplyKind::Offer);
  EXPECT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  EXPECT_EQ(w.ask(discover(1)).reply, ReplyKind::Offer) << "bound: nobody is asked";
}

TEST(Conflict, AskedAgainWhenTheOfferIsOver) {
  World w(office());
  w.ask(discover(1));
  w.probed(ip("10.0.0.10"), false);
  w.time_s += 61;
  expect_probe(w.ask(discover(1)), "10.0.0.10");
}

// A client that never stops asking does not keep an old answer good.
TEST(Conflict, AnOutcomeGrowsOld) {
  World w(office());
  w.ask(discover(1));
  w.probed(ip("10.0.0.10"), false);
  w.time_s += 40;
  EXPECT_EQ(w.ask(discover(1)).reply, ReplyKind::Offer);
  w.time_s += 19;
  EXPECT_EQ(w.ask(discover(1)).reply, ReplyKind::Offer);
  w.time_s += 1;
  expect_probe(w.ask(discover(1)), "10.0.0.10");
  expect_probe(w.probed(ip("10.0.0.10"), true).at(0), "10.0.0.11");
}

// RFC 2131 4.3.1: the previous address, too, may be somebody else's by now.
TEST(Conflict, APreviousBindingIsAskedAbout) {
  World w(office());
  w.ask(discover(1));
  w.probed(ip("10.0.0.10"), false);
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  w.ask(Ask(MessageType::Release).client(1).ciaddr("10.0.0.10"));
  expect_probe(w.ask(discover(1)), "10.0.0.10");
}

TEST(Conflict, AnAddressInUseGoesIntoQuarantine) {
  World w(office());
  w.ask(discover(1));
  const auto answers = w.probed(ip("10.0.0.10"), true);
  ASSERT_EQ(answers.size(), 1u);
  expect_probe(answers[0], "10.0.0.11");
  const auto record = w.engine.find(ip("10.0.0.10"));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->state, LeaseState::Declined);
  EXPECT_EQ(record->expiry, w.time_s + 3600);
  EXPECT_TRUE(record->identity().id.empty()) << "nobody is blamed";
  EXPECT_EQ(w.engine.use(0).declined, 1u);
  EXPECT_EQ(w.engine.use(0).offered, 1u);
  expect_offer(w.probed(ip("10.0.0.11"), false), "10.0.0.11");
  w.time_s += 3602;
  EXPECT_EQ(w.expire(), 1u);
  EXPECT_FALSE(w.engine.find(ip("10.0.0.10")).has_value());
}

TEST(Conflict, ABindingThatRanOutVouchesForNobody) {
  World w(office());
  w.ask(discover(1));
  w.probed(ip("10.0.0.10"), false);
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  w.time_s += 3601;
  EXPECT_EQ(w.ask(discover(1)).kind, Kind::Deferred) << "until it is taken out";
  ASSERT_EQ(w.expire(), 1u);
  expect_probe(w.ask(discover(1)), "10.0.0.10");
}

// Such quarantines leave the source's own declines alone.
TEST(Conflict, CountsAgainstNobodysDeclines) {
  Scope scope = make_scope("office", "10.0.0.0/22", {range("10.0.1.0", "10.0.2.255")});
  scope.conflict_detection = true;
  World w(make_config({scope}));
  for (uint32_t c = 1; c <= kDeclinesPerSourceMax; ++c) {
    const Ipv4 address = w.ask(discover(c)).address;
    w.probed(address, true);
    for (Request& r : w.parked) w.complete(std::move(r).release());
    w.parked.clear();
  }
  EXPECT_EQ(w.engine.use(0).declined, kDeclinesPerSourceMax);
  const Ipv4 address = w.ask(discover(1000)).address;
  w.probed(address, false);
  ASSERT_EQ(w.lease(discover(1000)), address);
  const Answer a =
      w.ask(Ask(MessageType::Decline).client(1000).requested(address).server("10.0.0.1"));
  EXPECT_EQ(a.kind, Kind::Durable);
}

TEST(Conflict, ThreeConflictsAndTheClientIsToldNothing) {
  World w(office());
  Answer a = w.ask(discover(1));
  for (size_t i = 0; i < kProbesPerPacketMax; ++i) {
    ASSERT_EQ(a.kind, Kind::ToProbe);
    a = w.probed(a.address, true).at(0);
  }
  EXPECT_EQ(a.kind, Kind::Dropped);
  EXPECT_EQ(a.drop, Drop::NoAddress);
  EXPECT_EQ(w.engine.use(0).declined, kProbesPerPacketMax);
  EXPECT_EQ(w.engine.offer_count(), 0u);
  expect_probe(w.ask(discover(1)), "10.0.0.13");  // its next DISCOVER may go on
}

TEST(Conflict, RapidCommitAndBootpWaitToo) {
  World w(office());
  expect_probe(w.ask(discover(1).option(option::kRapidCommit, std::vector<uint8_t>{})),
               "10.0.0.10");
  auto answers = w.probed(ip("10.0.0.10"), false);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].kind, Kind::Durable);
  EXPECT_TRUE(answers[0].rapid_commit);
  w.commit();
  expect_probe(w.ask(Ask(MessageType::None).client(2)), "10.0.0.11");
  answers = w.probed(ip("10.0.0.11"), true);
  expect_probe(answers.at(0), "10.0.0.12");
  answers = w.probed(ip("10.0.0.12"), false);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].reply, ReplyKind::Bootp);
  EXPECT_EQ(answers[0].address, ip("10.0.0.12"));
  w.commit();
  EXPECT_EQ(w.engine.offer_count(), 0u);
}

TEST(Conflict, AReservedAddressIsAskedAbout) {
  World w(office({reserve_mac("02c100000001", "10.0.0.7")}));
  expect_probe(w.ask(discover(1)), "10.0.0.7");
  auto answers = w.probed(ip("10.0.0.7"), true);
  expect_probe(answers.at(0), "10.0.0.10");  // the reserved one is in quarantine
  expect_offer(w.probed(ip("10.0.0.10"), false), "10.0.0.10");
  w.time_s += 3602;
  w.expire();
  expect_probe(w.ask(discover(1)), "10.0.0.7");
  expect_offer(w.probed(ip("10.0.0.7"), false), "10.0.0.7");
  EXPECT_EQ(w.lease(discover(1)), ip("10.0.0.7"));
  EXPECT_EQ(w.engine.offer_count(), 0u);
}

// Two identities of one host may share a reserved address: the later offer takes it over, and
// binding it to one ends the other's.
TEST(Conflict, AReservedAddressOfTwoIdentities) {
  Reservation by_id = reserve_mac("010203", "10.0.0.7");
  by_id.by = ReservationKey::ClientId;
  World w(office({reserve_mac("02c100000001", "10.0.0.7"), by_id}));
  const Ask one = discover(1);
  const Ask other = discover(2).client_id("010203");
  w.ask(one);
  w.probed(ip("10.0.0.7"), false);
  expect_probe(w.ask(other), "10.0.0.7");
  EXPECT_EQ(w.engine.offer_count(), 1u);
  w.probed(ip("10.0.0.7"), false);
  EXPECT_EQ(
      w.ask(Ask(MessageType::Request).client(1).requested("10.0.0.7").server("10.0.0.1")).reply,
      ReplyKind::Ack);
  EXPECT_EQ(w.engine.offer_count(), 0u);
  w.time_s += 3602;
  EXPECT_EQ(w.expire(), 1u);
}

// Nobody overtakes himself: what the client says meanwhile waits for the same probe.
TEST(Conflict, LaterRequestsOfTheClientWaitInOrder) {
  World w(office());
  w.ask(discover(1));
  Ask request = Ask(MessageType::Request).client(1).requested("10.0.0.10").server("10.0.0.1");
  expect_probe(w.ask(request), "10.0.0.10");
  const auto answers = w.probed(ip("10.0.0.10"), false);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].reply, ReplyKind::Offer);
  EXPECT_EQ(answers[1].reply, ReplyKind::Ack);
  w.commit();

  w.ask(discover(2));
  Ask late = Ask(MessageType::Request).client(2).requested("10.0.0.11").server("10.0.0.1");
  w.ask(late);
  const auto refused = w.probed(ip("10.0.0.11"), true);
  ASSERT_EQ(refused.size(), 2u);
  expect_probe(refused[0], "10.0.0.12");
  expect_probe(refused[1], "10.0.0.12");
  const auto then = w.probed(ip("10.0.0.12"), false);
  EXPECT_EQ(then.at(0).reply, ReplyKind::Offer);
  EXPECT_EQ(then.at(1).reply, ReplyKind::Nak);
  EXPECT_EQ(then.at(1).why, "the address is in quarantine");
}

TEST(Conflict, WhatNobodyWaitsForIsNoConflict) {
  World w(office());
  EXPECT_FALSE(w.engine.probed(ip("10.0.0.10"), true, w.now()).has_value());
  EXPECT_FALSE(w.engine.probed(ip("192.168.0.1"), true, w.now()).has_value());
  w.ask(discover(1));
  w.probed(ip("10.0.0.10"), false);
  EXPECT_FALSE(w.engine.probed(ip("10.0.0.10"), true, w.now()).has_value()) << "late";
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  EXPECT_FALSE(w.engine.probed(ip("10.0.0.10"), true, w.now()).has_value()) << "its own client";
}

TEST(Conflict, NoRecordWhileNothingIsGranted) {
  World w(office());
  w.ask(discover(1));
  w.engine.set_granting(false);
  EXPECT_FALSE(w.engine.probed(ip("10.0.0.10"), true, w.now()).has_value());
  EXPECT_EQ(w.engine.offer_count(), 0u);
  EXPECT_EQ(w.probed(ip("10.0.0.10"), true).at(0).drop, Drop::NotGranting);
}

TEST(Conflict, AWithdrawnRecordLeavesTheAddressFree) {
  World w(office());
  w.ask(discover(1));
  const auto record = w.engine.probed(ip("10.0.0.10"), true, w.now());
  ASSERT_TRUE(record.has_value());
  w.engine.withdraw(*record);
  EXPECT_EQ(w.engine.use(0).free_, 5u);
}

// The hold outlasts the longest probe, whatever offer-hold says.
TEST(Conflict, AShortHoldLastsForTheProbe) {
  auto config = office();
  config->leases.offer_hold_s = 1;
  config->leases.conflict_wait_ns = 2 * kNsPerSecond;
  config->leases.conflict_attempts = 3;
  World w(config);
  w.ask(discover(1));
  w.time_s += 6;
  EXPECT_EQ(w.ask(discover(2)).address, ip("10.0.0.11"));
  w.probed(ip("10.0.0.11"), false);
  expect_offer(w.probed(ip("10.0.0.10"), false), "10.0.0.10");
}

// What was asked before a reload does not count; whoever waits is proposed again.
TEST(Conflict, AReloadAsksAgain) {
  World w(office());
  w.ask(discover(1));
  ASSERT_TRUE(w.engine.configure(office(), w.links).has_value());
  const auto again = w.probed(ip("10.0.0.99"), false);
  ASSERT_EQ(again.size(), 1u);
  expect_probe(again[0], "10.0.0.10");
  expect_offer(w.probed(ip("10.0.0.10"), false), "10.0.0.10");
  EXPECT_EQ(w.engine.use(0).offered, 1u);
}

}  // namespace
}  // namespace hookline::lease
