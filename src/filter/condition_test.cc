// Every match type, and random conditions against the obvious reading of them.
#include "filter/condition.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "filter/testing.h"
#include "filter/values.h"

namespace hookline::filter {
namespace {

using testing::condition;

const Layer& transport() {
  return layers()[size_t(layer_at(Direction::Inbound, Depth::Transport))];
}
const Layer& mac() { return layers()[size_t(layer_at(Direction::Inbound, Depth::Mac))]; }

bool port_holds(FWP_MATCH_TYPE match, uint16_t wanted, uint16_t actual) {
  Condition compiled;
  const auto source = condition(FWPM_CONDITION_IP_REMOTE_PORT, match, FWP_UINT16, wanted);
  EXPECT_EQ(Condition::compile(source, transport(), compiled), STATUS_SUCCESS);
  FWP_VALUE0 value{};
  value.type = FWP_UINT16;
  value.uint16 = actual;
  return compiled.holds(value);
}

TEST(Condition, EveryMatchTypeOfANumber) {
  EXPECT_TRUE(port_holds(FWP_MATCH_EQUAL, 5, 5));
  EXPECT_FALSE(port_holds(FWP_MATCH_EQUAL, 5, 6));
  EXPECT_TRUE(port_holds(FWP_MATCH_NOT_EQUAL, 5, 6));
  EXPECT_FALSE(port_holds(FWP_MATCH_NOT_EQUAL, 5, 5));
  EXPECT_TRUE(port_holds(FWP_MATCH_GREATER, 5, 6));
  EXPECT_FALSE(port_holds(FWP_MATCH_GREATER, 5, 5));
  EXPECT_TRUE(port_holds(FWP_MATCH_GREATER_OR_EQUAL, 5, 5));
  EXPECT_TRUE(port_holds(FWP_MATCH_LESS, 5, 4));
  EXPECT_FALSE(port_holds(FWP_MATCH_LESS, 5, 5));
  EXPECT_TRUE(port_holds(FWP_MATCH_LESS_OR_EQUAL, 5, 5));
  EXPECT_TRUE(port_holds(FWP_MATCH_FLAGS_ALL_SET, 0b101, 0b111));
  EXPECT_FALSE(port_holds(FWP_MATCH_FLAGS_ALL_SET, 0b101, 0b001));
  EXPECT_TRUE(port_holds(FWP_MATCH_FLAGS_ANY_SET, 0b101, 0b001));
  EXPECT_FALSE(port_holds(FWP_MATCH_FLAGS_ANY_SET, 0b101, 0b010));
  EXPECT_TRUE(port_holds(FWP_MATCH_FLAGS_NONE_SET, 0b101, 0b010));
  EXPECT_FALSE(port_holds(FWP_MATCH_FLAGS_NONE_SET, 0b101, 0b011));
}

TEST(Condition, Prefixes) {
  FWP_V4_ADDR_AND_MASK net{0x0A010203, 0xFFFF0000};  // host bits mean nothing
  auto source = condition(FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, FWP_V4_ADDR_MASK, 0);
  source.conditionValue.v4AddrMask = &net;
  for (const FWP_MATCH_TYPE match :
       {FWP_MATCH_EQUAL, FWP_MATCH_PREFIX, FWP_MATCH_NOT_EQUAL, FWP_MATCH_NOT_PREFIX}) {
    source.matchType = match;
    Condition compiled;
    ASSERT_EQ(Condition::compile(source, transport(), compiled), STATUS_SUCCESS);
    FWP_VALUE0 value{};
    value.type = FWP_UINT32;
    value.uint32 = 0x0A01FFFF;
    const bool negated = match == FWP_MATCH_NOT_EQUAL || match == FWP_MATCH_NOT_PREFIX;
    EXPECT_EQ(compiled.holds(value), !negated);
    value.uint32 = 0x0A020000;
    EXPECT_EQ(compiled.holds(value), negated);
  }
  source.matchType = FWP_MATCH_GREATER;
  Condition compiled;
  EXPECT_EQ(Condition::compile(source, transport(), compiled), STATUS_FWP_MATCH_TYPE_MISMATCH);
  source.fieldKey = FWPM_CONDITION_IP_REMOTE_PORT;
  EXPECT_EQ(Condition::compile(source, transport(), compiled), STATUS_FWP_TYPE_MISMATCH);
}

TEST(Condition, HardwareAddresses) {
  FWP_BYTE_ARRAY6 wanted{{2, 0, 0, 0, 0, 9}};
  auto source =
      condition(FWPM_CONDITION_MAC_REMOTE_ADDRESS, FWP_MATCH_EQUAL, FWP_BYTE_ARRAY6_TYPE, 0);
  source.conditionValue.byteArray6 = &wanted;
  Condition compiled;
  ASSERT_EQ(Condition::compile(source, mac(), compiled), STATUS_SUCCESS);
  FWP_BYTE_ARRAY6 actual = wanted;
  FWP_VALUE0 value{};
  value.type = FWP_BYTE_ARRAY6_TYPE;
  value.byteArray6 = &actual;
  EXPECT_TRUE(compiled.holds(value));
  actual.byteArray6[0] = 0;
  EXPECT_FALSE(compiled.holds(value));
}

TEST(Condition, WhatTrafficNeverBringsIsTakenAllTheSame) {
  const Layer& ipv6 = layers()[size_t(find_layer("ALE_AUTH_CONNECT_V6"))];
  FWP_V6_ADDR_AND_MASK net{{0xFE, 0x80}, 10};
  auto source = condition(FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, FWP_V6_ADDR_MASK, 0);
  source.conditionValue.v6AddrMask = &net;
  Condition compiled;
  EXPECT_EQ(Condition::compile(source, ipv6, compiled), STATUS_SUCCESS);
  EXPECT_FALSE(compiled.holds(FWP_VALUE0{}));
  net.prefixLength = 129;
  EXPECT_EQ(Condition::compile(source, ipv6, compiled), STATUS_FWP_INVALID_NET_MASK);
  source.fieldKey = FWPM_CONDITION_ALE_USER_ID;
  EXPECT_EQ(Condition::compile(source, ipv6, compiled), STATUS_NOT_SUPPORTED);
}

// --- against a model -----------------------------------------------------------------------

struct Term {
  bool remote;  // which of two fields
  FWP_MATCH_TYPE match;
  uint16_t a, b;  // b: the end of a range
};

bool term_holds(const Term& term, uint16_t value) {
  switch (term.match) {
    case FWP_MATCH_EQUAL:
      return value == term.a;
    case FWP_MATCH_NOT_EQUAL:
      return value != term.a;
    case FWP_MATCH_GREATER:
      return value > term.a;
    case FWP_MATCH_LESS:
      return value < term.a;
    case FWP_MATCH_GREATER_OR_EQUAL:
      return value >= term.a;
    case FWP_MATCH_LESS_OR_EQUAL:
      return value <= term.a;
    case FWP_MATCH_RANGE:
      return term.a <= value && value <= term.b;
    case FWP_MATCH_FLAGS_ALL_SET:
      return (value & term.a) == term.a;
    case FWP_MATCH_FLAGS_ANY_SET:
      return (value & term.a) != 0;
    default:
      return (value & term.a) == 0;
  }
}

Term any_term() {
  Term term;
  term.remote = *rc::gen::arbitrary<bool>();
  term.match = *rc::gen::element<FWP_MATCH_TYPE>(
      FWP_MATCH_EQUAL, FWP_MATCH_NOT_EQUAL, FWP_MATCH_GREATER, FWP_MATCH_LESS,
      FWP_MATCH_GREATER_OR_EQUAL, FWP_MATCH_LESS_OR_EQUAL, FWP_MATCH_RANGE, FWP_MATCH_FLAGS_ALL_SET,
      FWP_MATCH_FLAGS_ANY_SET, FWP_MATCH_FLAGS_NONE_SET);
  term.a = *rc::gen::inRange<uint16_t>(1, 30);
  term.b = uint16_t(term.a + *rc::gen::inRange<uint16_t>(0, 9));
  return term;
}

RC_GTEST_PROP(Conditions, AreAlternativesWithinAFieldAndAllAcrossFields, ()) {
  std::vector<Term> terms;
  const auto count = *rc::gen::inRange<size_t>(0, 6);
  for (size_t i = 0; i < count; ++i) terms.push_back(any_term());
  std::vector<FWP_RANGE0> ranges(terms.size());
  std::vector<FWPM_FILTER_CONDITION0> sources;
  for (size_t i = 0; i < terms.size(); ++i) {
    const GUID field =
        terms[i].remote ? FWPM_CONDITION_IP_REMOTE_PORT : FWPM_CONDITION_IP_LOCAL_PORT;
    sources.push_back(condition(field, terms[i].match, FWP_UINT16, terms[i].a));
    if (terms[i].match != FWP_MATCH_RANGE) continue;
    ranges[i].valueLow.type = ranges[i].valueHigh.type = FWP_UINT16;
    ranges[i].valueLow.uint16 = terms[i].a;
    ranges[i].valueHigh.uint16 = terms[i].b;
    sources.back().conditionValue.type = FWP_RANGE_TYPE;
    sources.back().conditionValue.rangeValue = &ranges[i];
  }
  Conditions compiled;
  RC_ASSERT(Conditions::compile(sources.data(), uint32_t(sources.size()), transport(), compiled) ==
            STATUS_SUCCESS);
  testing::Datagram datagram;
  datagram.traffic.local_port = *rc::gen::inRange<uint16_t>(0, 40);
  datagram.traffic.remote_port = *rc::gen::inRange<uint16_t>(0, 40);
  std::map<bool, bool> any_of_field;
  for (const Term& term : terms) {
    const uint16_t value = term.remote ? datagram.traffic.remote_port : datagram.traffic.local_port;
    any_of_field[term.remote] = any_of_field[term.remote] || term_holds(term, value);
  }
  const bool expected = std::all_of(any_of_field.begin(), any_of_field.end(),
                                    [](const auto& field) { return field.second; });
  LayerValues values;
  values.fill(datagram.traffic, Depth::Transport);
  RC_ASSERT(compiled.hold(values.list()) == expected);
}

}  // namespace
}  // namespace hookline::filter
