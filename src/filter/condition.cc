#include "filter/condition.h"

#include <algorithm>
#include <bit>

namespace hookline::filter {
namespace {

// Bits of a numeric type; 0: it is none.
uint32_t width_of(FWP_DATA_TYPE type) {
  switch (type) {
    case FWP_UINT8:
      return 8;
    case FWP_UINT16:
      return 16;
    case FWP_UINT32:
      return 32;
    case FWP_UINT64:
      return 64;
    case FWP_BYTE_ARRAY6_TYPE:
      return 48;
    default:
      return 0;
  }
}

uint64_t largest(uint32_t width) { return ~uint64_t{0} >> (64 - width); }

uint64_t array_number(const FWP_BYTE_ARRAY6& array) {
  uint64_t number = 0;
  for (const UINT8 byte : array.byteArray6) number = number << 8 | byte;
  return number;
}

template <class Value>
bool load_number(const Value& value, uint64_t& out) {
  switch (value.type) {
    case FWP_UINT8:
      out = value.uint8;
      return true;
    case FWP_UINT16:
      out = value.uint16;
      return true;
    case FWP_UINT32:
      out = value.uint32;
      return true;
    case FWP_UINT64:
      if (value.uint64 == nullptr) return false;
      out = *value.uint64;
      return true;
    case FWP_BYTE_ARRAY6_TYPE:
      if (value.byteArray6 == nullptr) return false;
      out = array_number(*value.byteArray6);
      return true;
    default:
      return false;
  }
}

bool is_pointer_type(FWP_DATA_TYPE type) {
  return type == FWP_UINT64 || type == FWP_BYTE_ARRAY6_TYPE;
}

}  // namespace

bool number_of(const FWP_VALUE0& value, uint64_t& out) { return load_number(value, out); }

NTSTATUS Condition::compile(const FWPM_FILTER_CONDITION0& source, const Layer& layer,
                            Condition& out) {
  const int field = find_field(layer, source.fieldKey);
  if (field < 0) return STATUS_FWP_CONDITION_NOT_FOUND;
  out = Condition{};
  out.field_ = static_cast<uint16_t>(field);
  const FWP_DATA_TYPE type = field_type(layer, field);
  const FWP_CONDITION_VALUE0& value = source.conditionValue;
  if (type == FWP_BYTE_ARRAY16_TYPE) return out.set_ipv6(value, source.matchType);
  const uint32_t width = width_of(type);
  if (width == 0) return STATUS_NOT_SUPPORTED;
  if (value.type == FWP_RANGE_TYPE) {
    return out.set_range(source.matchType, value.rangeValue, type, width);
  }
  if (value.type == FWP_V4_ADDR_MASK) {
    if (type != FWP_UINT32) return STATUS_FWP_TYPE_MISMATCH;
    return out.set_prefix(source.matchType, value.v4AddrMask);
  }
  if (value.type != type) return STATUS_FWP_TYPE_MISMATCH;
  uint64_t number = 0;
  if (!load_number(value, number)) return STATUS_FWP_NULL_POINTER;
  return out.set_number(source.matchType, number, width);
}

NTSTATUS Condition::set_number(FWP_MATCH_TYPE match, uint64_t value, uint32_t width) {
  const uint64_t max = largest(width);
  const auto range = [&](uint64_t from, uint64_t to) {
    test_ = Test::Range;
    a_ = from;
    b_ = to;
    specificity_ = width - static_cast<uint32_t>(std::bit_width(to - from));
    return STATUS_SUCCESS;
  };
  switch (match) {
    case FWP_MATCH_EQUAL:
      return range(value, value);
    case FWP_MATCH_NOT_EQUAL:
      test_ = Test::Outside;
      a_ = b_ = value;
      return STATUS_SUCCESS;
    case FWP_MATCH_GREATER:
      return value == max ? STATUS_FWP_NEVER_MATCH : range(value + 1, max);
    case FWP_MATCH_LESS:
      return value == 0 ? STATUS_FWP_NEVER_MATCH : range(0, value - 1);
    case FWP_MATCH_GREATER_OR_EQUAL:
      return range(value, max);
    case FWP_MATCH_LESS_OR_EQUAL:
      return range(0, value);
    case FWP_MATCH_FLAGS_ALL_SET:
    case FWP_MATCH_FLAGS_NONE_SET:
      test_ = Test::Masked;
      a_ = value;
      b_ = match == FWP_MATCH_FLAGS_ALL_SET ? value : 0;
      specificity_ = static_cast<uint32_t>(std::popcount(value));
      return STATUS_SUCCESS;
    case FWP_MATCH_FLAGS_ANY_SET:
      test_ = Test::AnySet;
      a_ = value;
      specificity_ = 1;
      return STATUS_SUCCESS;
    default:
      return STATUS_FWP_MATCH_TYPE_MISMATCH;
  }
}

NTSTATUS Condition::set_range(FWP_MATCH_TYPE match, const FWP_RANGE0* range, FWP_DATA_TYPE type,
                              uint32_t width) {
  if (match != FWP_MATCH_RANGE) return STATUS_FWP_MATCH_TYPE_MISMATCH;
  if (range == nullptr) return STATUS_FWP_NULL_POINTER;
  if (range->valueLow.type != type || range->valueHigh.type != type) {
    return STATUS_FWP_TYPE_MISMATCH;
  }
  if (is_pointer_type(type) &&
      (range->valueLow.uint64 == nullptr || range->valueHigh.uint64 == nullptr)) {
    return STATUS_FWP_NULL_POINTER;
  }
  load_number(range->valueLow, a_);
  load_number(range->valueHigh, b_);
  if (a_ > b_) return STATUS_FWP_INVALID_RANGE;
  test_ = Test::Range;
  specificity_ = width - static_cast<uint32_t>(std::bit_width(b_ - a_));
  return STATUS_SUCCESS;
}

NTSTATUS Condition::set_prefix(FWP_MATCH_TYPE match, const FWP_V4_ADDR_AND_MASK* prefix) {
  const bool negated = match == FWP_MATCH_NOT_EQUAL || match == FWP_MATCH_NOT_PREFIX;
  if (!negated && match != FWP_MATCH_EQUAL && match != FWP_MATCH_PREFIX) {
    return STATUS_FWP_MATCH_TYPE_MISMATCH;
  }
  if (prefix == nullptr) return STATUS_FWP_NULL_POINTER;
  // Ones, then zeros.
  const uint32_t host_bits = ~prefix->mask;
  if ((host_bits & (host_bits + 1)) != 0) return STATUS_FWP_INVALID_NET_MASK;
  test_ = negated ? Test::MaskedOutside : Test::Masked;
  a_ = prefix->mask;
  b_ = prefix->addr & prefix->mask;
  specificity_ = negated ? 0 : static_cast<uint32_t>(std::popcount(prefix->mask));
  return STATUS_SUCCESS;
}

// Taken and kept, so that a driver for both families loads: IPv6 traffic is never classified.
NTSTATUS Condition::set_ipv6(const FWP_CONDITION_VALUE0& value, FWP_MATCH_TYPE match) {
  test_ = Test::Never;
  switch (value.type) {
    case FWP_BYTE_ARRAY16_TYPE:
      specificity_ = 128;
      if (value.byteArray16 == nullptr) return STATUS_FWP_NULL_POINTER;
      break;
    case FWP_V6_ADDR_MASK:
      if (value.v6AddrMask == nullptr) return STATUS_FWP_NULL_POINTER;
      if (value.v6AddrMask->prefixLength > 128) return STATUS_FWP_INVALID_NET_MASK;
      specificity_ = value.v6AddrMask->prefixLength;
      break;
    case FWP_RANGE_TYPE:
      if (value.rangeValue == nullptr) return STATUS_FWP_NULL_POINTER;
      return match == FWP_MATCH_RANGE ? STATUS_SUCCESS : STATUS_FWP_MATCH_TYPE_MISMATCH;
    default:
      return STATUS_FWP_TYPE_MISMATCH;
  }
  return match == FWP_MATCH_RANGE ? STATUS_FWP_MATCH_TYPE_MISMATCH : STATUS_SUCCESS;
}

bool Condition::holds(const FWP_VALUE0& value) const {
  uint64_t number = 0;
  if (!load_number(value, number)) return false;
  switch (test_) {
    case Test::Range:
      return a_ <= number && number <= b_;
    case Test::Outside:
      return number < a_ || b_ < number;
    case Test::Masked:
      return (number & a_) == b_;
    case Test::MaskedOutside:
      return (number & a_) != b_;
    case Test::AnySet:
      return (number & a_) != 0;
    case Test::Never:
      break;
  }
  return false;
}

NTSTATUS Conditions::compile(const FWPM_FILTER_CONDITION0* source, uint32_t count,
                             const Layer& layer, Conditions& out) {
  if (count != 0 && source == nullptr) return STATUS_FWP_NULL_POINTER;
  out.conditions_.clear();
  out.conditions_.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    const NTSTATUS status = Condition::compile(source[i], layer, out.conditions_[i]);
    if (status != STATUS_SUCCESS) return status;
  }
  std::stable_sort(out.conditions_.begin(), out.conditions_.end(),
                   [](const Condition& x, const Condition& y) { return x.field() < y.field(); });
  return STATUS_SUCCESS;
}

bool Conditions::hold(std::span<const FWPS_INCOMING_VALUE0> values) const {
  for (size_t i = 0; i < conditions_.size();) {
    const uint16_t field = conditions_[i].field();
    bool any = false;
    for (; i < conditions_.size() && conditions_[i].field() == field; ++i) {
      any = any || conditions_[i].holds(values[field].value);
    }
    if (!any) return false;
  }
  return true;
}

// Alternatives of a field narrow no more than the widest of them.
uint32_t Conditions::specificity() const {
  uint32_t sum = 0;
  for (size_t i = 0; i < conditions_.size();) {
    const uint16_t field = conditions_[i].field();
    uint32_t least = 128;
    for (; i < conditions_.size() && conditions_[i].field() == field; ++i) {
      least = std::min(least, conditions_[i].specificity());
    }
    sum += least + 1;
  }
  return sum;
}

}  // namespace hookline::filter
