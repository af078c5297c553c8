// Each limit of a configuration is reached, and one more is refused.
#include "base/limits.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <memory>

#include "config/draft.h"
#include "config/scope_key.h"
#include "config/testing.h"

namespace hookline::config {
namespace {

std::string scopes(size_t count) {
  std::string text = kServer;
  for (size_t i = 0; i < count; ++i) {
    text +=
        fmt::format("[[scope]]\nid = \"s{}\"\nsubnet = \"10.{}.{}.0/24\"\n", i, i >> 8, i & 255);
  }
  return text;
}

TEST(LimitsTest, Scopes) {
  EXPECT_EQ(config_of(scopes(kScopesMax))->scopes.size(), kScopesMax);
  EXPECT_EQ(problems_of(scopes(kScopesMax + 1)),
            (std::vector<std::string>{
                fmt::format("error f:{}:1: too many scopes: at most 8192", 3 + 3 * kScopesMax)}));
}

TEST(LimitsTest, ReservationsOfAllScopesTogether) {
  std::string text = scopes(2);
  const auto reserve = [&](int host) {
    text += fmt::format("[[scope.reservation]]\nclient-id = \"{}\"\naddress = \"10.0.1.{}\"\n",
                        host, host);
  };
  reserve(1);
  reserve(2);
  const auto errors_with = [&](size_t max) {
    Problems problems("f");
    (void)decode(toml::parse(std::string_view(text)), problems, max);
    Loaded out;
    problems.hand_over(out);
    return out.errors;
  };
  EXPECT_TRUE(errors_with(2).empty());
  const auto errors = errors_with(1);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(format(errors[0]), "f:12:1: too many reservations in all scopes together");
}

TEST(LimitsTest, Addresses) {
  std::string text = kServer;
  const auto add = [&](int net) {
    text += fmt::format(
        "[[scope]]\nid = \"s{0}\"\nsubnet = \"{0}.0.0.0/8\"\n"
        "ranges = \"{0}.0.0.1-{0}.255.255.254\"\n",
        net);
  };
  for (int net = 10; net < 14; ++net) add(net);
  EXPECT_EQ(config_of(text)->scopes.size(), 4u);
  add(14);
  EXPECT_EQ(problems_of(text),
            (std::vector<std::string>{"error f:22:10: ranges: 83886070 addresses up to here; at "
                                      "most 67108864 in all scopes together"}));
}

TEST(LimitsTest, Interfaces) {
  std::string names;
  for (size_t i = 0; i < kInterfacesMax; ++i) names += fmt::format("\"eth{}\", ", i);
  const std::string rest = kScope.substr(kServer.size());
  EXPECT_EQ(config_of("[server]\ninterfaces = [" + names + "]\n" + rest)->server.interfaces.size(),
            kInterfacesMax);
  const auto problems = problems_of("[server]\ninterfaces = [" + names + "\"one-more\"]\n" + rest);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_TRUE(problems[0].ends_with("interfaces: at most 256")) << problems[0];
}

TEST(LimitsTest, ScopeId) {
  const std::string id(kScopeIdBytesMax, 'x');
  EXPECT_EQ(config_of(kServer + "[[scope]]\nid = \"" + id + "\"\nsubnet = \"10.0.0.0/24\"\n")
                ->scopes[0]
                .id,
            id);
}

TEST(LimitsTest, QueryListeners) {
  const auto listening = [](size_t count) {
    std::string list;
    for (size_t i = 0; i < count; ++i) list += fmt::format("{}, ", 6700 + i);
    return kServer + "[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n[leasequery]\n" +
           "allow = [\"10.0.0.2\"]\nlisten = [" + list + "]\n";
  };
  const auto config = config_of(listening(kQueryListenersMax));
  EXPECT_EQ(config->leasequery.listen.size(), kQueryListenersMax);
  EXPECT_EQ(config->leasequery.listen[1], (Endpoint{{}, 6701}));
  EXPECT_EQ(load_text(listening(kQueryListenersMax + 1), "f").errors.size(), 1u);
}

TEST(LimitsTest, Problems) {
  std::string text = kServer;
  for (size_t i = 0; i < kProblemsMax + 10; ++i) text += fmt::format("x{} = 1\n", i);
  EXPECT_EQ(load_text(text, "f").errors.size(), kProblemsMax);
}

TEST(LimitsTest, Bytes) {
  // Only its size is looked at.
  const std::unique_ptr<char[]> text(new char[kConfigBytesMax + 1]);
  const Loaded loaded = load_text({text.get(), kConfigBytesMax + 1}, "f");
  ASSERT_EQ(loaded.errors.size(), 1u);
  EXPECT_EQ(format(loaded.errors[0]), "f: the file has more than 268435456 bytes");
}

TEST(LimitsTest, Nesting) {
  EXPECT_EQ(problems_of("a = " + std::string(10000, '[')),
            (std::vector<std::string>{"error f:1:261: lists and tables are nested too deeply"}));
}

// Two ids with the same FNV-1a, found by trying.
TEST(LimitsTest, KeysOfScopesDiffer) {
  ASSERT_EQ(scope_key("floor-93389"), scope_key("floor-1116380"));
  EXPECT_EQ(problems_of(kServer + "[[scope]]\nid = \"floor-93389\"\nsubnet = \"10.0.0.0/24\"\n"
                                  "[[scope]]\nid = \"floor-1116380\"\nsubnet = \"10.0.1.0/24\"\n"),
            (std::vector<std::string>{
                "error f:7:6: id: lease records could not tell \"floor-1116380\" from "
                "\"floor-93389\" (line 4): both have the key f55d9526; expected another id"}));
}

}  // namespace
}  // namespace hookline::config
