#include "filter/rate_limit.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace hookline::filter {
namespace {

constexpr int64_t kMs = 1'000'000;

TEST(RateLimiter, TakesABurstThenItsRate) {
  RateLimiter limit(10 * kMs, 3, 8, 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limit.take(7, 0));
  EXPECT_FALSE(limit.take(7, 0));
  EXPECT_FALSE(limit.take(7, 10 * kMs - 1));
  EXPECT_TRUE(limit.take(7, 10 * kMs));
  EXPECT_FALSE(limit.take(7, 10 * kMs));
}

TEST(RateLimiter, KeysHaveBucketsOfTheirOwn) {
  RateLimiter limit(10 * kMs, 1, 64, 1);
  for (uint64_t key = 0; key < 5; ++key) {
    EXPECT_TRUE(limit.take(key, 0));
    EXPECT_FALSE(limit.take(key, 0));
  }
}

TEST(RateLimiter, AFullTableForgetsOnlyTheFullest) {
  RateLimiter limit(10 * kMs, 4, 8, 1);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(limit.take(100, 0));  // empty: the last to be forgotten
  for (uint64_t key = 1000; key < 2000; ++key) EXPECT_TRUE(limit.take(key, 0));
  EXPECT_EQ(limit.buckets(), 8u);
  EXPECT_GT(limit.forgotten(), 900u);
  EXPECT_FALSE(limit.take(100, 0));
}

// The textbook bucket: tokens as a number, refilled by elapsed time.
struct Bucket {
  double tokens;
  int64_t last_ns;
};

RC_GTEST_PROP(RateLimiter, IsATokenBucketForEachKey, ()) {
  const int64_t interval_ns = *rc::gen::inRange<int64_t>(1, 1000);
  const uint32_t burst = *rc::gen::inRange<uint32_t>(1, 6);
  RateLimiter limit(interval_ns, burst, 4096, *rc::gen::arbitrary<uint64_t>());
  std::map<uint64_t, Bucket> model;
  int64_t now_ns = 0;
  for (const int64_t step :
       *rc::gen::container<std::vector<int64_t>>(rc::gen::inRange<int64_t>(0, 700))) {
    now_ns += step;
    const uint64_t key = *rc::gen::inRange<uint64_t>(0, 4);
    Bucket& bucket = model.try_emplace(key, Bucket{double(burst), now_ns}).first->second;
    bucket.tokens = std::min<double>(
        burst, bucket.tokens + double(now_ns - bucket.last_ns) / double(interval_ns));
    bucket.last_ns = now_ns;
    const bool allowed = bucket.tokens > 1 - 1e-9;
    if (allowed) bucket.tokens -= 1;
    RC_ASSERT(limit.take(key, now_ns) == allowed);
  }
}

}  // namespace
}  // namespace hookline::filter
