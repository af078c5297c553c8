// The table of the arbitration, row by row. arbitration_model_test.cc compares whole filter sets
// with a second implementation.
#include "filter/arbitration.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace hookline::filter {
namespace {

constexpr Answer kContinue{};
constexpr Answer kSoftPermit{Action::Permit, false, false, false};
constexpr Answer kHardPermit{Action::Permit, true, false, false};
constexpr Answer kFilterBlock{Action::Block, true, false, false};
constexpr Answer kSoftBlock{Action::Block, false, false, true};
constexpr Answer kCalloutBlock{Action::Block, true, false, true};
constexpr Answer kAbsorb{Action::Block, false, true, true};

Arbitration after(std::initializer_list<Answer> answers) {
  Arbitration result;
  for (const Answer& answer : answers) result.take(answer);
  return result;
}

TEST(Arbitration, WhatNobodyDecidesIsLeftOpen) {
  EXPECT_EQ(after({}).action(), Action::Continue);
  EXPECT_EQ(after({kContinue, kContinue}).action(), Action::Continue);
  EXPECT_TRUE(after({kContinue}).has_right());
}

TEST(Arbitration, SoftPermitIsOverriddenByAnyBlock) {
  for (const Answer& block : {kFilterBlock, kSoftBlock, kCalloutBlock, kAbsorb}) {
    EXPECT_EQ(after({kSoftPermit, block}).action(), Action::Block);
    EXPECT_FALSE(after({kSoftPermit, block}).vetoed());
  }
}

TEST(Arbitration, HardPermitYieldsOnlyToACalloutsVeto) {
  EXPECT_EQ(after({kHardPermit, kFilterBlock}).action(), Action::Permit);
  EXPECT_EQ(after({kHardPermit, kSoftBlock}).action(), Action::Block);
  EXPECT_TRUE(after({kHardPermit, kSoftBlock}).vetoed());
  EXPECT_TRUE(after({kHardPermit, kSoftBlock}).is_final());
  EXPECT_FALSE(after({kHardPermit}).has_right());
}

TEST(Arbitration, SoftBlockIsOverriddenByAPermit) {
  EXPECT_EQ(after({kSoftBlock, kSoftPermit}).action(), Action::Permit);
  EXPECT_EQ(after({kSoftBlock, kHardPermit}).action(), Action::Permit);
  EXPECT_FALSE(after({kSoftBlock}).is_final());
}

TEST(Arbitration, HardBlockIsFinal) {
  EXPECT_TRUE(after({kFilterBlock}).is_final());
  EXPECT_TRUE(after({kSoftPermit, kCalloutBlock}).is_final());
}

TEST(Arbitration, AbsorbIsFinalEvenWhenTheRightWasLeft) {
  EXPECT_TRUE(after({kAbsorb}).is_final());
  EXPECT_TRUE(after({kAbsorb}).absorbed());
  EXPECT_TRUE(after({kHardPermit, kAbsorb}).absorbed());
}

TEST(Arbitration, APermitTakesTheAbsorbFlagBack) {
  // Cannot follow an absorption (that is final); but the flag of a permit means nothing.
  EXPECT_FALSE(after({Answer{Action::Permit, false, true, true}}).absorbed());
}

}  // namespace
}  // namespace hookline::filter
