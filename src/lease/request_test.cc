// REQUEST: RFC 2131 4.3.2, state by state, and where the server must stay silent.
#include <gtest/gtest.h>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

std::shared_ptr<Config> office(bool authoritative = true) {
  auto config =
      make_config({make_scope("office", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.20")}),
                   make_scope("other", "10.0.1.0/24", {range("10.0.1.10", "10.0.1.20")})});
  config->server.authoritative = authoritative;
  return config;
}

Ask discover(uint32_t client) { return Ask(MessageType::Discover).client(client); }
Ask request(uint32_t client) { return Ask(MessageType::Request).client(client); }
Ask selecting(uint32_t client, const char* address) {
  return request(client).requested(address).server("10.0.0.1");
}
Ask reboot(uint32_t client, const char* address) { return request(client).requested(address); }
Ask renew(uint32_t client, const char* address) {
  return request(client).ciaddr(address).to("10.0.0.1");
}
Ask rebind(uint32_t client, const char* address) { return request(client).ciaddr(address); }

// --- SELECTING ---

// 4.3.2: "Client inserts the address of the selected server in 'server identifier' …"
TEST(Selecting, GrantsWhatWasOffered) {
  World w(office());
  w.ask(discover(1));
  const Answer a = w.propose(selecting(1, "10.0.0.10").option_text(option::kHostName, "pc"));
  EXPECT_EQ(a.kind, Answer::Kind::Durable);
  EXPECT_EQ(a.reply, ReplyKind::Ack);
  EXPECT_EQ(a.why, "offered");
  EXPECT_FALSE(a.renewed);
  EXPECT_EQ(w.engine.offer_count(), 0u);
  EXPECT_EQ(w.engine.lease_count(), 0u) << "not before the commit";
  w.commit();
  const auto lease = w.engine.find(ip("10.0.0.10"));
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->state, LeaseState::Active);
  EXPECT_EQ(lease->start, w.time_s);
  EXPECT_EQ(lease->expiry, w.time_s + 3600);
  EXPECT_EQ(lease->last_transaction, w.time_s);
  EXPECT_EQ(as_text(lease->hostname), "pc");
  EXPECT_EQ(lease->sequence, 1u);
  EXPECT_TRUE(equal(lease->hardware_address, request(1).hardware));
}

// RFC 4702 section 2.3: a name in labels (E) or in ASCII. The lease's is the host's alone.
TEST(Selecting, RemembersTheHostOfAnFqdn) {
  using namespace std::string_literals;
  const std::pair<std::string, std::string> cases[] = {
      {"\5\0\0\2pc\7example\3org\0"s, "pc"},
      {"\4\0\0\2pc"s, "pc"},            // a partial name
      {"\1\0\0pc.example.org"s, "pc"},  // deprecated, and in the field
      {"\0\0\0pc"s, "pc"},
      {"\4\0\0\11pc"s, ""},  // a label that runs past the end
      {"\4\0\0\100"s + std::string(64, 'x'), ""},
      {"\4\0\0\0"s, ""},
      {"\4\0\0"s, ""},
  };
  for (const auto& [fqdn, name] : cases) {
    World w(office());
    w.lease(discover(1).option_text(option::kClientFqdn, fqdn));
    EXPECT_EQ(as_text(w.engine.find(ip("10.0.0.10"))->hostname), name) << fqdn;
    w.lease(discover(1).option_text(option::kClientFqdn, fqdn).option_text(option::kHostName, "h"));
    EXPECT_EQ(as_text(w.engine.find(ip("10.0.0.10"))->hostname), "h") << "option 12 comes first";
  }
}

// 4.3.1: a DHCPREQUEST that names another server declines our offer.
TEST(Selecting, AnotherServerFreesOurOffer) {
  World w(office());
  w.ask(discover(1));
  EXPECT_EQ(w.ask(request(1).requested("10.0.0.10").server("10.0.0.9")).drop, Drop::WrongServer);
  EXPECT_EQ(w.engine.offer_count(), 0u);
  EXPECT_EQ(w.ask(discover(2)).address, ip("10.0.0.10"));
}

TEST(Selecting, AnyOfOurAddressesIsUs) {
  World w(office());
  EXPECT_EQ(w.ask(request(1).requested("10.0.0.10").server("192.0.2.1")).reply, ReplyKind::Ack);
}

TEST(Selecting, WithoutAnOfferIfFree) {
  World w(office());
  EXPECT_EQ(w.ask(selecting(1, "10.0.0.15")).why, "requested address is free");
}

TEST(Selecting, NakForWhatItCannotHave) {
  auto config = office(false);  // it chose us: it gets an answer all the same
  config->scopes[0].reservations = {reserve_mac("02c100000009", "10.0.0.19")};
  World w(config);
  w.lease(discover(1));
  w.ask(discover(2));
  EXPECT_EQ(w.ask(selecting(3, "10.0.0.10")).why, "bound to another client");
  EXPECT_EQ(w.ask(selecting(3, "10.0.0.11")).why, "offered to another client");
  EXPECT_EQ(w.ask(selecting(3, "10.0.0.19")).why, "reserved for another client");
  EXPECT_EQ(w.ask(selecting(3, "10.0.0.99")).why, "the address is in no range");
  const Answer a = w.ask(selecting(3, "10.0.1.10"));
  EXPECT_EQ(a.why, "wrong network");
  EXPECT_EQ(a.reply, ReplyKind::Nak);
  EXPECT_EQ(a.kind, Answer::Kind::Immediate);
  EXPECT_EQ(a.server_id, ip("10.0.0.1"));
  EXPECT_EQ(a.address, Ipv4{});
}

// ciaddr in SELECTING is ignored for addressing.
TEST(Selecting, CiaddrIsIgnored) {
  World w(office());
  w.ask(discover(1));
  EXPECT_EQ(w.ask(selecting(1, "10.0.0.10").ciaddr("10.0.1.10")).address, ip("10.0.0.10"));
}

TEST(Selecting, NoHoppingFromAddressToAddress) {
  World w(office());
  w.lease(discover(1));
  EXPECT_EQ(w.ask(selecting(1, "10.0.0.15")).why, "another address is bound to this client");
}

// --- INIT-REBOOT ---

TEST(InitReboot, KnownAndRight) {
  World w(office());
  w.lease(discover(1));
  w.time_s += 100;
  const Answer a = w.ask(reboot(1, "10.0.0.10"));
  EXPECT_EQ(a.reply, ReplyKind::Ack);
  EXPECT_TRUE(a.renewed);
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->start, w.time_s - 100);
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->expiry, w.time_s + 3600);
}

// "Server SHOULD send a DHCPNAK message to the client if the 'requested IP address' is incorrect,
// or is on the wrong network."
TEST(InitReboot, WrongNetwork) {
  World authoritative(office());
  EXPECT_EQ(authoritative.ask(reboot(1, "10.0.1.10")).reply, ReplyKind::Nak);
  EXPECT_EQ(authoritative.ask(reboot(1, "172.16.0.1")).why, "wrong network");
  World modest(office(false));
  EXPECT_EQ(modest.ask(reboot(1, "10.0.1.10")).drop, Drop::NotAuthoritative);
}

TEST(InitReboot, AnotherAddressThanItsOwn) {
  for (const bool authoritative : {true, false}) {
    World w(office(authoritative));
    w.lease(discover(1));
    const Answer a = w.ask(reboot(1, "10.0.0.11"));
    if (authoritative) {
      EXPECT_EQ(a.reply, ReplyKind::Nak);
      EXPECT_EQ(a.why, "another address is bound to this client");
    } else {
      EXPECT_EQ(a.drop, Drop::NotAuthoritative);
    }
  }
}

// "If the DHCP server has no record of this client, then it MUST remain silent".
TEST(InitReboot, UnknownClientGetsSilence) {
  World w(office());
  EXPECT_EQ(w.ask(reboot(1, "10.0.0.10")).drop, Drop::UnknownClient);
  w.lease(discover(2));
  EXPECT_EQ(w.ask(reboot(1, "10.0.0.10")).why, "bound to another client");
}

TEST(InitReboot, RememberedClientGetsItBack) {
  World w(office());
  w.lease(discover(1));
  w.ask(Ask(MessageType::Release).client(1).ciaddr("10.0.0.10"));
  const Answer a = w.ask(reboot(1, "10.0.0.10"));
  EXPECT_EQ(a.why, "previous binding");
  EXPECT_FALSE(a.renewed);
}

TEST(InitReboot, ReservedForAnotherDropsWhenNotAuthoritative) {
  auto config = office(false);
  config->scopes[0].reservations = {reserve_mac("02c100000009", "10.0.0.19")};
  World w(config);
  EXPECT_EQ(w.ask(reboot(1, "10.0.0.19")).drop, Drop::ReservedForAnother);
  EXPECT_EQ(w.ask(reboot(9, "10.0.0.19")).why, "reserved");
}

// --- RENEWING, REBINDING ---

// "The server SHOULD extend the lease".
TEST(Renewing, Extends) {
  World w(office());
  w.lease(discover(1).option_text(option::kHostName, "pc"));
  w.time_s += 1800;
  const Answer a = w.ask(renew(1, "10.0.0.10"));
  EXPECT_EQ(a.reply, ReplyKind::Ack);
  EXPECT_TRUE(a.renewed);
  EXPECT_EQ(a.hostname, "pc") << "a renewal without a name changes none";
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->start, w.time_s - 1800);
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->expiry, w.time_s + 3600);
  EXPECT_EQ(w.engine.lease_count(), 1u);
}

TEST(Renewing, RelayedClientRenewsDirectly) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1).giaddr("10.0.1.1").link(2)), ip("10.0.1.10"));
  const Answer a = w.ask(renew(1, "10.0.1.10").link(2));
  EXPECT_EQ(a.reply, ReplyKind::Ack);
  EXPECT_EQ(a.scope, "other");
  EXPECT_EQ(a.server_id, ip("192.0.2.1")) << "no address of ours in the scope: the link's first";
}

TEST(Rebinding, OnTheWrongNetwork) {
  World w(office());
  ASSERT_EQ(w.lease(discover(1).giaddr("10.0.1.1")), ip("10.0.1.10"));
  EXPECT_EQ(w.ask(rebind(1, "10.0.1.10")).why, "wrong network");
}

TEST(Rebinding, BoundToAnother) {
  World w(office());
  w.lease(discover(1));
  EXPECT_EQ(w.ask(rebind(2, "10.0.0.10")).why, "bound to another client");
  World modest(office(false));
  modest.lease(discover(1));
  EXPECT_EQ(modest.ask(rebind(2, "10.0.0.10")).drop, Drop::NotAuthoritative);
}

// The server lost its database; the client goes on.
TEST(Rebinding, UnknownClientOfAnAuthoritativeServer) {
  World w(office());
  EXPECT_EQ(w.ask(rebind(1, "10.0.0.15")).reply, ReplyKind::Ack);
  EXPECT_EQ(w.ask(rebind(2, "10.0.0.99")).why, "the address is in no range");
  World modest(office(false));
  EXPECT_EQ(modest.ask(rebind(1, "10.0.0.15")).drop, Drop::NotAuthoritative);
}

TEST(Renewing, MovesToAReservation) {
  auto config = office();
  World w(config);
  w.lease(discover(1));
  auto changed = office();
  changed->scopes[0].reservations = {reserve_mac("02c100000001", "10.0.0.200")};
  ASSERT_TRUE(w.engine.configure(changed, w.links).has_value());
  EXPECT_EQ(w.ask(renew(1, "10.0.0.10")).why, "another address is reserved for this client");
  ASSERT_EQ(w.lease(discover(1)), ip("10.0.0.200"));
  w.time_s += 1;
  EXPECT_EQ(w.expire(), 1u) << "the earlier binding ends";
  EXPECT_EQ(w.engine.find(ip("10.0.0.10"))->state, LeaseState::Expired);
  EXPECT_EQ(w.engine.find(ip("10.0.0.200"))->state, LeaseState::Active);
  EXPECT_EQ(w.ask(renew(1, "10.0.0.200")).reply, ReplyKind::Ack);
}

TEST(Renewing, RangeTakenAway) {
  World w(office());
  w.lease(discover(1));
  auto changed = office();
  changed->scopes[0].ranges = {range("10.0.0.100", "10.0.0.110")};
  ASSERT_TRUE(w.engine.configure(changed, w.links).has_value());
  EXPECT_EQ(w.ask(renew(1, "10.0.0.10")).why, "the address is in no range");
  EXPECT_EQ(w.ask(discover(1)).address, ip("10.0.0.100"));
}

// A reservation by circuit id was granted through the relay; the unicast renewal has no option 82.
TEST(Renewing, ReservedByCircuitWithoutOption82) {
  auto config = office();
  Reservation r;
  r.by = ReservationKey::CircuitId;
  r.key = {'p', '7'};
  r.address = ip("10.0.0.77");
  config->scopes[0].reservations = {r};
  World w(config);
  const std::vector<uint8_t> info = {1, 2, 'p', '7'};
  ASSERT_EQ(w.lease(discover(1).option(option::kRelayAgentInfo, info)), ip("10.0.0.77"));
  const Answer a = w.ask(renew(1, "10.0.0.77"));
  EXPECT_EQ(a.reply, ReplyKind::Ack);
  EXPECT_EQ(a.relay_info, info);
  EXPECT_EQ(a.reservation, &config->scopes[0].reservations[0]);
  EXPECT_EQ(w.ask(rebind(2, "10.0.0.77")).why, "reserved for another client");
}

TEST(Request, WithoutAnyAddress) {
  World w(office());
  EXPECT_EQ(w.ask(request(1)).drop, Drop::NoRequestedAddress);
  EXPECT_EQ(w.ask(request(1).server("10.0.0.1")).drop, Drop::NoRequestedAddress);
}

}  // namespace
}  // namespace hookline::lease
