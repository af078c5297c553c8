#include "config/duration.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/limits.h"

namespace hookline::config {
namespace {

TEST(DurationTest, Reads) {
  EXPECT_EQ(parse_duration("0s"), 0u);
  EXPECT_EQ(parse_duration("30s"), 30u);
  EXPECT_EQ(parse_duration("5m"), 300u);
  EXPECT_EQ(parse_duration("8h"), 28800u);
  EXPECT_EQ(parse_duration("1d"), 86400u);
  EXPECT_EQ(parse_duration("2w"), 1209600u);
  EXPECT_EQ(parse_duration("1h30m"), 5400u);
  EXPECT_EQ(parse_duration("1w2d3h4m5s"), 788645u);
  EXPECT_EQ(parse_duration("90m"), 5400u);
  EXPECT_EQ(parse_duration("infinite"), kLeaseTimeInfinite);
  EXPECT_EQ(parse_duration("4294967294s"), kLeaseTimeInfinite - 1);
}

TEST(DurationTest, Refuses) {
  for (const char* text : {"",
                           "8",
                           "h",
                           "8x",
                           "8 h",
                           " 8h",
                           "8h ",
                           "-8h",
                           "+8h",
                           "1.5h",
                           "30m1h",
                           "1h1h",
                           "1hh",
                           "8H",
                           "4294967295s",
                           "4294967296s",
                           "9999999999999999999w",
                           "7102w",
                           "Infinite",
                           "infinite ",
                           "8h30",
                           "0x8h"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(DurationTest, ReadsFine) {
  EXPECT_EQ(parse_fine_duration("500us"), 500'000);
  EXPECT_EQ(parse_fine_duration("20ms"), 20'000'000);
  EXPECT_EQ(parse_fine_duration("1h"), 3600 * kNsPerSecond);
  EXPECT_EQ(parse_fine_duration("1000h"), 1000 * 3600 * kNsPerSecond);
  for (const char* text : {"1001h", "4294967295h", "1h30m", "h", "1", "1d", "-1s"}) {
    EXPECT_EQ(parse_fine_duration(text), std::nullopt) << text;
  }
  EXPECT_EQ(fine_duration_text(3600 * kNsPerSecond), "1h");
  EXPECT_EQ(fine_duration_text(90 * kNsPerSecond), "90s");
}

TEST(DurationTest, Text) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(5400), "1h30m");
  EXPECT_EQ(duration_text(7 * 86400), "1w");
  EXPECT_EQ(duration_text(kLeaseTimeInfinite), "infinite");
}

RC_GTEST_PROP(DurationTest, TextReadsBack, (uint32_t seconds)) {
  RC_ASSERT(parse_duration(duration_text(seconds)) == seconds);
}

RC_GTEST_PROP(DurationTest, NeverReadsBeyondItsText, (const std::string& text)) {
  const auto seconds = parse_duration(text);
  if (seconds) RC_ASSERT(parse_duration(duration_text(*seconds)) == seconds);
}

bool same(const std::optional<LeasePoint>& a, const LeasePoint& b) {
  return a && a->is_share == b.is_share && a->share_ppm == b.share_ppm && a->seconds == b.seconds;
}

TEST(LeasePointTest, Reads) {
  EXPECT_TRUE(same(parse_lease_point("50%"), {true, 500'000, 0}));
  EXPECT_TRUE(same(parse_lease_point("87.5%"), {true, 875'000, 0}));
  EXPECT_TRUE(same(parse_lease_point("100%"), {true, 1'000'000, 0}));
  EXPECT_TRUE(same(parse_lease_point("0.0001%"), {true, 1, 0}));
  EXPECT_TRUE(same(parse_lease_point("30m"), {false, 0, 1800}));
}

TEST(LeasePointTest, Refuses) {
  for (const char* text : {"", "%", "0%", "0.0000%", "100.0001%", "101%", "50", "50 %", "-5%",
                           "87,5%", "87.%", ".5%", "87.50000%", "5%%", "1h%", "8x"}) {
    EXPECT_EQ(parse_lease_point(text).has_value(), false) << text;
  }
}

RC_GTEST_PROP(LeasePointTest, TextReadsBack, ()) {
  const bool is_share = *rc::gen::arbitrary<bool>();
  LeasePoint point{is_share, 0, 0};
  if (is_share) {
    point.share_ppm = *rc::gen::inRange<uint32_t>(1, 1'000'001);
  } else {
    point.seconds = *rc::gen::arbitrary<uint32_t>();
  }
  RC_ASSERT(same(parse_lease_point(lease_point_text(point)), point));
}

}  // namespace
}  // namespace hookline::config
