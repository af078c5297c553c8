// One filter condition, compiled: which of a layer's incoming values it looks at, and what must
// hold for it. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "filter/layers.h"
#include "hookline/fwp.h"

namespace hookline::filter {

class Condition {
 public:
  // Refuses, with the API's status: a field that the layer does not have
  // (STATUS_FWP_CONDITION_NOT_FOUND), a value of another type than the field's
  // (STATUS_FWP_TYPE_MISMATCH), a match type that the value does not have
  // (STATUS_FWP_MATCH_TYPE_MISMATCH), ranges and masks that are none. The fields that only ALE and
  // management layers have (users, applications) are STATUS_NOT_SUPPORTED.
  static NTSTATUS compile(const FWPM_FILTER_CONDITION0& source, const Layer& layer, Condition& out);

  uint16_t field() const { return field_; }
  // How much the condition narrows, in bits: the more, the higher the automatic weight.
  uint32_t specificity() const { return specificity_; }
  bool holds(const FWP_VALUE0& value) const;

 private:
  enum class Test : uint8_t { Never, Range, Outside, Masked, MaskedOutside, AnySet };

  NTSTATUS set_number(FWP_MATCH_TYPE match, uint64_t value, uint32_t width);
  NTSTATUS set_range(FWP_MATCH_TYPE match, const FWP_RANGE0* range, FWP_DATA_TYPE type,
                     uint32_t width);
  NTSTATUS set_prefix(FWP_MATCH_TYPE match, const FWP_V4_ADDR_AND_MASK* prefix);
  NTSTATUS set_ipv6(const FWP_CONDITION_VALUE0& value, FWP_MATCH_TYPE match);

  uint16_t field_ = 0;
  Test test_ = Test::Never;
  uint32_t specificity_ = 0;
  // Range: from a_ to b_. Masked: (value & a_) == b_. AnySet: (value & a_) != 0.
  uint64_t a_ = 0;
  uint64_t b_ = 0;
};

// The conditions of one filter: any of those with the same field, and all fields.
class Conditions {
 public:
  // REQUIRES: `source` holds `count` conditions.
  static NTSTATUS compile(const FWPM_FILTER_CONDITION0* source, uint32_t count, const Layer& layer,
                          Conditions& out);

  // `values` are those of the layer, in its order of fields.
  bool hold(std::span<const FWPS_INCOMING_VALUE0> values) const;
  uint32_t specificity() const;
  size_t size() const { return conditions_.size(); }

 private:
  std::vector<Condition> conditions_;  // by field
};

// A number of a value: integers as they are, a 6-byte array as 48 bits. False: it is none.
bool number_of(const FWP_VALUE0& value, uint64_t& out);

}  // namespace hookline::filter
