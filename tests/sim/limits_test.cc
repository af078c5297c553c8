// Bounds of base/limits.h that only a whole server reaches: at the bound all is well, beyond it
// something waits or is dropped with its reason, and nothing is lost.
#include <gtest/gtest.h>

#include "house.h"

namespace hookline::sim {
namespace {

constexpr const char* kWide = R"(
[server]
interfaces = ["eth0"]
[leases]
default-time = "10m"
min-time = "1m"
offer-hold = "60s"
[[scope]]
id = "wide"
subnet = "10.77.0.0/16"
ranges = ["10.77.1.0-10.77.100.255"]
[[scope]]
id = "relayed"
subnet = "10.99.0.0/24"
ranges = ["10.99.0.10-10.99.0.69"]
)";

const Options kDiscover = {{option::kMessageType, {1}}};

// Replies wait for an interface whose queue is full, each in its slot, until no slot is left. Then
// nothing more is taken from the wire.
TEST(Limits, AllSlotsOfTheWireAreTaken) {
  constexpr uint32_t kMore = 300;
  constexpr size_t kOfTheWire = kPacketsMax - kPacketsMax / receive::Receiver::kInjectedShare;
  House house(kWide);
  house.wire.set_queue_full(true);
  for (uint32_t n = 0; n < kPacketsMax + kMore; ++n) house.say(client_of(n), kDiscover);
  for (size_t i = 0; i < kPacketsMax / kTurnPacketsMax + 3; ++i) house.core->turn();
  EXPECT_EQ(house.core->packets_in_flight(), kOfTheWire);
  EXPECT_EQ(house.wire.arriving(), kPacketsMax + kMore - kOfTheWire);
  EXPECT_TRUE(house.replies().empty());

  house.wire.set_queue_full(false);
  house.run();
  EXPECT_EQ(house.core->packets_in_flight(), 0u);
  const auto replies = house.replies();
  EXPECT_EQ(replies.size(), kPacketsMax + kMore);
  for (const load::Reply& reply : replies) EXPECT_EQ(reply.type, load::MessageType::Offer);
  EXPECT_EQ(house.core->counters().packets_completed.value(), kPacketsMax + kMore);
}

// A mass expiry goes in slices, one a turn, beside what clients ask for in the same turns.
TEST(Limits, AMassExpiryGoesInSlices) {
  constexpr uint32_t kLeases = 2 * kExpiriesPerTurnMax + 10;
  House house(kWide);
  for (uint32_t n = 0; n < kLeases; ++n) house.say(client_of(n), rapid());
  house.run();
  ASSERT_EQ(house.replies().size(), kLeases);
  house.pass(601);
  const Counters& counters = house.core->counters();
  uint64_t expired = 0;
  for (uint32_t left : {kExpiriesPerTurnMax + 10, size_t{10}, size_t{0}, size_t{0}}) {
    house.say(client_of(100'000 + left), kDiscover);
    house.core->turn();
    EXPECT_EQ(counters.leases_expired.value(), kLeases - left);
    EXPECT_LE(counters.leases_expired.value() - expired, kExpiriesPerTurnMax);
    expired = counters.leases_expired.value();
    EXPECT_EQ(house.replies().size(), 1u) << left << " leases still have to go";
  }
}

struct Longest {
  std::vector<uint8_t> client_id, hostname, relay_info;
};

Longest longest(size_t more = 0) {
  Longest l{std::vector<uint8_t>(kClientIdBytesMax + more, 'i'),
            std::vector<uint8_t>(kHostnameBytesMax + more, 'h'),
            std::vector<uint8_t>(kRelayInfoBytesMax, 'r')};
  l.relay_info[0] = 1;  // circuit id (RFC 3046)
  l.relay_info[1] = static_cast<uint8_t>(kRelayInfoBytesMax - 2);
  return l;
}

Client relayed_client() {
  Client client = client_of(1);
  client.relayed = true;
  return client;
}

Options said(const Longest& l) {
  return rapid({{option::kMaxMessageSize, {0x05, 0xC0}},
                {option::kClientIdentifier, l.client_id},
                {option::kHostName, l.hostname},
                {option::kRelayAgentInfo, l.relay_info}});
}

// They go onto the disk, come back from it, and come back to the client and its relay.
TEST(Limits, TheLongestIdentifiersAndNames) {
  House house(kWide);
  const Longest l = longest();
  house.say(relayed_client(), said(l));
  house.run();
  const auto replies = house.replies();
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies[0].type, load::MessageType::Ack);
  EXPECT_TRUE(equal(replies[0].client_id, l.client_id));
  EXPECT_TRUE(equal(replies[0].relay_info, l.relay_info));
  const Ipv4 address = replies[0].yiaddr;

  house.power_cut();
  const auto record = house.core->engine().find(address);
  ASSERT_TRUE(record);
  EXPECT_TRUE(equal(record->client_id, l.client_id));
  EXPECT_TRUE(equal(record->hostname, l.hostname));
  EXPECT_TRUE(equal(record->relay_info, l.relay_info));
}

// Identity has to be whole: a longer identifier is no identity. A name may be cut.
TEST(Limits, LongerThanTheLongest) {
  House house(kWide);
  Longest l = longest(1);
  house.say(relayed_client(), said(l));
  house.run();
  EXPECT_TRUE(house.replies().empty());
  EXPECT_EQ(house.dropped(Drop::NoClientIdentity), 1u);

  l.client_id.resize(kClientIdBytesMax);
  house.say(relayed_client(), said(l));
  house.run();
  const auto replies = house.replies();
  ASSERT_EQ(replies.size(), 1u);
  const auto record = house.core->engine().find(replies[0].yiaddr);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->hostname.size(), kHostnameBytesMax);
}

}  // namespace
}  // namespace hookline::sim
