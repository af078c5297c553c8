// DECLINE, RELEASE, INFORM (RFC 2131 4.3.3 to 4.3.5), and which scope a message means.
#include <gtest/gtest.h>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

std::shared_ptr<Config> office() {
  return make_config({make_scope("office", "10.0.0.0/24", {range("10.0.0.10", "10.0.0.250")}),
                      make_scope("far", "10.0.1.0/24", {range("10.0.1.10", "10.0.1.20")})});
}

Ask discover(uint32_t client) { return Ask(MessageType::Discover).client(client); }
Ask decline(uint32_t client, Ipv4 address) {
  return Ask(MessageType::Decline).client(client).requested(address).server("10.0.0.1");
}
Ask release(uint32_t client, std::string_view address) {
  return Ask(MessageType::Release).client(client).ciaddr(address).to("10.0.0.1");
}

// 4.3.3: "the server MUST mark the network address as not available".
TEST(Decline, QuarantinesForATime) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  const Answer d = w.ask(decline(1, a));
  EXPECT_EQ(d.kind, Answer::Kind::Durable);
  EXPECT_EQ(d.reply, ReplyKind::None);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Declined);
  EXPECT_EQ(w.engine.find(a)->expiry, w.time_s + 3600);
  EXPECT_EQ(w.engine.use(0).declined, 1u);
  EXPECT_NE(w.lease(discover(1)), a);
  EXPECT_EQ(w.ask(Ask(MessageType::Request).client(3).requested(a).server("10.0.0.1")).why,
            "the address is in quarantine");
  w.time_s += 3601;
  w.expire();
  EXPECT_FALSE(w.engine.find(a).has_value());
  EXPECT_EQ(w.engine.use(0).declined, 0u);
  EXPECT_EQ(w.ask(discover(3).requested(a)).address, a);
}

TEST(Decline, ByNobodyButItsClient) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  EXPECT_EQ(w.ask(decline(2, a)).drop, Drop::NotTheBindingsClient);
  EXPECT_EQ(w.ask(decline(2, ip("10.0.0.99"))).drop, Drop::NotTheBindingsClient);
  EXPECT_EQ(w.ask(decline(2, ip("172.16.0.1"))).drop, Drop::NotTheBindingsClient);
  EXPECT_EQ(w.ask(Ask(MessageType::Decline).client(1)).drop, Drop::NoRequestedAddress);
  Ask elsewhere = Ask(MessageType::Decline).client(1).requested(a).server("10.0.0.7");
  EXPECT_EQ(w.ask(elsewhere).drop, Drop::WrongServer);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Active);
}

TEST(Decline, OfAnOffer) {
  World w(office());
  const Ipv4 a = w.ask(discover(1)).address;
  EXPECT_EQ(w.ask(decline(1, a)).kind, Answer::Kind::Durable);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Declined);
  EXPECT_EQ(w.engine.offer_count(), 0u);
}

// kDeclinesPerSourceMax: one port can't empty a scope.
TEST(Decline, LimitForARelayOrPort) {
  World w(office());
  const auto lease_and_decline = [&](uint32_t client, uint32_t ifindex) {
    const Ipv4 a = w.lease(discover(client).giaddr("10.0.0.2").link(ifindex));
    return w.ask(decline(client, a).giaddr("10.0.0.2").link(ifindex));
  };
  for (uint32_t c = 0; c < kDeclinesPerSourceMax; ++c) {
    ASSERT_EQ(lease_and_decline(c, 1).kind, Answer::Kind::Durable);
  }
  EXPECT_EQ(lease_and_decline(1000, 1).drop, Drop::DeclineLimit);
  EXPECT_EQ(lease_and_decline(1001, 2).kind, Answer::Kind::Durable) << "another port";
  w.time_s += 3601;
  w.expire();
  EXPECT_EQ(lease_and_decline(1002, 1).kind, Answer::Kind::Durable);
}

TEST(Decline, ThatWasNotCommittedDoesNotCount) {
  World w(office());
  for (uint32_t c = 0; c < 2 * kDeclinesPerSourceMax; ++c) {
    const Ipv4 a = w.lease(discover(1));
    ASSERT_EQ(w.propose(decline(1, a)).kind, Answer::Kind::Durable);
    w.fail_commit();
    ASSERT_EQ(w.engine.find(a)->state, LeaseState::Active);
  }
}

// 4.3.4: "the server marks the network address as not allocated … SHOULD retain a record of the
// client's initialization parameters for possible reuse".
TEST(Release, RemembersTheClient) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  const Answer r = w.ask(release(1, a.text()));  // no server identifier: honoured
  EXPECT_EQ(r.kind, Answer::Kind::Durable);
  EXPECT_EQ(r.reply, ReplyKind::None);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Released);
  EXPECT_EQ(w.engine.use(0).released, 1u);
  EXPECT_EQ(w.engine.next_expiry() == 0 || w.engine.next_expiry() > w.time_s, true);
  EXPECT_EQ(w.ask(discover(1)).address, a);
}

TEST(Release, SomebodyElsesChangesNothing) {
  World w(office());
  const Ipv4 a = w.lease(discover(1));
  EXPECT_EQ(w.ask(release(2, a.text())).drop, Drop::NotTheBindingsClient);
  EXPECT_EQ(w.ask(release(1, "10.0.0.99")).drop, Drop::NotTheBindingsClient);
  EXPECT_EQ(w.ask(release(1, a.text()).server("10.0.0.9")).drop, Drop::WrongServer);
  EXPECT_EQ(w.ask(Ask(MessageType::Release).client(1)).drop, Drop::NoRequestedAddress);
  EXPECT_EQ(w.engine.find(a)->state, LeaseState::Active);
}

TEST(Release, OfARelayedClientDirectly) {
  World w(office());
  const Ipv4 a = w.lease(discover(1).giaddr("10.0.1.1"));
  EXPECT_EQ(w.ask(release(1, a.text()).link(2)).kind, Answer::Kind::Durable);
}

// 4.3.5: no lease is checked or given.
TEST(Inform, ParametersOfTheScope) {
  World w(office());
  Answer a = w.ask(Ask(MessageType::Inform).ciaddr("10.0.0.99"));
  EXPECT_EQ(a.kind, Answer::Kind::Immediate);
  EXPECT_EQ(a.reply, ReplyKind::InformAck);
  EXPECT_EQ(a.address, Ipv4{});
  EXPECT_EQ(a.lease_s, 0u);
  EXPECT_EQ(a.server_id, ip("10.0.0.1"));
  EXPECT_EQ(a.scope, "office");
  EXPECT_EQ(w.ask(Ask(MessageType::Inform).ciaddr("10.0.1.99")).scope, "far");
  EXPECT_EQ(w.engine.lease_count(), 0u);
}

// --- scope selection ---

TEST(ScopeSelection, NoScopes) {
  World w(make_config({}));
  EXPECT_EQ(w.ask(discover(1)).drop, Drop::NoScopes);
}

TEST(ScopeSelection, NoneMatches) {
  World w(office());
  EXPECT_EQ(w.ask(discover(1).link(2)).drop, Drop::NoScopeMatches);
  EXPECT_EQ(w.ask(discover(1).giaddr("172.16.0.1")).drop, Drop::NoScopeMatches);
  EXPECT_EQ(w.ask(discover(1).link(9)).drop, Drop::NoScopeMatches);
}

TEST(ScopeSelection, GiaddrInTheSubnetOrListed) {
  auto config = office();
  config->scopes[1].relays = {ip("198.51.100.1")};
  World w(config);
  EXPECT_EQ(w.ask(discover(1).giaddr("10.0.1.1")).scope, "far");
  EXPECT_EQ(w.ask(discover(2).giaddr("198.51.100.1")).scope, "far");
}

// RFC 3527: the link selection sub-option says the link, giaddr only where to answer.
// RFC 3011: the subnet selection option; where both are, the sub-option counts.
TEST(ScopeSelection, LinkAndSubnetSelection) {
  World w(office());
  const std::vector<uint8_t> link = {5, 4, 10, 0, 1, 0};
  EXPECT_EQ(w.ask(discover(1).giaddr("10.0.0.2").option(option::kRelayAgentInfo, link)).scope,
            "far");
  EXPECT_EQ(w.ask(discover(2).option(option::kSubnetSelection, ip("10.0.1.0"))).scope, "far");
  EXPECT_EQ(w.ask(discover(3).option(option::kSubnetSelection, ip("172.16.0.0"))).drop,
            Drop::NoScopeMatches);
  EXPECT_EQ(w.ask(discover(4)
                      .option(option::kSubnetSelection, ip("10.0.0.0"))
                      .option(option::kRelayAgentInfo, link))
                .scope,
            "far");
}

// RFC 5107: the relay's address is the server identifier.
TEST(ScopeSelection, ServerIdentifierOverride) {
  World w(office());
  const std::vector<uint8_t> info = {11, 4, 10, 0, 1, 1};
  Ask d = discover(1).giaddr("10.0.1.1").option(option::kRelayAgentInfo, info);
  EXPECT_EQ(w.ask(d).server_id, ip("10.0.1.1"));
  EXPECT_EQ(w.lease(d), ip("10.0.1.10")) << "and it is us in a REQUEST";
}

TEST(ScopeSelection, ByInterfaceName) {
  auto config = office();
  config->scopes[1].interface = "eth1";
  World w(config);
  const Answer a = w.ask(discover(1).link(2));
  EXPECT_EQ(a.scope, "far");
  EXPECT_EQ(a.server_id, ip("192.0.2.1"));
  config = office();
  config->scopes[0].interface = "eth1";
  World other(config);
  EXPECT_EQ(other.ask(discover(1).link(1)).drop, Drop::NoScopeMatches)
      << "eth0's address lies in it, but it is eth1's";
}

TEST(ScopeSelection, LinksChange) {
  World w(office());
  EXPECT_EQ(w.ask(discover(1).link(2)).drop, Drop::NoScopeMatches);
  w.links.links[1] = make_link(2, "eth1", "10.0.1.1", "10.0.1.0/24");
  w.engine.links_changed(w.links);
  EXPECT_EQ(w.ask(discover(1).link(2)).scope, "far");
}

}  // namespace
}  // namespace hookline::lease
