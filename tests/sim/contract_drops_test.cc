// Each of the twelve control codes of DhcpPktDropHook, from a real condition.
#include "scripted_house.h"

namespace hookline::sim {
namespace {

const Ipv4 kFirst{0x0A4D0064};  // 10.77.0.100

Hooks dropped_as(const std::string& code) {
  return {"NewPkt", "Options", "Drop " + code, "Drop PROCESSED"};
}
Hooks dropped_early(const std::string& code) {
  return {"NewPkt", "Drop " + code, "Drop PROCESSED"};
}

// The second copy comes while the first has not ended.
TEST(ContractDrops, Duplicate) {
  ScriptedHouse house;
  house.mark();
  house.say(client_of(1), kDiscoverMessage);
  house.say(client_of(1), kDiscoverMessage);
  house.run();
  EXPECT_EQ(house.hooks(), (Hooks{"NewPkt", "NewPkt", "Drop DUPLICATE", "Drop PROCESSED", "Options",
                                  "Send", "Drop PROCESSED"}));
}

// The table of packets that wait for a probe is full.
TEST(ContractDrops, NoMemory) {
  Random random{1};
  SimProbe probe(random);
  const std::string config = R"(
[server]
interfaces = ["eth0"]
[leases]
conflict-detection = true
[[scope]]
id = "wide"
subnet = "10.77.0.0/16"
ranges = ["10.77.1.0-10.77.100.255"]
)";
  ScriptedHouse house(config.c_str(), 1, &probe);
  for (uint32_t n = 0; n < kParkedMax; ++n) house.say(client_of(n), kDiscoverMessage);
  while (house.wire.arriving() != 0) house.core->turn();
  EXPECT_EQ(house.after(client_of(9999), kDiscoverMessage), dropped_as("NOMEM"));
}

TEST(ContractDrops, InternalError) {
  ScriptedHouse house;
  house.disk.fail_after(0);
  EXPECT_EQ(house.after(client_of(1), rapid()), dropped_as("INTERNAL_ERROR"));
  // The journal has failed for good: not even an OFFER is worth making.
  EXPECT_EQ(house.after(client_of(2), kDiscoverMessage), dropped_as("INTERNAL_ERROR"));
}

// It waited for a probe longer than max-packet-age allows.
TEST(ContractDrops, Timeout) {
  Random random{1};
  SimProbe probe(random);
  const std::string config = std::string(kOffice) + "conflict-detection = true\n";
  ScriptedHouse house(config.c_str(), 1, &probe);
  house.mark();
  house.say(client_of(1), kDiscoverMessage);
  house.core->turn();
  house.pass(6);
  house.run();
  EXPECT_EQ(house.hooks(), dropped_as("TIMEOUT"));
  EXPECT_EQ(house.dropped(Drop::TooOld), 1u);
}

TEST(ContractDrops, Unauthorized) {
  ScriptedHouse house;
  house.core->gate().authorized = false;
  EXPECT_EQ(house.after(client_of(1), kDiscoverMessage), dropped_early("UNAUTH"));
}

TEST(ContractDrops, Paused) {
  ScriptedHouse house;
  house.core->gate().paused = true;
  house.run();
  EXPECT_EQ(house.after(client_of(1), kDiscoverMessage), dropped_early("PAUSED"));
}

TEST(ContractDrops, NoSubnets) {
  ScriptedHouse house;
  Client relayed = client_of(1);
  relayed.relayed = true;  // behind a relay that no scope matches
  EXPECT_EQ(house.after(relayed, kDiscoverMessage), dropped_as("NO_SUBNETS"));
  ScriptedHouse empty("[server]\ninterfaces = [\"eth0\"]\n");
  EXPECT_EQ(empty.after(client_of(1), kDiscoverMessage), dropped_as("NO_SUBNETS"));
}

TEST(ContractDrops, Invalid) {
  ScriptedHouse house;
  // Malformed: never decoded.
  std::vector<uint8_t> payload = message(client_of(1), kDiscoverMessage);
  payload[0] = 2;
  house.wire.client_sends(make_frame(client_of(1), payload, false));
  payload.resize(100);
  house.wire.client_sends(make_frame(client_of(1), payload, false));
  house.run();
  EXPECT_EQ(house.hooks(), (Hooks{"NewPkt", "NewPkt", "Drop INVALID", "Drop PROCESSED",
                                  "Drop INVALID", "Drop PROCESSED"}));
  // Well-formed, but no client may say that.
  EXPECT_EQ(house.after(client_of(1), typed(3)), dropped_as("INVALID"));
  EXPECT_EQ(house.after(client_of(1), typed(2)), dropped_early("INVALID"));
}

TEST(ContractDrops, WrongServer) {
  ScriptedHouse house;
  house.after(client_of(1), kDiscoverMessage);
  EXPECT_EQ(house.after(client_of(1), select(kFirst, Ipv4{0x0A4D00FE})),
            dropped_as("WRONG_SERVER"));
}

TEST(ContractDrops, NoAddress) {
  ScriptedHouse house;
  for (uint32_t n = 1; n <= 4; ++n) ASSERT_TRUE(house.bind(client_of(n)));
  EXPECT_EQ(house.after(client_of(5), kDiscoverMessage), dropped_as("NOADDRESS"));
}

TEST(ContractDrops, GenFailure) {
  ScriptedHouse house;
  script(0).new_packet = [](LPBYTE*, DWORD*, LPVOID*, LPBOOL process_it) { *process_it = FALSE; };
  EXPECT_EQ(house.after(client_of(1), kDiscoverMessage), dropped_early("GEN_FAILURE"));
  // Anything else: here, the server stops while a packet waits for a probe.
  Random random{1};
  SimProbe probe(random);
  const std::string config = std::string(kOffice) + "conflict-detection = true\n";
  ScriptedHouse stopping(config.c_str(), 1, &probe);
  stopping.mark();
  stopping.say(client_of(1), kDiscoverMessage);
  stopping.core->turn();
  stopping.stop();
  EXPECT_EQ(stopping.hooks(),
            (Hooks{"NewPkt", "Options", "Drop GEN_FAILURE", "Drop PROCESSED", "Control STOP"}));
}

// A reply that was announced and then did not leave is no drop any more.
TEST(ContractDrops, NoReasonAfterSend) {
  ScriptedHouse house;
  house.wire.set_queue_full(true);
  EXPECT_EQ(house.after(client_of(1), kDiscoverMessage), (Hooks{"NewPkt", "Options", "Send"}));
  house.pass(1);
  house.run();
  EXPECT_EQ(house.hooks(), Hooks{"Drop PROCESSED"});
  EXPECT_EQ(house.core->counters().send_failures.value(), 1u);
}

// No hooks for what never was a packet of this server's.
TEST(ContractDrops, FrameDropsHaveNoHooks) {
  ScriptedHouse house;
  std::vector<uint8_t> frame =
      make_frame(client_of(1), message(client_of(1), kDiscoverMessage), false);
  frame[37] = 99;  // another port
  house.mark();
  house.wire.client_sends(frame);
  house.run();
  EXPECT_EQ(house.hooks(), Hooks{});
  EXPECT_EQ(house.dropped(Drop::NotForUs), 1u);
}

}  // namespace
}  // namespace hookline::sim
