#include "config/changes.h"

#include <fmt/core.h>

#include "config/testing.h"

namespace hookline::config {
namespace {

using Lines = std::vector<std::string>;

Lines changes(const std::string& before, const std::string& after) {
  return describe_changes(*config_of(before), *config_of(after));
}

TEST(ChangesTest, TheSameFileChangesNothing) {
  const std::string text = kScope +
                           "ranges = \"10.0.0.10-10.0.0.20\"\n[scope.options]\nntp-servers = "
                           "\"10.0.0.1\"\n[[scope.reservation]]\nclient-id = \"x\"\naddress = "
                           "\"10.0.0.7\"\n";
  EXPECT_EQ(changes(text, "# a comment\n" + text), Lines{});
  EXPECT_TRUE(needs_restart(*config_of(text), *config_of(text)).empty());
}

TEST(ChangesTest, NamesEveryKey) {
  const std::string after =
      "[server]\ninterfaces = [\"eth0\", \"eth1\"]\nauthoritative = false\nauthorized = false\n"
      "max-packet-age = \"0s\"\n[leases]\noffer-hold = \"2m\"\ndecline-quarantine = \"1d\"\n"
      "conflict-detection = true\nconflict-wait = \"1s\"\nconflict-attempts = 2\n"
      "default-time = \"4h\"\nmin-time = \"1m\"\nmax-time = \"2d\"\nrenew-time = \"1h\"\n"
      "rebind-time = \"90%\"\n[options]\nntp-servers = \"10.0.0.1\"\n[[scope]]\nid = \"a\"\n"
      "subnet = \"10.0.0.0/23\"\nranges = [\"10.0.0.10-10.0.0.20\", \"10.0.1.1\"]\n"
      "exclude = \"10.0.0.15\"\ninterface = \"eth1\"\nsuperscope = \"s\"\nrelays = \"192.0.2.1\"\n"
      "bootp = true\n[scope.boot]\nfile = \"x\"\n[scope.options]\noption-224 = \"hex:01\"\n"
      "[[scope.reservation]]\nclient-id = \"x\"\naddress = \"10.0.0.7\"\n";
  EXPECT_EQ(changes(kScope, after),
            (Lines{"server.interfaces: eth0 becomes eth0, eth1",
                   "server.authoritative: true becomes false",
                   "server.authorized: true becomes false",
                   "server.max-packet-age: 5s becomes 0s",
                   "leases: lease time: 8h becomes 4h",
                   "leases: min-time: 5m becomes 1m",
                   "leases: max-time: 1d becomes 2d",
                   "leases: renew-time: 50% becomes 1h",
                   "leases: rebind-time: 87.5% becomes 90%",
                   "leases.offer-hold: 1m becomes 2m",
                   "leases.decline-quarantine: 1h becomes 1d",
                   "leases.conflict-wait: 500ms becomes 1s",
                   "leases.conflict-attempts: 1 becomes 2",
                   "global options changed: ntp-servers",
                   "scope a: subnet: 10.0.0.0/24 becomes 10.0.0.0/23",
                   "scope a: ranges: nothing becomes 10.0.0.10-10.0.0.20, 10.0.1.1-10.0.1.1",
                   "scope a: exclude: nothing becomes 10.0.0.15-10.0.0.15",
                   "scope a: lease time: 8h becomes 4h",
                   "scope a: min-time: 5m becomes 1m",
                   "scope a: max-time: 1d becomes 2d",
                   "scope a: renew-time: 50% becomes 1h",
                   "scope a: rebind-time: 87.5% becomes 90%",
                   "scope a: interface: nothing becomes eth1",
                   "scope a: superscope: nothing becomes s",
                   "scope a: relays: nothing becomes 192.0.2.1",
                   "scope a: bootp: false becomes true",
                   "scope a: conflict-detection: false becomes true",
                   "scope a: options changed: ntp-servers, option-224",
                   "scope a: boot changed",
                   "scope a: reservations: 1 added, 0 removed, 0 changed"}));
}

TEST(ChangesTest, ScopesComeAndGo) {
  const std::string other = kServer + "[[scope]]\nid = \"b\"\nsubnet = \"10.0.1.0/24\"\n";
  EXPECT_EQ(changes(kScope, other),
            (Lines{"scope b added: 10.0.1.0/24", "scope a removed: 10.0.0.0/24"}));
}

TEST(ChangesTest, CountsReservations) {
  const auto reserve = [](const char* client, const char* address, const char* more = "") {
    return fmt::format("[[scope.reservation]]\nclient-id = \"{}\"\naddress = \"{}\"\n{}", client,
                       address, more);
  };
  const std::string before = kScope + reserve("stays", "10.0.0.1") + reserve("goes", "10.0.0.2") +
                             reserve("moves", "10.0.0.3") + reserve("is-named", "10.0.0.4");
  const std::string after = kScope + reserve("stays", "10.0.0.1") + reserve("moves", "10.0.0.2") +
                            reserve("is-named", "10.0.0.4", "hostname = \"n\"\n") +
                            reserve("comes", "10.0.0.5") + reserve("comes-too", "10.0.0.6");
  EXPECT_EQ(changes(before, after),
            (Lines{"scope a: reservations: 2 added, 1 removed, 2 changed"}));
}

TEST(ChangesTest, LinesHaveALimit) {
  std::string many = kScope;
  for (int i = 1; i <= 100; ++i) {
    many += fmt::format("[[scope]]\nid = \"s{}\"\nsubnet = \"10.1.{}.0/24\"\n", i, i);
  }
  const Lines lines = changes(kScope, many);
  ASSERT_EQ(lines.size(), kChangeLinesMax);
  EXPECT_EQ(lines[62], "scope s63 added: 10.1.63.0/24");
  EXPECT_EQ(lines[63], "and 37 more");
}

TEST(ChangesTest, NamesWhatNeedsARestart) {
  const auto before = config_of(kScope);
  const auto after = config_of(
      "[server]\ninterfaces = \"eth1\"\nstate-dir = \"/x\"\ncontrol = \"/y\"\nuser = \"root\"\n"
      "[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/24\"\n");
  EXPECT_EQ(needs_restart(*before, *after),
            (Lines{"server.state-dir", "server.control", "server.user"}));
  EXPECT_EQ(describe_changes(*before, *after)[1], "server.state-dir: /var/lib/hookline becomes /x");
}

}  // namespace
}  // namespace hookline::config
