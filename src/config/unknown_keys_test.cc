// A misspelt key is an error at every level, and the right one is named.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include "config/schema.h"
#include "config/testing.h"

namespace hookline::config {
namespace {

// A whole configuration with `line` in the table of `section`, and the number of that line.
struct Placed {
  std::string text;
  int line = 0;
};

constexpr std::string_view kLevels[] = {
    "[leases]\n",
    "[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n",
    "[scope.boot]\n",
    "[[scope.boot.match]]\narchitecture = 1\n",
    "[[scope.reservation]]\nclient-id = \"x\"\naddress = \"10.0.0.7\"\n",
    "[callouts]\n",
    "[[callouts.dll]]\npath = \"a.so\"\n",
    "[callouts.dll.restart]\n",
    "[filter]\n",
    "[[filter.rule]]\naction = \"block\"\n",
    "[filter.rule.when]\n",
    "[[filter.driver]]\npath = \"a.so\"\n",
    "[leasequery]\n",
};
constexpr Section kSections[] = {
    Section::Leases,      Section::Scope,      Section::Boot,       Section::BootMatch,
    Section::Reservation, Section::Callouts,   Section::CalloutDll, Section::CalloutRestart,
    Section::Filter,      Section::FilterRule, Section::FilterWhen, Section::FilterDriver,
    Section::LeaseQuery};

Placed with_line(Section section, const std::string& line) {
  Placed out;
  const auto put = [&] {
    out.line = 1 + static_cast<int>(std::count(out.text.begin(), out.text.end(), '\n'));
    out.text += line + "\n";
  };
  if (section == Section::File) put();
  out.text += kServer;
  if (section == Section::Server) put();
  for (size_t i = 0; i < std::size(kLevels); ++i) {
    out.text += kLevels[i];
    if (section == kSections[i]) put();
  }
  return out;
}

TEST(UnknownKeysTest, EveryKeyMisspelt) {
  for (const Key& key : schema()) {
    // A letter too many, as a hand slips.
    const Placed placed = with_line(key.section, fmt::format("x{} = 1", key.name));
    const auto problems = problems_of(placed.text);
    ASSERT_FALSE(problems.empty()) << placed.text;
    EXPECT_EQ(problems[0], fmt::format("error f:{}:1: unknown key \"x{}\" {}; did you mean \"{}\"?",
                                       placed.line, key.name, place_of(key.section), key.name));
  }
}

TEST(UnknownKeysTest, ReservationsHaveTheBootOfScopes) {
  const auto problems =
      problems_of(kScope +
                  "[[scope.reservation]]\nclient-id = \"x\"\naddress = \"10.0.0.7\"\n"
                  "[scope.reservation.boot]\nfiel = \"a\"\n"
                  "[[scope.reservation.boot.match]]\narchitecture = 1\nfiles = \"b\"\n");
  EXPECT_EQ(problems, (std::vector<std::string>{
                          "error f:10:1: unknown key \"fiel\" in [scope.boot]; did you mean "
                          "\"file\"?",
                          "error f:13:1: unknown key \"files\" in [[scope.boot.match]]; did you "
                          "mean \"file\"?"}));
}

const Case kCases[] = {
    {"NothingNear",
     kServer + "zzzzzz = 1\n" + kScope.substr(kServer.size()),
     {"error f:3:1: unknown key \"zzzzzz\" in [server]; known are interfaces, state-dir, control, "
      "user, authoritative, authorized, max-packet-age"}},
    {"Underscores",
     kServer + "state_dir = \"/x\"\n" + kScope.substr(kServer.size()),
     {"error f:3:1: unknown key \"state_dir\" in [server]; did you mean \"state-dir\"?"}},
    {"OfAnotherTable",
     kServer + "offer-hold = \"1m\"\n" + kScope.substr(kServer.size()),
     {"error f:3:1: unknown key \"offer-hold\" in [server]; it belongs in [leases]"}},
    {"OfAnotherServer",
     kScope + "default-lease-time = \"1h\"\n[[scope.reservation]]\nmac = \"02:00:00:00:00:07\"\n"
              "fixed-address = \"10.0.0.7\"\n",
     {"error f:6:1: unknown key \"default-lease-time\" in [[scope]]; here it is \"lease-time\"",
      "error f:7:1: [[scope.reservation]] does not say whose it is: expected hw-address, "
      "client-id, circuit-id or remote-id",
      "error f:7:1: [[scope.reservation]] has no \"address\": expected an IPv4 address, such as "
      "\"10.77.0.7\"",
      "error f:8:1: unknown key \"mac\" in [[scope.reservation]]; here it is \"hw-address\"",
      "error f:9:1: unknown key \"fixed-address\" in [[scope.reservation]]; here it is "
      "\"address\""}},
    {"AnOption",
     kScope + "routers = \"10.0.0.1\"\n",
     {"error f:6:1: unknown key \"routers\" in [[scope]]; it is an option and belongs in an "
      "options table, such as [scope.options]"}},
    {"TableAtTheTop",
     kScope + "[[reservation]]\naddress = \"10.0.0.7\"\n[boot]\nfile = \"x\"\n",
     {"error f:6:3: unknown key \"reservation\" at the top of the file; it is "
      "[[scope.reservation]]",
      "error f:8:2: unknown key \"boot\" at the top of the file; it is [scope.boot]"}},
    {"NoControlCharactersInMessages",
     kServer + "\"a\\u001b[31m\\n\" = 1\n" + kScope.substr(kServer.size()),
     {"error f:3:1: unknown key \"a?[31m?\" in [server]; known are interfaces, state-dir, control, "
      "user, authoritative, authorized, max-packet-age"}},
};

class UnknownKeysCaseTest : public testing::TestWithParam<Case> {};

TEST_P(UnknownKeysCaseTest, ReportsExactly) {
  EXPECT_EQ(problems_of(GetParam().text), GetParam().problems);
}

INSTANTIATE_TEST_SUITE_P(Config, UnknownKeysCaseTest, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace hookline::config
