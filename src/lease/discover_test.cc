// DISCOVER and BOOTP: who is offered what (RFC 2131 4.3.1, RFC 4039, RFC 1534).
#include <gtest/gtest.h>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

std::shared_ptr<Config> office() {
  return make_config({make_scope("office", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.12")})});
}

Ask discover(uint32_t client) { return Ask(MessageType::Discover).client(client); }

TEST(Discover, OffersAnAddressOfTheRange) {
  World w(office());
  const Answer a = w.ask(discover(1));
  EXPECT_EQ(a.kind, Answer::Kind::Immediate);
  EXPECT_EQ(a.reply, ReplyKind::Offer);
  EXPECT_EQ(a.address, ip("10.0.0.10"));
  EXPECT_EQ(a.server_id, ip("10.0.0.1"));
  EXPECT_EQ(a.scope, "office");
  EXPECT_EQ(a.why, "longest unused");
  EXPECT_EQ(w.engine.use(0).offered, 1u);
  EXPECT_EQ(w.engine.lease_count(), 0u);
}

// 4.3.1: "The client's current address as recorded in the client's current binding".
TEST(Discover, CurrentBindingBeforeAllElse) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  const Answer a = w.ask(discover(1).requested("10.0.0.12"));
  EXPECT_EQ(a.address, ip("10.0.0.10"));
  EXPECT_EQ(a.why, "current binding");
}

// 4.3.1: "The client's previous address as recorded in the client's (now expired or released)
// binding, if that address is in the server's pool of available addresses and not already
// allocated".
TEST(Discover, PreviousBindingIfItIsFree) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  ASSERT_EQ(w.lease(discover(2)), ip("10.0.0.11"));
  w.ask(Ask(MessageType::Release).client(2).ciaddr("10.0.0.11"));
  w.ask(Ask(MessageType::Release).client(1).ciaddr("10.0.0.10"));
  const Answer a = w.ask(discover(2).requested("10.0.0.12"));
  EXPECT_EQ(a.address, ip("10.0.0.11"));
  EXPECT_EQ(a.why, "previous binding");
}

TEST(Discover, PreviousBindingAfterExpiry) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  ASSERT_EQ(w.lease(discover(2)), ip("10.0.0.11"));
  w.time_s += 3601;
  ASSERT_EQ(w.expire(), 2u);
  EXPECT_EQ(w.engine.find(ip("10.0.0.11"))->state, LeaseState::Expired);
  EXPECT_EQ(w.ask(discover(2)).address, ip("10.0.0.11"));
}

TEST(Discover, PreviousBindingThatSomebodyElseHasNow) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  w.ask(Ask(MessageType::Release).client(1).ciaddr("10.0.0.10"));
  ASSERT_EQ(w.lease(discover(2).requested("10.0.0.10")), ip("10.0.0.10"));
  EXPECT_EQ(w.ask(discover(1)).address, ip("10.0.0.11"));
}

// 4.3.1: "The address requested in the 'Requested IP Address' option, if that address is valid
// and not already allocated".
TEST(Discover, RequestedAddressIfItIsFree) {
  World w(office());
  const Answer a = w.ask(discover(1).requested("10.0.0.12"));
  EXPECT_EQ(a.address, ip("10.0.0.12"));
  EXPECT_EQ(a.why, "requested address is free");
  EXPECT_EQ(w.ask(discover(2).requested("10.0.0.12")).address, ip("10.0.0.10"));
  EXPECT_EQ(w.ask(discover(3).requested("10.0.0.99")).address, ip("10.0.0.11"));
}

// Repeated DISCOVERs get the same offer, whatever they ask for.
TEST(Discover, SameOfferAgain) {
  World w(office());
  ASSERT_EQ(w.ask(discover(1)).address, ip("10.0.0.10"));
  const Answer a = w.ask(discover(1).requested("10.0.0.12"));
  EXPECT_EQ(a.address, ip("10.0.0.10"));
  EXPECT_EQ(a.why, "offered before");
  EXPECT_EQ(w.engine.offer_count(), 1u);
}

TEST(Discover, OfferEndsAfterItsTime) {
  World w(office());
  for (uint32_t c = 1; c <= 3; ++c) w.ask(discover(c));
  EXPECT_EQ(w.ask(discover(4)).drop, Drop::NoAddress);
  w.time_s += 60;
  EXPECT_EQ(w.ask(discover(4)).address, ip("10.0.0.10"));
}

TEST(Discover, NeverUsedFirstThenLongestUnused) {
  World w(office());
  for (uint32_t c = 1; c <= 2; ++c) w.lease(discover(c));
  w.ask(Ask(MessageType::Release).client(2).ciaddr("10.0.0.11"));
  w.time_s += 10;
  w.ask(Ask(MessageType::Release).client(1).ciaddr("10.0.0.10"));
  EXPECT_EQ(w.lease(discover(3)), ip("10.0.0.12"));
  EXPECT_EQ(w.lease(discover(4)), ip("10.0.0.11"));
  EXPECT_EQ(w.lease(discover(5)), ip("10.0.0.10"));
  EXPECT_EQ(w.ask(discover(6)).drop, Drop::NoAddress);
}

TEST(Discover, ExcludedNetworkAndOwnAddressesAreNotGiven) {
  Scope s = make_scope("s", "10.0.0.0/24",
                       {range("10.0.0.0", "10.0.0.4"), range("10.0.0.255", "10.0.0.255")});
  s.excluded = {range("10.0.0.2", "10.0.0.3")};
  World w(make_config({s}));  // 10.0.0.1 is the server's
  EXPECT_EQ(w.ask(discover(1)).address, ip("10.0.0.4"));
  EXPECT_EQ(w.ask(discover(2)).drop, Drop::NoAddress);
  EXPECT_EQ(w.ask(discover(2).requested("10.0.0.1")).drop, Drop::NoAddress);
}

// 4.3.1: lease time, T1 and T2.
TEST(Discover, LeaseTimes) {
  World w(office());
  Answer a = w.ask(discover(1));
  EXPECT_EQ(a.lease_s, 3600u);
  EXPECT_EQ(a.renew_s, 1800u);
  EXPECT_EQ(a.rebind_s, 3150u);
  EXPECT_EQ(w.ask(discover(1).option_u32(option::kLeaseTime, 7200)).lease_s, 7200u);
  EXPECT_EQ(w.ask(discover(1).option_u32(option::kLeaseTime, 1)).lease_s, 300u);
  EXPECT_EQ(w.ask(discover(1).option_u32(option::kLeaseTime, 0xFFFFFFFF)).lease_s, 86400u);
}

TEST(Discover, InfiniteWhereAllowed) {
  auto config = office();
  config->scopes[0].times.max_s = kLeaseTimeInfinite;
  World w(config);
  const Ask d = discover(1).option_u32(option::kLeaseTime, kLeaseTimeInfinite);
  EXPECT_EQ(w.ask(d).renew_s, kLeaseTimeInfinite);
  ASSERT_EQ(w.lease(d), ip("10.0.0.10"));
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->expiry, kLeaseTimeInfinite);
  EXPECT_EQ(w.engine.next_expiry(), 0u);
  w.time_s += 1'000'000'000;
  EXPECT_EQ(w.expire(), 0u);
}

TEST(Discover, ReservationByHardwareAddressEvenOutsideTheRanges) {
  auto config = office();
  config->scopes[0].reservations = {reserve_mac("02c100000001", "10.0.0.200"),
                                    reserve_mac("02c100000002", "10.0.0.10")};
  config->scopes[0].reservations[0].hostname = "printer";
  World w(config);
  const Answer a = w.ask(discover(1));
  EXPECT_EQ(a.address, ip("10.0.0.200"));
  EXPECT_EQ(a.why, "reserved");
  EXPECT_EQ(a.reservation, &config->scopes[0].reservations[0]);
  EXPECT_EQ(w.ask(discover(9)).address, ip("10.0.0.11")) << "10.0.0.10 is another's";
  EXPECT_EQ(w.ask(discover(9).requested("10.0.0.200")).address, ip("10.0.0.11"));
  ASSERT_EQ(w.lease(discover(1).option_text(option::kHostName, "mine")), ip("10.0.0.200"));
  EXPECT_EQ(as_text(w.engine.find(ip("10.0.0.200"))->hostname), "printer");
}

TEST(Discover, ReservationPrecedence) {
  auto config = office();
  const auto add = [&](ReservationKey by, std::vector<uint8_t> key, const char* address) {
    Reservation r;
    r.by = by;
    r.key = std::move(key);
    r.address = ip(address);
    config->scopes[0].reservations.push_back(r);
  };
  add(ReservationKey::RemoteId, {'r'}, "10.0.0.204");
  add(ReservationKey::CircuitId, {'c'}, "10.0.0.203");
  add(ReservationKey::ClientId, {1, 2}, "10.0.0.202");
  add(ReservationKey::HardwareAddress, {2, 0xC1, 0, 0, 0, 1}, "10.0.0.201");
  World w(config);
  const std::vector<uint8_t> both = {1, 1, 'c', 2, 1, 'r'};
  Ask all = discover(1).client_id("0102").option(option::kRelayAgentInfo, both);
  EXPECT_EQ(w.ask(all).address, ip("10.0.0.201"));
  Ask three = discover(2).client_id("0102").option(option::kRelayAgentInfo, both);
  EXPECT_EQ(w.ask(three).address, ip("10.0.0.202"));
  EXPECT_EQ(w.ask(discover(2).option(option::kRelayAgentInfo, both)).address, ip("10.0.0.203"));
  EXPECT_EQ(w.ask(discover(2).option(option::kRelayAgentInfo, {2, 1, 'r'})).address,
            ip("10.0.0.204"));
}

// The client's identity is its identifier, and only without one its hardware address (4.2).
TEST(Discover, IdentityIsTheClientIdentifier) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1).client_id("00aabbcc")), ip("10.0.0.10"));
  EXPECT_EQ(w.ask(discover(2).client_id("00aabbcc")).address, ip("10.0.0.10"));
  EXPECT_EQ(w.ask(discover(1)).address, ip("10.0.0.11"));
  Ask other_type = discover(1);
  other_type.hardware_type = 6;
  EXPECT_EQ(w.ask(other_type).address, ip("10.0.0.12"));
}

TEST(Discover, NoIdentityAtAll) {
  World w(office());
  Ask nobody(MessageType::Discover);
  nobody.hardware.clear();
  EXPECT_EQ(w.ask(nobody).drop, Drop::NoClientIdentity);
}

// RFC 4039 section 3: a DISCOVER with Rapid Commit is answered by an ACK, once it is committed.
TEST(Discover, RapidCommit) {
  World w(office());
  const Answer a = w.propose(discover(1).option(option::kRapidCommit, std::vector<uint8_t>{}));
  EXPECT_EQ(a.kind, Answer::Kind::Durable);
  EXPECT_EQ(a.reply, ReplyKind::Ack);
  EXPECT_TRUE(a.rapid_commit);
  EXPECT_FALSE(w.engine.find(ip("10.0.0.10")).has_value());
  w.commit();
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->state, LeaseState::Active);
}

TEST(Discover, SuperscopeSiblingWhenExhausted) {
  Scope a = make_scope("a", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.10")});
  Scope b = make_scope("b", "10.0.1.0/24", {range("10.0.1.10", "10.0.1.10")});
  Scope c = make_scope("c", "10.0.2.0/24", {range("10.0.2.10", "10.0.2.10")});
  a.superscope = b.superscope = "campus";
  World w(make_config({a, b, c}));
  EXPECT_EQ(w.lease(discover(1)), ip("10.0.0.10"));
  EXPECT_EQ(w.lease(discover(2)), ip("10.0.1.10"));
  EXPECT_EQ(w.ask(discover(3)).drop, Drop::NoAddress) << "c is another wire";
  EXPECT_EQ(w.ask(discover(2)).address, ip("10.0.1.10"));
}

TEST(Discover, NothingIsOfferedWhenTheJournalIsOut) {
  World w(office());
  w.engine.set_granting(false);
  EXPECT_EQ(w.ask(discover(1)).drop, Drop::NotGranting);
  EXPECT_EQ(w.ask(Ask(MessageType::Inform).ciaddr("10.0.0.10")).reply, ReplyKind::InformAck);
  EXPECT_EQ(w.ask(Ask(MessageType::Request).ciaddr("10.9.9.9")).reply, ReplyKind::Nak);
  EXPECT_EQ(w.ask(Ask(MessageType::Request).ciaddr("10.0.0.10")).drop, Drop::NotGranting);
  w.engine.set_granting(true);
  EXPECT_EQ(w.ask(discover(1)).reply, ReplyKind::Offer);
}

// --- BOOTP: RFC 951, RFC 1534 section 2 ---

TEST(Bootp, OnlyWhereServed) {
  auto config = office();
  config->scopes[0].reservations = {reserve_mac("02c100000001", "10.0.0.200")};
  World w(config);
  EXPECT_EQ(w.ask(Ask(MessageType::None).client(2)).drop, Drop::BootpNotServed);
  const Answer a = w.ask(Ask(MessageType::None).client(1));
  EXPECT_EQ(a.reply, ReplyKind::Bootp);
  EXPECT_EQ(a.address, ip("10.0.0.200"));
}

TEST(Bootp, FromRangesForGood) {
  auto config = office();
  config->scopes[0].bootp = true;
  World w(config);
  Answer a = w.ask(Ask(MessageType::None).client(2));
  EXPECT_EQ(a.kind, Answer::Kind::Durable);
  EXPECT_EQ(a.address, ip("10.0.0.10"));
  EXPECT_FALSE(a.renewed);
  EXPECT_EQ(w.engine.find(a.address)->expiry, kLeaseTimeInfinite);
  EXPECT_TRUE(w.engine.find(a.address)->bootp);
  a = w.ask(Ask(MessageType::None).client(2));
  EXPECT_EQ(a.address, ip("10.0.0.10"));
  EXPECT_TRUE(a.renewed);
}

}  // namespace
}  // namespace hookline::lease
