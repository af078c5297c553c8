#include "config/filter_config.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "config/schema.h"
#include "config/testing.h"

namespace hookline::config {
namespace {

const std::string kRule = kScope + "[[filter.rule]]\n";  // what follows starts on line 7

FilterRule rule_of(const std::string& text) {
  const auto config = config_of(kRule + text);
  EXPECT_EQ(config->filter.rules.size(), 1u);
  return config->filter.rules.empty() ? FilterRule{} : config->filter.rules[0];
}

std::vector<std::string> faults(const std::string& text) { return problems_of(kRule + text); }
using Faults = std::vector<std::string>;

TEST(FilterConfig, ALimitInTwoLines) {
  const FilterRule rule = rule_of("action = \"limit\"\nrate = \"10/s\"\n");
  EXPECT_EQ(rule.layer, "INBOUND_TRANSPORT_V4");
  EXPECT_EQ(rule.action, RuleAction::Limit);
  EXPECT_EQ(rule.interval_ns, 100'000'000);
  EXPECT_EQ(rule.burst, 10u);
  EXPECT_EQ(rule.per, LimitPer::Rule);
}

TEST(FilterConfig, EverythingOfARule) {
  const FilterRule rule = rule_of(
      "layer = \"outbound-mac\"\naction = \"limit\"\nrate = \"90/m\"\nburst = 3\nper = \"mac\"\n"
      "weight = 15\nwhen = { interface = [\"eth0\", \"eth1\"], remote-mac = [\"02:00\", "
      "\"02:00:00:00:00:07\"], vlan = 42, ether-type = \"0x0800\" }\n");
  EXPECT_EQ(rule.layer, "OUTBOUND_MAC_FRAME_ETHERNET");
  EXPECT_EQ(rule.interval_ns, 60 * kNsPerSecond / 90);
  EXPECT_EQ(rule.burst, 3u);
  EXPECT_EQ(rule.per, LimitPer::Mac);
  EXPECT_EQ(rule.weight, 15);
  EXPECT_EQ(rule.when, (std::vector<RuleCondition>{
                           {"INTERFACE_INDEX", {}, {"eth0", "eth1"}},
                           {"MAC_REMOTE_ADDRESS",
                            {{0x020000000000, 0x0200FFFFFFFF}, {0x020000000007, 0x020000000007}},
                            {}},
                           {"ETHER_TYPE", {{0x0800, 0x0800}}, {}},
                           {"VLAN_ID", {{42, 42}}, {}}}));
}

TEST(FilterConfig, AddressesPortsAndDirections) {
  const FilterRule rule = rule_of(
      "action = \"block\"\nlayer = \"datagram\"\n[filter.rule.when]\n"
      "remote-address = [\"10.0.0.0/8\", \"192.0.2.1\", \"192.0.2.5-192.0.2.9\"]\n"
      "remote-port = [68, \"1024-65535\"]\nprotocol = 17\ndirection = \"outbound\"\n");
  EXPECT_EQ(rule.when,
            (std::vector<RuleCondition>{
                {"IP_REMOTE_ADDRESS",
                 {{0x0A000000, 0x0AFFFFFF}, {0xC0000201, 0xC0000201}, {0xC0000205, 0xC0000209}},
                 {}},
                {"IP_REMOTE_PORT", {{68, 68}, {1024, 65535}}, {}},
                {"IP_PROTOCOL", {{17, 17}}, {}},
                {"DIRECTION", {{0, 0}}, {}}}));
}

TEST(FilterConfig, WithoutALayerTheKeysDecide) {
  EXPECT_EQ(rule_of("action = \"block\"\nwhen = { remote-mac = \"02:00:00:00:00:07\" }\n").layer,
            "INBOUND_MAC_FRAME_ETHERNET");
  EXPECT_EQ(rule_of("action = \"permit\"\nwhen = { remote-port = 68 }\n").layer,
            "INBOUND_TRANSPORT_V4");
}

TEST(FilterConfig, Rates) {
  EXPECT_EQ(parse_rate("50/h")->interval_ns, 72 * kNsPerSecond);
  for (const char* bad : {"", "10", "/s", "0/s", "10/d", "1.5/s", "1000001/s", "-1/s", "10/"}) {
    EXPECT_FALSE(parse_rate(bad)) << bad;
  }
}

TEST(FilterConfig, Faults) {
  EXPECT_EQ(faults(""), (Faults{"error f:6:1: [[filter.rule]] has no \"action\": expected a text, "
                                "such as \"limit\""}));
  EXPECT_EQ(faults("action = \"blok\"\n"),
            (Faults{"error f:7:10: action: unknown \"blok\"; did you mean \"block\"?"}));
  EXPECT_EQ(faults("action = \"block\"\nrate = \"1/s\"\n"),
            (Faults{"error f:8:1: rate: goes with action = \"limit\""}));
  EXPECT_EQ(faults("action = \"limit\"\n"),
            (Faults{"error f:6:1: [[filter.rule]] has no \"rate\": expected a text, such as "
                    "\"10/s\""}));
  EXPECT_EQ(faults("action = \"limit\"\nrate = \"many\"\n"),
            (Faults{"error f:8:8: rate: expected 1 to 1000000 a second, minute or hour, such as "
                    "\"10/s\"; found \"many\""}));
  EXPECT_EQ(faults("action = \"block\"\nlayer = \"datagram\"\nwhen = { vlan = 1 }\n"),
            (Faults{"error f:9:10: vlan: not known at the layer \"datagram\""}));
  EXPECT_EQ(faults("action = \"block\"\nwhen = { remote-port = 70000 }\n"),
            (Faults{"error f:8:24: remote-port: expected a value such as 68; found \"70000\""}));
  EXPECT_EQ(faults("action = \"block\"\nwhen = { port = 68 }\n"),
            (Faults{"error f:8:10: unknown key \"port\" in [filter.rule.when]; here it is "
                    "\"remote-port\""}));
  EXPECT_EQ(faults("action = \"block\"\nwhen = { remote-port = [] }\n"),
            (Faults{"error f:8:24: remote-port: expected at least one, such as 68"}));
  EXPECT_EQ(faults("action = \"block\"\nweight = 16\n"),
            (Faults{"error f:8:10: weight: expected 0 to 15, found 16"}));
}

TEST(FilterConfig, Drivers) {
  const auto config = config_of(kScope +
                                "[filter]\ncompletion = \"inline\"\n[[filter.driver]]\n"
                                "path = \"delay.so\"\nrequired = false\n"
                                "[filter.driver.parameters]\nDelayMs = 20\nName = \"x\"\n");
  EXPECT_TRUE(config->filter.inline_completion);
  ASSERT_EQ(config->filter.drivers.size(), 1u);
  const FilterDriver& driver = config->filter.drivers[0];
  EXPECT_EQ(driver.path, "delay.so");
  EXPECT_EQ(driver.name, "delay");
  EXPECT_FALSE(driver.required);
  EXPECT_EQ(driver.parameters,
            (std::vector<DriverParameter>{{"DelayMs", true, 20, ""}, {"Name", false, 0, "x"}}));
  EXPECT_FALSE(config->filter.dir.empty());
  EXPECT_EQ(problems_of(kScope + "[[filter.driver]]\npath = \"a\"\nparameters = { x = true }\n"),
            (Faults{"error f:8:20: x: expected a text or a number from 0 to 4294967295; found "
                    "true"}));
}

TEST(FilterConfig, EveryExampleIsAValue) {
  std::string text = kScope + "[filter]\n";
  const auto put = [&](Section section) {
    for (const Key& key : schema()) {
      if (key.section == section && !key.example.empty()) {
        text += std::string(key.name) + " = " + std::string(key.example) + "\n";
      }
    }
  };
  put(Section::Filter);
  text += "[[filter.rule]]\n";
  put(Section::FilterRule);
  text += "[[filter.driver]]\n";
  put(Section::FilterDriver);
  EXPECT_EQ(problems_of(text), Faults{}) << text;
  for (const Key& key : schema()) {
    if (key.section != Section::FilterWhen) continue;
    size_t layers = 0;
    for (const char* layer : {"inbound-mac", "inbound-ip", "inbound-transport", "datagram"}) {
      layers += faults("action = \"block\"\nlayer = \"" + std::string(layer) + "\"\nwhen = { " +
                       std::string(key.name) + " = " + std::string(key.example) + " }\n")
                    .empty();
    }
    EXPECT_GE(layers, 1u) << key.name;
  }
}

TEST(FilterConfig, NamesOfDrivers) {
  const std::string two =
      kScope + "[[filter.driver]]\npath = \"/x/delay.v2.so\"\n[[filter.driver]]\n";
  const auto config = config_of(two + "path = \"/y/delay.so\"\nname = \"Other\"\n");
  ASSERT_EQ(config->filter.drivers.size(), 2u);
  EXPECT_EQ(config->filter.drivers[0].name, "delay.v2");
  EXPECT_EQ(config->filter.drivers[1].name, "Other");
  EXPECT_EQ(
      problems_of(two + "path = \"DELAY.V2.so\"\n"),
      Faults{"error f:8:1: two drivers have the name \"DELAY.V2\": give one of them a 'name'"});
  EXPECT_EQ(problems_of(two + "path = \"/x/delay.v2.so\"\nname = \"b\"\n"),
            Faults{"error f:8:1: the driver \"/x/delay.v2.so\" stands twice"});
  EXPECT_EQ(problems_of(two + "path = \"b\"\nname = \"a\\\\b\"\n").size(), 1u);
}

TEST(FilterConfig, Limits) {
  std::string rules = kScope;
  for (size_t i = 0; i < kFilterRulesMax; ++i) rules += "[[filter.rule]]\naction = \"block\"\n";
  EXPECT_EQ(config_of(rules)->filter.rules.size(), kFilterRulesMax);
  EXPECT_EQ(problems_of(rules + "[[filter.rule]]\naction = \"block\"\n").size(), 1u);
  std::string drivers = kScope;
  for (size_t i = 0; i < kFilterDriversMax; ++i) {
    drivers += "[[filter.driver]]\npath = \"d" + std::to_string(i) + ".so\"\n";
  }
  EXPECT_EQ(config_of(drivers)->filter.drivers.size(), kFilterDriversMax);
  EXPECT_EQ(problems_of(drivers + "[[filter.driver]]\npath = \"a\"\n").size(), 1u);
  std::string parameters = kScope + "[[filter.driver]]\npath = \"a\"\n[filter.driver.parameters]\n";
  for (size_t i = 0; i < kDriverParametersMax; ++i)
    parameters += "p" + std::to_string(i) + " = 1\n";
  EXPECT_EQ(problems_of(parameters), Faults{});
  EXPECT_EQ(problems_of(parameters + "one-more = 1\n").size(), 1u);
}

}  // namespace
}  // namespace hookline::config
