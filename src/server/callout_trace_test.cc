#include "server/callout_trace.h"

#include <gtest/gtest.h>

namespace hookline::server {
namespace {

std::string change(std::string_view before, std::string_view after) {
  return describe_change(as_bytes(before), as_bytes(after));
}

TEST(CalloutTrace, SaysWhereOldAndNew) {
  EXPECT_EQ(change("abcdef", "abXYef"), "6 bytes, @2: 6364 -> 5859");
  EXPECT_EQ(change("aXc", "abY"), "3 bytes, @1: 5863 -> 6259");
  EXPECT_EQ(change("abc", "abcde"), "3 -> 5 bytes, @3: (nothing) -> 6465");
  EXPECT_EQ(change("abcde", "abc"), "5 -> 3 bytes, @3: 6465 -> (nothing)");
}

TEST(CalloutTrace, IsBounded) {
  EXPECT_EQ(change(std::string(40, 'a'), std::string(40, 'b')),
            "40 bytes, @0: " + to_hex(as_bytes(std::string(16, 'a'))) + "... (40 bytes) -> " +
                to_hex(as_bytes(std::string(16, 'b'))) + "... (40 bytes)");
  std::string before(100, 'a');
  std::string after = before;
  for (size_t i = 0; i < after.size(); i += 2) after[i] = 'b';
  const std::string text = change(before, after);
  EXPECT_EQ(std::count(text.begin(), text.end(), '@'), 8);
  EXPECT_TRUE(text.ends_with(", ..."));
}

}  // namespace
}  // namespace hookline::server
