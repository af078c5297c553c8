#include "load/histogram.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace hookline::load {
namespace {

TEST(Histogram, EmptyHasZeros) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.quantile_ns(0.5), 0u);
  EXPECT_EQ(histogram.min_ns(), 0u);
  EXPECT_EQ(histogram.mean_ns(), 0u);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 100; ++i) histogram.add(i % 50);
  EXPECT_EQ(histogram.quantile_ns(0.5), 24u);
  EXPECT_EQ(histogram.max_ns(), 49u);
}

TEST(Histogram, NegativeCountsAsZero) {
  Histogram histogram;
  histogram.add(-5);
  EXPECT_EQ(histogram.count(), 1u);
  EXPECT_EQ(histogram.max_ns(), 0u);
}

RC_GTEST_PROP(Histogram, BucketsAreOrderedAndHoldTheirValues, (uint64_t value)) {
  const size_t bucket = Histogram::bucket_of(value);
  RC_ASSERT(bucket < Histogram::kBuckets);
  RC_ASSERT(value <= Histogram::upper_bound_of(bucket));
  if (bucket > 0) RC_ASSERT(value > Histogram::upper_bound_of(bucket - 1));
}

RC_GTEST_PROP(Histogram, QuantilesAreOffByLessThanTwoPercent, ()) {
  const auto values = *rc::gen::nonEmpty<std::vector<uint32_t>>();
  const double share = *rc::gen::inRange(1, 1000) / 1000.0;
  const auto histogram = std::make_unique<Histogram>();
  std::vector<uint64_t> sorted;
  for (const uint64_t value : values) {
    histogram->add(static_cast<int64_t>(value * 1000));
    sorted.push_back(value * 1000);
  }
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<size_t>(share * static_cast<double>(sorted.size()) + 0.999999);
  const uint64_t exact = sorted[rank - 1];
  const uint64_t got = histogram->quantile_ns(share);
  RC_ASSERT(got >= exact);
  RC_ASSERT(static_cast<double>(got) <= static_cast<double>(exact) * 1.017 + 1);
}

}  // namespace
}  // namespace hookline::load
