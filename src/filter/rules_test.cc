// What [[filter.rule]] does to traffic.
#include "filter/rules.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "filter/engine.h"
#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::Datagram;
using testing::EngineTest;

class RulesTest : public EngineTest {
 protected:
  void use(std::vector<FilterRule> rules) { engine.set_rules(make_rules(rules, links, 1)); }
  RulesTest() {
    links.links.resize(2);
    links.links[0].ifindex = 3;
    links.links[0].name = "eth0";
    links.links[1].ifindex = 4;
    links.links[1].name = "eth1";
  }
  io::LinkTable links;
};

FilterRule rule(std::string layer, RuleAction action = RuleAction::Block) {
  FilterRule out;
  out.layer = std::move(layer);
  out.action = action;
  return out;
}

TEST_F(RulesTest, ABlockWithoutConditionsBlocksAll) {
  use({rule("INBOUND_MAC_FRAME_ETHERNET")});
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Block);
  use({});
  EXPECT_EQ(run(datagram), Verdict::Permit);
}

TEST_F(RulesTest, ByHardwareAddress) {
  FilterRule only = rule("INBOUND_MAC_FRAME_ETHERNET");
  only.when = {{"MAC_REMOTE_ADDRESS", {{0x020000000008, 0x020000000009}}, {}}};
  use({only});
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Block);
  datagram.traffic.remote_mac.octets[5] = 10;
  EXPECT_EQ(run(datagram), Verdict::Permit);
}

TEST_F(RulesTest, ByInterfaceName) {
  FilterRule only = rule("INBOUND_TRANSPORT_V4");
  only.when = {{"INTERFACE_INDEX", {}, {"eth1", "gone"}}};
  use({only});
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Permit);
  datagram.traffic.ifindex = 4;
  EXPECT_EQ(run(datagram), Verdict::Block);
  EXPECT_EQ(engine.report().filters[0].name, "rule 1");
}

TEST_F(RulesTest, TheHeavierRuleIsAskedFirst) {
  FilterRule permit = rule("INBOUND_TRANSPORT_V4", RuleAction::Permit);
  permit.when = {{"IP_REMOTE_ADDRESS", {{0x0A000000, 0x0A0000FF}}, {}}};
  permit.weight = 15;
  use({rule("INBOUND_TRANSPORT_V4"), permit});
  Datagram datagram;
  EXPECT_EQ(run(datagram), Verdict::Permit);
  datagram.traffic.remote = Ipv4{0x0B000001};
  EXPECT_EQ(run(datagram), Verdict::Block);
}

TEST_F(RulesTest, ALimitForEachHardwareAddress) {
  FilterRule limit = rule("INBOUND_MAC_FRAME_ETHERNET", RuleAction::Limit);
  limit.interval_ns = 1'000'000;
  limit.burst = 2;
  limit.per = LimitPer::Mac;
  use({limit});
  Datagram one;
  Datagram other;
  other.traffic.remote_mac.octets[5] = 77;
  EXPECT_EQ(run(one), Verdict::Permit);
  EXPECT_EQ(run(one), Verdict::Permit);
  EXPECT_EQ(run(one), Verdict::Block);
  EXPECT_EQ(run(other), Verdict::Permit);
  one.traffic.now_ns = 1'000'000;
  EXPECT_EQ(run(one), Verdict::Permit);
  const Report report = engine.report();
  EXPECT_EQ(report.filters[0].action, "limit");
  EXPECT_EQ(report.filters[0].blocked, 1u);
}

TEST_F(RulesTest, ALimitForEachRelayAndInterface) {
  for (const LimitPer per : {LimitPer::Relay, LimitPer::Interface, LimitPer::Rule}) {
    FilterRule limit = rule("DATAGRAM_DATA_V4", RuleAction::Limit);
    limit.interval_ns = 1'000'000;
    limit.per = per;
    use({limit});
    Datagram datagram;
    EXPECT_EQ(run(datagram), Verdict::Permit);
    EXPECT_EQ(run(datagram), Verdict::Block);
    datagram.traffic.relay = Ipv4{1};
    EXPECT_EQ(run(datagram), per == LimitPer::Relay ? Verdict::Permit : Verdict::Block);
    datagram.traffic.ifindex = 4;
    EXPECT_EQ(run(datagram), per == LimitPer::Interface ? Verdict::Permit : Verdict::Block);
  }
}

TEST_F(RulesTest, MoreSendersThanALimitRemembers) {
  FilterRule limit = rule("INBOUND_MAC_FRAME_ETHERNET", RuleAction::Limit);
  limit.interval_ns = 1'000'000'000;
  limit.per = LimitPer::Mac;
  use({limit});
  Datagram datagram;
  for (uint32_t i = 0; i < 2 * kRateBucketsMax; ++i) {
    std::memcpy(datagram.traffic.remote_mac.octets.data(), &i, 4);
    EXPECT_EQ(run(datagram), Verdict::Permit);
  }
  EXPECT_GT(engine.report().filters[0].forgotten, kRateBucketsMax / 2);
}

TEST_F(RulesTest, NoSessionCanDeleteARule) {
  use({rule("DATAGRAM_DATA_V4")});
  EXPECT_EQ(engine.FwpmFilterDeleteById0(session, engine.report().filters[0].id),
            STATUS_FWP_FILTER_NOT_FOUND);
  EXPECT_EQ(engine.FwpmSubLayerDeleteByKey0(session, &kRulesSubLayer), STATUS_FWP_BUILTIN_OBJECT);
}

TEST_F(RulesTest, EveryFieldOfEveryClassifiedLayerCanBeAskedFor) {
  for (const Direction direction : {Direction::Inbound, Direction::Outbound}) {
    for (const Depth depth : {Depth::Mac, Depth::Network, Depth::Transport, Depth::Datagram}) {
      const Layer& layer = layers()[size_t(layer_at(direction, depth))];
      FilterRule all = rule(std::string(layer.name));
      for (const std::string_view field : layer.fields) {
        all.when.push_back({std::string(field), {{0, ~uint64_t{0}}}, {}});
      }
      use({all});
      Datagram datagram(direction);
      EXPECT_EQ(run(datagram), Verdict::Block) << layer.name;
    }
  }
}

}  // namespace
}  // namespace hookline::filter
