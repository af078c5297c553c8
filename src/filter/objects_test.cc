// What may be added and deleted, with the statuses of the API.
#include "filter/objects.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "filter/testing.h"

namespace hookline::filter {
namespace {

using testing::callout;
using testing::condition;
using testing::key;
using testing::name;
using testing::sublayer;

constexpr Owner kStatic{1, false};
constexpr Owner kDynamic{2, true};
constexpr Owner kOther{3, true};

class ObjectsTest : public ::testing::Test {
 protected:
  NTSTATUS add(const FWPM_FILTER0& source, Owner owner = kStatic) {
    ++id;
    return objects.add_filter(source, id, key(uint32_t(id)), owner);
  }
  NTSTATUS add_with(std::vector<FWPM_FILTER_CONDITION0> conditions) {
    FWPM_FILTER0 source = block;
    source.numFilterConditions = uint32_t(conditions.size());
    source.filterCondition = conditions.data();
    return add(source);
  }

  Objects objects;
  uint64_t id = 1000;
  FWPM_FILTER0 block = testing::filter(FWPM_LAYER_INBOUND_TRANSPORT_V4, FWP_ACTION_BLOCK);
};

TEST_F(ObjectsTest, SubLayers) {
  EXPECT_EQ(objects.add_sublayer(sublayer(key(1), 7), kStatic), STATUS_SUCCESS);
  EXPECT_EQ(objects.add_sublayer(sublayer(key(1), 8), kStatic), STATUS_FWP_ALREADY_EXISTS);
  EXPECT_EQ(objects.add_sublayer(sublayer(GUID{}, 8), kStatic), STATUS_FWP_INVALID_PARAMETER);
  FWPM_SUBLAYER0 nameless = sublayer(key(2), 8);
  nameless.displayData.name = nullptr;
  EXPECT_EQ(objects.add_sublayer(nameless, kStatic), STATUS_FWP_NULL_DISPLAY_NAME);
  EXPECT_EQ(objects.delete_sublayer(key(2), kStatic), STATUS_FWP_SUBLAYER_NOT_FOUND);
  EXPECT_EQ(objects.delete_sublayer(FWPM_SUBLAYER_UNIVERSAL, kStatic), STATUS_FWP_BUILTIN_OBJECT);
  block.subLayerKey = key(1);
  EXPECT_EQ(add(block), STATUS_SUCCESS);
  EXPECT_EQ(objects.delete_sublayer(key(1), kStatic), STATUS_FWP_IN_USE);
  EXPECT_EQ(objects.delete_filter(id, kStatic), STATUS_SUCCESS);
  EXPECT_EQ(objects.delete_sublayer(key(1), kStatic), STATUS_SUCCESS);
}

TEST_F(ObjectsTest, Callouts) {
  const GUID layer = FWPM_LAYER_INBOUND_TRANSPORT_V4;
  EXPECT_EQ(objects.add_callout(callout(key(1), layer), 300, kStatic), STATUS_SUCCESS);
  EXPECT_EQ(objects.add_callout(callout(key(1), layer), 300, kStatic), STATUS_FWP_ALREADY_EXISTS);
  EXPECT_EQ(objects.add_callout(callout(key(2), GUID{}), 301, kStatic), STATUS_FWP_LAYER_NOT_FOUND);
  FWPM_FILTER0 of_it = testing::filter(layer, FWP_ACTION_CALLOUT_UNKNOWN, key(1));
  EXPECT_EQ(add(of_it), STATUS_SUCCESS);
  EXPECT_EQ(objects.filters().back()->shown->action.calloutId, 300u);
  EXPECT_EQ(objects.delete_callout(key(1), kStatic), STATUS_FWP_IN_USE);
  of_it.layerKey = FWPM_LAYER_OUTBOUND_TRANSPORT_V4;
  EXPECT_EQ(add(of_it), STATUS_FWP_INCOMPATIBLE_LAYER);
  of_it.action.calloutKey = key(9);
  EXPECT_EQ(add(of_it), STATUS_FWP_CALLOUT_NOT_FOUND);
  of_it.action.type = FWP_ACTION_CONTINUE;
  EXPECT_EQ(add(of_it), STATUS_FWP_INVALID_ACTION_TYPE);
}

TEST_F(ObjectsTest, FiltersNameWhatIsThere) {
  block.layerKey = GUID{};
  EXPECT_EQ(add(block), STATUS_FWP_LAYER_NOT_FOUND);
  block.layerKey = FWPM_LAYER_STREAM_V6;  // a room that no traffic enters
  EXPECT_EQ(add(block), STATUS_SUCCESS);
  block.subLayerKey = key(5);
  EXPECT_EQ(add(block), STATUS_FWP_SUBLAYER_NOT_FOUND);
  block.subLayerKey = kRulesSubLayer;
  EXPECT_EQ(add(block), STATUS_ACCESS_DENIED);
  block.subLayerKey = GUID{};
  block.filterKey = key(77);
  EXPECT_EQ(add(block), STATUS_SUCCESS);
  EXPECT_EQ(add(block), STATUS_FWP_ALREADY_EXISTS);
  block.filterKey = GUID{};
  block.flags = 0x80000000;
  EXPECT_EQ(add(block), STATUS_FWP_INVALID_FLAGS);
  block.flags = FWPM_FILTER_FLAG_HAS_PROVIDER_CONTEXT;
  EXPECT_EQ(add(block), STATUS_FWP_PROVIDER_CONTEXT_NOT_FOUND);
  block.flags = 0;
  block.displayData.name = nullptr;
  EXPECT_EQ(add(block), STATUS_FWP_NULL_DISPLAY_NAME);
}

TEST_F(ObjectsTest, ADynamicSessionsObjectsAreItsOwn) {
  ASSERT_EQ(objects.add_sublayer(sublayer(key(1), 7), kDynamic), STATUS_SUCCESS);
  block.subLayerKey = key(1);
  EXPECT_EQ(add(block, kStatic), STATUS_FWP_LIFETIME_MISMATCH);
  EXPECT_EQ(add(block, kOther), STATUS_FWP_WRONG_SESSION);
  EXPECT_EQ(add(block, kDynamic), STATUS_SUCCESS);
  EXPECT_EQ(objects.delete_filter(id, kOther), STATUS_FWP_WRONG_SESSION);
  EXPECT_EQ(objects.delete_sublayer(key(1), kStatic), STATUS_FWP_WRONG_SESSION);
  const size_t sublayers = objects.sublayers().size();
  objects.remove_session(kOther.session);
  EXPECT_EQ(objects.filters().size(), 1u);
  objects.remove_session(kDynamic.session);
  EXPECT_EQ(objects.filters().size(), 0u);
  EXPECT_EQ(objects.sublayers().size(), sublayers - 1);
}

TEST_F(ObjectsTest, Weights) {
  const auto weight_of = [&](FWP_VALUE0 weight) {
    block.weight = weight;
    EXPECT_EQ(add(block), STATUS_SUCCESS);
    return objects.filters().back()->weight;
  };
  FWP_VALUE0 weight{};
  const uint64_t empty = weight_of(weight);
  weight.type = FWP_UINT8;
  weight.uint8 = 15;
  EXPECT_EQ(weight_of(weight) >> 60, 15u);
  EXPECT_EQ(weight_of(weight) & ((uint64_t{1} << 60) - 1), empty);
  UINT64 exact = 0x123456789ABCDEF0;
  weight.type = FWP_UINT64;
  weight.uint64 = &exact;
  EXPECT_EQ(weight_of(weight), exact);
  EXPECT_EQ(*objects.filters().back()->shown->weight.uint64, exact);
  weight.type = FWP_UINT8;
  weight.uint8 = 16;
  block.weight = weight;
  EXPECT_EQ(add(block), STATUS_FWP_INVALID_WEIGHT);
  weight.type = FWP_UINT32;
  block.weight = weight;
  EXPECT_EQ(add(block), STATUS_FWP_INVALID_WEIGHT);
  weight.type = FWP_UINT64;
  weight.uint64 = nullptr;
  block.weight = weight;
  EXPECT_EQ(add(block), STATUS_FWP_NULL_POINTER);
}

TEST_F(ObjectsTest, TheMoreAFilterNarrowsTheHeavierItIs) {
  const auto port = condition(FWPM_CONDITION_IP_REMOTE_PORT, FWP_MATCH_EQUAL, FWP_UINT16, 68);
  const auto protocol = condition(FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8, 17);
  uint64_t last = 0;
  for (const auto& conditions :
       std::vector<std::vector<FWPM_FILTER_CONDITION0>>{{protocol}, {port}, {port, protocol}}) {
    ASSERT_EQ(add_with(conditions), STATUS_SUCCESS);
    EXPECT_GT(objects.filters().back()->weight, last);
    last = objects.filters().back()->weight;
  }
}

TEST_F(ObjectsTest, WrongConditions) {
  const auto status = [&](FWPM_FILTER_CONDITION0 c) { return add_with({c}); };
  const GUID port = FWPM_CONDITION_IP_REMOTE_PORT;
  EXPECT_EQ(status(condition(FWPM_CONDITION_ETHER_TYPE, FWP_MATCH_EQUAL, FWP_UINT16, 1)),
            STATUS_FWP_CONDITION_NOT_FOUND);
  EXPECT_EQ(status(condition(key(1), FWP_MATCH_EQUAL, FWP_UINT16, 1)),
            STATUS_FWP_CONDITION_NOT_FOUND);
  EXPECT_EQ(status(condition(port, FWP_MATCH_EQUAL, FWP_UINT32, 1)), STATUS_FWP_TYPE_MISMATCH);
  EXPECT_EQ(status(condition(port, FWP_MATCH_RANGE, FWP_UINT16, 1)),
            STATUS_FWP_MATCH_TYPE_MISMATCH);
  EXPECT_EQ(status(condition(port, FWP_MATCH_GREATER, FWP_UINT16, 65535)), STATUS_FWP_NEVER_MATCH);
  EXPECT_EQ(status(condition(port, FWP_MATCH_LESS, FWP_UINT16, 0)), STATUS_FWP_NEVER_MATCH);
  FWP_V4_ADDR_AND_MASK holes{0x0A000000, 0xFF00FF00};
  auto prefix = condition(FWPM_CONDITION_IP_REMOTE_ADDRESS, FWP_MATCH_EQUAL, FWP_V4_ADDR_MASK, 0);
  prefix.conditionValue.v4AddrMask = &holes;
  EXPECT_EQ(status(prefix), STATUS_FWP_INVALID_NET_MASK);
  prefix.conditionValue.v4AddrMask = nullptr;
  EXPECT_EQ(status(prefix), STATUS_FWP_NULL_POINTER);
  FWP_RANGE0 range{};
  range.valueLow.type = range.valueHigh.type = FWP_UINT16;
  range.valueLow.uint16 = 2;
  range.valueHigh.uint16 = 1;
  auto ranged = condition(port, FWP_MATCH_RANGE, FWP_RANGE_TYPE, 0);
  ranged.conditionValue.rangeValue = &range;
  EXPECT_EQ(status(ranged), STATUS_FWP_INVALID_RANGE);
  block.numFilterConditions = 1;
  EXPECT_EQ(add(block), STATUS_FWP_NULL_POINTER);
}

TEST_F(ObjectsTest, EveryTableHasItsLimit) {
  while (objects.sublayers().size() < kFilterSubLayersMax) {
    const auto next = uint32_t(objects.sublayers().size());
    ASSERT_EQ(objects.add_sublayer(sublayer(key(next), 1), kStatic), STATUS_SUCCESS);
  }
  EXPECT_EQ(objects.add_sublayer(sublayer(key(9999), 1), kStatic), STATUS_FWP_TOO_MANY_SUBLAYERS);
  const GUID layer = FWPM_LAYER_STREAM_V4;
  for (uint32_t i = 0; i < kFilterCalloutsMax; ++i) {
    ASSERT_EQ(objects.add_callout(callout(key(i), layer), i, kStatic), STATUS_SUCCESS);
  }
  EXPECT_EQ(objects.add_callout(callout(key(9999), layer), 1, kStatic),
            STATUS_FWP_TOO_MANY_CALLOUTS);
  for (size_t i = 0; i < kFiltersMax; ++i) ASSERT_EQ(add(block), STATUS_SUCCESS);
  EXPECT_EQ(add(block), STATUS_INSUFFICIENT_RESOURCES);
}

TEST_F(ObjectsTest, AFilterHasAsManyConditionsAsItMay) {
  std::vector<FWPM_FILTER_CONDITION0> many(
      kFilterConditionsMax + 1,
      condition(FWPM_CONDITION_IP_PROTOCOL, FWP_MATCH_EQUAL, FWP_UINT8, 17));
  EXPECT_EQ(add_with(many), STATUS_INSUFFICIENT_RESOURCES);
  many.pop_back();
  EXPECT_EQ(add_with(many), STATUS_SUCCESS);
}

TEST(Utf8, TakesPairsAndReplacesHalves) {
  EXPECT_EQ(utf8(name(u"caf\u00e9 \u20ac \U0001F600")), "café € 😀");
  const char16_t half[] = {0xD800, 'x', 0};
  EXPECT_EQ(utf8(name(half)), "\xEF\xBF\xBDx");
  EXPECT_EQ(utf8(nullptr), "");
  const std::u16string longest(kFilterNameBytesMax + 10, u'a');
  EXPECT_LE(utf8(name(longest.c_str())).size(), kFilterNameBytesMax);
}

}  // namespace
}  // namespace hookline::filter
