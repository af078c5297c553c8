#include "filter/rules.h"

#include <fmt/core.h>

#include "base/check.h"
#include "base/limits.h"

namespace hookline::filter {
namespace {

constexpr uint64_t kNoInterface = 0xFFFFFFFF;

// The conditions of a rule in the API's words, with the storage that they point to.
class ConditionList {
 public:
  void add(const Layer& layer, int field, const NumberRange& range) {
    Storage& place = *places_.emplace_back(std::make_unique<Storage>());
    const FWP_DATA_TYPE type = field_type(layer, field);
    set(place.range.valueLow, type, range.first, place.low, place.low_mac);
    set(place.range.valueHigh, type, range.last, place.high, place.high_mac);
    FWPM_FILTER_CONDITION0 condition{};
    condition.fieldKey = condition_key(layer, field);
    condition.matchType = FWP_MATCH_RANGE;
    condition.conditionValue.type = FWP_RANGE_TYPE;
    condition.conditionValue.rangeValue = &place.range;
    list_.push_back(condition);
  }
  Conditions compiled(const Layer& layer) const {
    Conditions out;
    const NTSTATUS status =
        Conditions::compile(list_.data(), static_cast<uint32_t>(list_.size()), layer, out);
    CHECK(status == STATUS_SUCCESS, "the configuration was checked");
    return out;
  }

 private:
  struct Storage {
    FWP_RANGE0 range{};
    UINT64 low = 0, high = 0;
    FWP_BYTE_ARRAY6 low_mac{}, high_mac{};
  };

  static void set(FWP_VALUE0& value, FWP_DATA_TYPE type, uint64_t number, UINT64& wide,
                  FWP_BYTE_ARRAY6& mac) {
    value.type = type;
    wide = number;
    for (int i = 0; i < 6; ++i) mac.byteArray6[i] = static_cast<UINT8>(number >> (40 - 8 * i));
    switch (type) {
      case FWP_UINT8:
        value.uint8 = static_cast<UINT8>(number);
        break;
      case FWP_UINT16:
        value.uint16 = static_cast<UINT16>(number);
        break;
      case FWP_UINT32:
        value.uint32 = static_cast<UINT32>(number);
        break;
      case FWP_BYTE_ARRAY6_TYPE:
        value.byteArray6 = &mac;
        break;
      default:
        value.uint64 = &wide;
        break;
    }
  }

  std::vector<std::unique_ptr<Storage>> places_;
  std::vector<FWPM_FILTER_CONDITION0> list_;
};

uint64_t index_of(const std::string& interface, const io::LinkTable& links) {
  for (const io::Link& link : links.links) {
    if (link.name == interface) return link.ifindex;
  }
  return kNoInterface;
}

Conditions conditions_of(const FilterRule& rule, const Layer& layer, const io::LinkTable& links) {
  ConditionList list;
  for (const RuleCondition& condition : rule.when) {
    const int field = find_field(layer, condition.field);
    CHECK(field >= 0, "the configuration's check knows each layer's fields");
    for (const NumberRange& range : condition.values) list.add(layer, field, range);
    for (const std::string& interface : condition.interfaces) {
      const uint64_t index = index_of(interface, links);
      list.add(layer, field, {index, index});
    }
  }
  return list.compiled(layer);
}

LimitBy limit_by(LimitPer per) {
  switch (per) {
    case LimitPer::Mac:
      return LimitBy::Mac;
    case LimitPer::Relay:
      return LimitBy::Relay;
    case LimitPer::Interface:
      return LimitBy::Interface;
    case LimitPer::Rule:
      break;
  }
  return LimitBy::Rule;
}

size_t buckets_for(LimitPer per) {
  switch (per) {
    case LimitPer::Rule:
      return 1;
    case LimitPer::Interface:
      return 2 * kInterfacesMax;
    case LimitPer::Mac:
    case LimitPer::Relay:
      break;
  }
  return kRateBucketsMax;
}

std::shared_ptr<Filter> make_rule(const FilterRule& rule, size_t number, const io::LinkTable& links,
                                  uint64_t seed) {
  auto filter = std::make_shared<Filter>();
  filter->layer = find_layer(rule.layer);
  CHECK(filter->layer >= 0, "the configuration's check knows the layers");
  const Layer& layer = layers()[static_cast<size_t>(filter->layer)];
  filter->name = fmt::format("rule {}", number);
  filter->key = {0x52554c45, 0, 0, {}};
  filter->key.Data2 = static_cast<USHORT>(number);
  filter->conditions = conditions_of(rule, layer, links);
  FWP_VALUE0 weight{};
  weight.type = FWP_UINT8;
  weight.uint8 = rule.weight;
  const NTSTATUS status = resolve_weight(weight, filter->conditions, filter->weight);
  CHECK(status == STATUS_SUCCESS, "the configuration's check bounds the weight");
  filter->action = rule.action == RuleAction::Permit ? FWP_ACTION_PERMIT : FWP_ACTION_BLOCK;
  if (rule.action == RuleAction::Limit) {
    filter->limiter = std::make_unique<RateLimiter>(rule.interval_ns, rule.burst,
                                                    buckets_for(rule.per), seed + number);
    filter->limit_by = limit_by(rule.per);
  }
  return filter;
}

}  // namespace

std::vector<std::shared_ptr<Filter>> make_rules(std::span<const FilterRule> rules,
                                                const io::LinkTable& links, uint64_t seed) {
  std::vector<std::shared_ptr<Filter>> out;
  for (size_t i = 0; i < rules.size(); ++i) {
    out.push_back(make_rule(rules[i], i + 1, links, seed));
  }
  return out;
}

}  // namespace hookline::filter
