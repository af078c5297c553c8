// A Windows DLL, tests/zoo cross-built, in helpers that are Wine's: it is asked what its native
// twin is asked, and faults where that would end.
#include <utility>

#include "hosted/testing.h"
#include "hosted/wine.h"
#include "io/linux/wine.h"

namespace hookline::callout {
namespace {

using testing::HostedTest;
using testing::kRequestBytes;
using testing::kSlots;

// Not root, which cannot have a root folder of its own (io/linux/jail.h).
io::LinuxHelpers& helpers() {
  static const auto opened = [] {
    auto made = io::LinuxHelpers::open({HOOKLINE_HOST, "nobody"});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().text);
    return std::move(*made);
  }();
  return *opened;
}

class Wine : public HostedTest {
 protected:
  Wine() : HostedTest(helpers(), ZOO_DLL) {}
  void SetUp() override {
#ifdef HOOKLINE_SANITIZED
    GTEST_SKIP() << "a helper with a sanitizer does not become Wine's";
#endif
    if (std::string_view(ZOO_DLL).empty()) GTEST_SKIP() << "no mingw-w64: no DLLs were built";
    if (auto found = io::look_for_wine(ZOO_DLL); !found) GTEST_SKIP() << found.error().text;
    config_.hosting.place = CalloutPlace::Wine;
    config_.dir = std::string(ZOO_DLL).substr(0, std::string_view(ZOO_DLL).rfind('/'));
  }
};

TEST_F(Wine, AnswersComeBack) { check_answers_come_back(); }

TEST(WineRegistry, IsWrittenAsWineReadsIt) {
  CalloutConfig config;
  config.registry = {{"", "List", 1, {0x41, 0, 0, 0}},
                     {"Sub\\[1]", "caf\u00e9 \"x\"", 4, {1, 0, 0, 0}},
                     {"", "", 7, {}}};
  config.registry_subkeys = {"Sub\\[1]"};
  const std::string text = hosted::system_registry(config);
  const std::string key = "\n[System\\\\CurrentControlSet\\\\Services\\\\DHCPServer\\\\Parameters";
  EXPECT_EQ(text.rfind("WINE REGISTRY Version 2\n", 0), 0u);
  EXPECT_NE(text.find(key + "] 0\n\"List\"=hex(1):41,00,00,00\n@=hex(7):\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find(key + "\\\\Sub\\\\\\[1\\]] 0\n\"caf\\x00e9 \\\"x\\\"\"=hex(4):01,00,00,00\n"),
            std::string::npos)
      << text;
}

TEST_F(Wine, WhatIsNotInstalledIsNamed) {
  const auto found = io::look_for_wine("/no/such/hookline-host.exe");
  ASSERT_FALSE(found.has_value());
  EXPECT_NE(found.error().text.find("/no/such/hookline-host.exe is not installed"),
            std::string::npos);
}

TEST_F(Wine, ABatchIsAnsweredInOneRun) { check_a_batch(); }

TEST_F(Wine, AWindowsDllIsKnownByItsFile) {
  config_.hosting.place = CalloutPlace::Isolated;
  load();
  EXPECT_FALSE(is_lost());
}

TEST_F(Wine, PointersStayGoodUntilProcessed) { check_pointers_stay_good(); }

TEST_F(Wine, StartAndStopReachIt) { check_start_and_stop(); }

TEST_F(Wine, BreachesAreToldAsInProcess) { check_breaches_are_told(); }

TEST_F(Wine, WhatItPrintsIsLoggedHoweverMuch) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_PRINT);
  EXPECT_TRUE(wait_for([&] { return logged("text=\"printed by itself\""); }));
  whole_packet(1, ZOO_NEW_PACKET, ZOO_FLOOD);
  EXPECT_FALSE(is_lost());
  EXPECT_EQ(host_->stats().faults, 0u);
}

TEST_F(Wine, TheSandboxRefusesWhatACalloutHasNoBusinessWith) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_TRY);
  ASSERT_TRUE(wait_for([&] { return logged("exec: "); }));
  EXPECT_FALSE(logged("ALLOWED"));
  for (const char* what : {"read /etc/passwd", "read past the drives", "write /usr",
                           "write beside it", "see other processes", "start a program of Windows",
                           "start a program of Linux", "socket"}) {
    EXPECT_TRUE(logged(std::string(what) + ": refused")) << what;
  }
  EXPECT_EQ(host_->stats().faults, 0u);
}

TEST_F(Wine, WhatTheConfigurationGrantsIsGranted) {
  config_.hosting.readable = {"/etc/passwd"};
  config_.hosting.network = true;
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_TRY);
  ASSERT_TRUE(wait_for([&] { return logged("exec: "); }));
  EXPECT_TRUE(logged("read /etc/passwd: ALLOWED"));
  EXPECT_TRUE(logged("socket: ALLOWED"));
  EXPECT_TRUE(logged("start a program of Windows: refused"));
}

TEST_F(Wine, ScribblingOverTheRingHarmsNobody) {
  config_.hosting.budget_ns = 100'000'000;
  load();
  for (int hook = ZOO_NEW_PACKET; hook <= ZOO_DELETE_CLIENT; ++hook) {
    const uint64_t before = host_->stats().faults;
    whole_packet(static_cast<uint32_t>(hook), hook, ZOO_SCRIBBLE);
    whole_packet(20, 0, 0);
    ASSERT_TRUE(wait_for([&] { return host_->stats().faults > before; })) << "hook " << hook;
    ASSERT_TRUE(serves_again());
  }
  EXPECT_TRUE(logged("nonsense"));
}

TEST_F(Wine, AThreadThatFaultsIsReportedAsSuch) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_THREAD);
  ASSERT_TRUE(wait_for([&] { return host_->faults().size() == 1; }));
  const std::string what = host_->faults()[0].what;
  EXPECT_NE(what.find("exception 0xC0000005 (access violation)"), std::string::npos) << what;
  EXPECT_NE(what.find("at zoo.dll+0x"), std::string::npos) << what;
  EXPECT_NE(what.find("on a thread of its own"), std::string::npos) << what;
  EXPECT_TRUE(serves_again());
}

// As Windows' DHCP server does it: said once, and it serves on.
TEST_F(Wine, AFaultThatIsCaughtIsReportedWithItsPacket) {
  load();
  whole_packet(1, ZOO_OPTIONS, ZOO_NULL);
  ASSERT_TRUE(wait_for([&] { return host_->faults().size() == 1; }));
  const FaultReport report = host_->faults()[0];
  EXPECT_EQ(report.hook, "DhcpHandleOptionsHook");
  EXPECT_NE(
      report.what.find("exception 0xC0000005 (access violation): address 0x10, at zoo.dll+0x"),
      std::string::npos)
      << report.what;
  Sent same = packet(Hook::NewPkt, 1, 0x5a, ZOO_OPTIONS, ZOO_NULL);
  EXPECT_TRUE(equal(report.request, Bytes(same.bytes).first(kRequestBytes)));
  const std::string text = logged();
  const size_t first = text.find("event=1031");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("event=1031", first + 1), std::string::npos);
}

TEST_F(Wine, AGoneHelperIsReplaced) {
  load();
  Sent kept = packet(Hook::NewPkt, 9, 0x5b, ZOO_KEEP);
  run(kept);
  whole_packet(1, ZOO_NEW_PACKET, ZOO_KILL);
  ASSERT_TRUE(serves_again());
  EXPECT_TRUE(logged("callout restarted"));
}

TEST_F(Wine, TheRegistryIsTheCallouts) {
  set_value("ZooEntry", {0});
  EXPECT_NE(loader().load(config_).failures.at(0).find("ERROR_ACCESS_DENIED"), std::string::npos);
}

TEST_F(Wine, FailuresOfLoadingSayWhy) {
  const auto failure = [&] { return loader().load(config_).failures.at(0); };
  for (const int act : {ZOO_NULL, ZOO_EXIT, ZOO_ABORT}) {
    config_.registry.clear();
    set_value("ZooEntry", {static_cast<uint8_t>(act)});
    const std::string why = failure();
    EXPECT_NE(why.find(act == ZOO_NULL ? "its entry point faulted: exception 0xC0000005"
                                       : "while it was loaded it "),
              std::string::npos)
        << why;
  }
  EXPECT_TRUE(logged("event=1032"));
  config_.registry.clear();
  config_.names = {"/no/such.dll"};
  EXPECT_NE(failure().find("No such file"), std::string::npos);
  config_.names = {ZOO};
  EXPECT_NE(failure().find("not a Windows DLL"), std::string::npos) << failure();
}

TEST_F(Wine, OneThatHangsInStopDoesNotHoldUpTheServer) {
  config_.hosting.budget_ns = 50'000'000;
  set_value("ZooControl", {2, ZOO_HANG});
  load();
  control(Control::Stop);
  host_.reset();
  EXPECT_TRUE(logged("event=1031"));
}

TEST_F(Wine, WhatItMayTryItMayTry) {
  load();
  int hook = ZOO_NEW_PACKET;
  for (const int act : {ZOO_FREE, ZOO_HEAP, ZOO_EXEC, ZOO_OPEN, ZOO_CONNECT, ZOO_FORK}) {
    whole_packet(1, hook, act);
    ASSERT_TRUE(serves_again()) << act;
    hook = hook == ZOO_DELETE_CLIENT ? ZOO_NEW_PACKET : hook + 1;
  }
  EXPECT_FALSE(logged("ALLOWED"));
}

TEST_F(Wine, AnExceptionOnAThreadOfItsOwnIsReported) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_UNCAUGHT);
  ASSERT_TRUE(wait_for([&] { return host_->faults().size() == 1; }));
  const std::string what = host_->faults()[0].what;
  EXPECT_NE(what.find("exception 0xE06D7363"), std::string::npos) << what;
  EXPECT_TRUE(serves_again());
}

// What Windows catches, and so does its host: the next packet is served by the same process.
class Caught : public Wine, public ::testing::WithParamInterface<std::pair<int, const char*>> {};

TEST_P(Caught, TheHookIsLeftAndServingGoesOn) {
  load();
  for (int hook = ZOO_NEW_PACKET; hook <= ZOO_DELETE_CLIENT; ++hook) {
    whole_packet(static_cast<uint32_t>(hook), hook, GetParam().first);
    ASSERT_FALSE(is_lost()) << "hook " << hook;
    const HostStats stats = host_->stats();
    EXPECT_EQ(stats.by_hook[static_cast<size_t>(hook)].breaches[3], 1u) << "hook " << hook;
    EXPECT_EQ(stats.faults, 0u);
  }
  EXPECT_TRUE(logged(GetParam().second)) << logged();
}

INSTANTIATE_TEST_SUITE_P(Zoo, Caught,
                         ::testing::Values(std::pair(ZOO_NULL, "0xC0000005"),
                                           std::pair(ZOO_DIVIDE, "0xC0000094"),
                                           std::pair(ZOO_TRAP, "0xC000001D"),
                                           std::pair(ZOO_THROW, "0xE06D7363")));

// What nobody can catch ends the helper.
class Ends : public Wine, public ::testing::WithParamInterface<int> {};

TEST_P(Ends, TheServerGoesOn) {
  const int act = GetParam();
  if (act == ZOO_HANG || act == ZOO_SLEEP || act == ZOO_LATE)
    config_.hosting.budget_ns = 50'000'000;
  load();
  for (int hook = ZOO_NEW_PACKET; hook <= ZOO_DELETE_CLIENT; ++hook) {
    const uint64_t before = host_->stats().faults;
    whole_packet(static_cast<uint32_t>(hook), hook, act);
    ASSERT_TRUE(wait_for([&] { return host_->stats().faults > before; })) << "hook " << hook;
    ASSERT_TRUE(wait_for([&] { return host_->faults().size() >= size_t(hook); })) << hook;
    if (act != ZOO_CLOSE) {
      EXPECT_EQ(host_->faults().back().hook, hook_name(static_cast<Hook>(hook)))
          << host_->faults().back().what;
    }
    ASSERT_TRUE(serves_again());
  }
}

INSTANTIATE_TEST_SUITE_P(Zoo, Ends,
                         ::testing::Values(ZOO_STACK, ZOO_ABORT, ZOO_EXIT, ZOO_HANG, ZOO_SLEEP,
                                           ZOO_MEMORY, ZOO_CLOSE, ZOO_KILL, ZOO_FAIL_FAST,
                                           ZOO_LATE));

}  // namespace
}  // namespace hookline::callout
