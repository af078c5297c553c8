#include "config/nearest.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace hookline::config {
namespace {

TEST(NearestTest, Distance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("subnet", "subnet"), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("subnt", "subnet"), 1u);
  EXPECT_EQ(edit_distance("sunbet", "subnet"), 1u);  // neighbours swapped
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

TEST(NearestTest, OnlySlipsAreNear) {
  constexpr std::array<std::string_view, 3> kKnown = {"subnet", "ranges", "exclude"};
  EXPECT_EQ(nearest("range", kKnown), "ranges");
  EXPECT_EQ(nearest("Subnet", kKnown), "subnet");
  EXPECT_EQ(nearest("subscope", kKnown), std::nullopt);
  EXPECT_EQ(nearest("", kKnown), std::nullopt);
  EXPECT_EQ(nearest(std::string(100, 'x'), kKnown), std::nullopt);
}

}  // namespace
}  // namespace hookline::config
