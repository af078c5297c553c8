#include "config/nesting.h"

#include <gtest/gtest.h>

#include "config/testing.h"

namespace hookline::config {
namespace {

std::string path(size_t dots) {
  std::string out = "a";
  for (size_t i = 0; i < dots; ++i) out += ".a";
  return out;
}

std::string deep(const std::string& text) {
  const auto at = find_deep_nesting(text);
  return at ? std::to_string(at->line) + ":" + std::to_string(at->column) : "no";
}

TEST(NestingTest, DottedKeysAreBounded) {
  EXPECT_EQ(deep(path(kConfigDotsMax) + " = 1\n"), "no");
  EXPECT_EQ(deep("x = 1\n" + path(kConfigDotsMax + 1) + " = 1\n"), "2:2050");
  EXPECT_EQ(deep("[" + path(kConfigDotsMax + 1) + "]\n"), "1:2051");
  EXPECT_EQ(deep("a = { " + path(kConfigDotsMax + 1) + " = 1 }\n"), "1:2056");
  EXPECT_EQ(deep("a = [ # x\n{ " + path(kConfigDotsMax / 2) + " = [\n{ " + path(kConfigDotsMax) +
                 " = 1 } ] } ]\n"),
            "3:1028");
}

TEST(NestingTest, OtherDotsDoNotCount) {
  const std::string dots(2 * kConfigDotsMax, '.');
  for (const std::string& text :
       {"a = \"" + dots + "\"\n", "a = '" + dots + "'\n", "a = \"\"\"\n" + dots + "\n\"\"\"\n",
        "a = '''\n" + dots + "'''", "# " + dots + "\n", "a = 1 # " + dots,
        "a = \"\\\"" + dots + "\"", "a = ['" + dots + "', \"" + dots + "\"]"}) {
    EXPECT_EQ(deep(text), "no") << text;
  }
  std::string lines;
  for (size_t i = 0; i < kConfigDotsMax; ++i) lines += "[a.b.c]\nd.e = [1.5,\n 2.5]\n";
  EXPECT_EQ(deep(lines), "no");
  EXPECT_EQ(deep("a = [1,\n" + lines), "no");  // another error, which the parser words better
}

TEST(NestingTest, BoundedDepthLoads) {
  const std::string levels = path(kConfigDotsMax);
  EXPECT_EQ(problems_of("[" + levels + "]\n" + levels + " = 1\n").size(), 3u);
  EXPECT_EQ(problems_of(path(100'000) + " = 1\n"),
            (std::vector<std::string>{"error f:1:2050: lists and tables are nested too deeply"}));
}

}  // namespace
}  // namespace hookline::config
