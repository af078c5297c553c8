#include "lease/lease_clock.h"

#include <gtest/gtest.h>

namespace hookline::lease {
namespace {

constexpr int64_t kWall = 1'800'000'000;
int64_t s(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

TEST(LeaseClock, StartsAtTheWallClock) {
  LeaseClock clock;
  EXPECT_EQ(clock.read(s(10), s(kWall)).lease_s, kWall);
  EXPECT_EQ(clock.read(s(70), s(kWall + 60)).lease_s, kWall + 60);
  EXPECT_EQ(clock.read(s(70), s(kWall + 60)).boot_ns, s(70));
  EXPECT_FALSE(clock.take_step().has_value());
  EXPECT_EQ(clock.wall_of(kWall + 60), kWall + 60);
}

TEST(LeaseClock, FollowsTheDriftOfTheWallClock) {
  LeaseClock clock;
  clock.read(0, s(kWall));
  for (int i = 1; i <= 100; ++i) {  // the boot clock is 1 % slow
    EXPECT_EQ(clock.read(s(i * 0.99 * 100), s(kWall + i * 100)).lease_s, kWall + i * 100);
  }
  EXPECT_FALSE(clock.take_step().has_value());
}

TEST(LeaseClock, ADriftBackwardsMakesItStand) {
  LeaseClock clock;
  clock.read(0, s(kWall));
  EXPECT_EQ(clock.read(s(1), s(kWall - 1)).lease_s, kWall);
  EXPECT_EQ(clock.read(s(2), s(kWall)).lease_s, kWall);
  EXPECT_EQ(clock.read(s(3), s(kWall + 1)).lease_s, kWall + 1);
}

TEST(LeaseClock, CountsSuspend) {
  LeaseClock clock;
  clock.read(s(10), s(kWall));
  // Both clocks went on while the machine slept.
  EXPECT_EQ(clock.read(s(10 + 28800), s(kWall + 28800)).lease_s, kWall + 28800);
  EXPECT_FALSE(clock.take_step().has_value());
}

TEST(LeaseClock, StepsAreNotFollowedUntilTheyAreRecorded) {
  for (const int64_t step : {int64_t{3600}, int64_t{-3600}, int64_t{3}, int64_t{-3}}) {
    LeaseClock clock;
    clock.read(s(10), s(kWall));
    EXPECT_EQ(clock.read(s(20), s(kWall + 10 + step)).lease_s, kWall + 10);
    EXPECT_EQ(clock.take_step(), step);
    EXPECT_FALSE(clock.take_step().has_value()) << "once";
    EXPECT_EQ(clock.wall_of(kWall + 10), kWall + 10 + step);
    EXPECT_EQ(clock.read(s(21), s(kWall + 11 + step)).lease_s, kWall + 11);
    EXPECT_EQ(clock.follow(step).lease_s, kWall + 11 + step);
    EXPECT_EQ(clock.wall_of(kWall), kWall);
    EXPECT_EQ(clock.read(s(22), s(kWall + 12 + step)).lease_s, kWall + 12 + step);
    EXPECT_FALSE(clock.take_step().has_value());
  }
}

TEST(LeaseClock, AStepThatIsTakenBack) {
  LeaseClock clock;
  clock.read(s(0), s(kWall));
  clock.read(s(1), s(kWall + 1001));
  clock.read(s(2), s(kWall + 2));
  EXPECT_FALSE(clock.take_step().has_value());
  EXPECT_EQ(clock.ahead_s(), 0);
}

TEST(LeaseClock, RestartWithAWallClockBehindTheJournal) {
  LeaseClock clock(kWall + 500);
  EXPECT_EQ(clock.read(s(1), s(1000)).lease_s, kWall + 500);
  EXPECT_EQ(clock.read(s(11), s(1010)).lease_s, kWall + 510);
  EXPECT_FALSE(clock.take_step().has_value()) << "the clock may just not be set yet";
  EXPECT_EQ(clock.wall_of(kWall + 500), 1000);
  // NTP sets it: 90 seconds after the last record, of which we saw 20.
  EXPECT_EQ(clock.read(s(21), s(kWall + 590)).lease_s, kWall + 520);
  EXPECT_EQ(clock.take_step(), 70);
  EXPECT_EQ(clock.follow(70).lease_s, kWall + 590);
}

TEST(LeaseClock, NeverIsNeverATime) {
  LeaseClock clock;
  EXPECT_EQ(clock.read(0, 0).lease_s, 1u);
}

}  // namespace
}  // namespace hookline::lease
