// Callouts in real helper processes: what they may do, and what becomes of those that do what they
// must not (tests/zoo/zoo.c).
#include "callout/isolated_host.h"

#include "hosted/testing.h"

namespace hookline::callout {
namespace {

using testing::HostedTest;
using testing::kRequestBytes;
using testing::kSlots;

io::LinuxHelpers& helpers() {
  static const auto opened = [] {
    auto made = io::LinuxHelpers::open({HOOKLINE_HOST, "root"});
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().text);
    return std::move(*made);
  }();
  return *opened;
}

class Isolated : public HostedTest {
 protected:
  Isolated() : HostedTest(helpers(), ZOO) {}
};

TEST_F(Isolated, AnswersComeBack) { check_answers_come_back(); }

TEST_F(Isolated, ABatchIsAnsweredInOneRun) { check_a_batch(); }

TEST_F(Isolated, MoreCallsThanTheRingHoldsKeepTheirOrder) {
  load();
  for (uint32_t i = 0; i < 3 * ring::kRecords; ++i) {
    Sent sent = packet(Hook::NewPkt, i % kSlots, 0x5b, 0);
    run(sent);
    end(i % kSlots);
  }
  Call call;
  call.hook = Hook::DeleteClient;
  std::vector<Call> many(4 * ring::kRecords, call);
  host_->run(many);
  ASSERT_TRUE(wait_for([&] { return host_->stats().by_hook[7].calls == many.size(); }));
  EXPECT_EQ(host_->stats().missed, 0u);
  EXPECT_FALSE(logged("is wrong"));
}

TEST_F(Isolated, PointersStayGoodUntilProcessed) { check_pointers_stay_good(); }

TEST_F(Isolated, StartAndStopReachIt) { check_start_and_stop(); }

TEST_F(Isolated, BreachesAreToldAsInProcess) { check_breaches_are_told(); }

TEST_F(Isolated, WhatItPrintsIsLogged) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_PRINT);
  EXPECT_TRUE(wait_for([&] { return logged("text=\"printed by itself\""); }));
}

TEST_F(Isolated, AFloodOfLinesIsWholeAndHarmsNobody) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_FLOOD);
  EXPECT_FALSE(is_lost());
  EXPECT_EQ(host_->stats().faults, 0u);
}

TEST_F(Isolated, TheSandboxRefusesWhatACalloutHasNoBusinessWith) {
#ifdef HOOKLINE_SANITIZED
  GTEST_SKIP() << "a helper with a sanitizer has no sandbox";
#endif
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_TRY);
  ASSERT_TRUE(wait_for([&] { return logged("exec: "); }));
  EXPECT_FALSE(logged("ALLOWED"));
  for (const char* what : {"read /etc/passwd", "write /tmp", "fork", "signal the parent", "socket",
                           "local socket", "exec"}) {
    EXPECT_TRUE(logged(std::string(what) + ": refused")) << what;
  }
  EXPECT_EQ(host_->stats().faults, 0u);
}

TEST_F(Isolated, WhatTheConfigurationGrantsIsGranted) {
#ifdef HOOKLINE_SANITIZED
  GTEST_SKIP() << "a helper with a sanitizer has no sandbox";
#endif
  config_.hosting.readable = {"/etc/passwd"};
  config_.hosting.network = true;
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_TRY);
  ASSERT_TRUE(wait_for([&] { return logged("exec: "); }));
  EXPECT_TRUE(logged("read /etc/passwd: ALLOWED"));
  EXPECT_TRUE(logged("socket: ALLOWED"));
  EXPECT_TRUE(logged("local socket: refused"));  // the operator's is one
  EXPECT_TRUE(logged("exec: refused"));
}

// The whole ring, over and over: it may lose this callout its packets, and nobody anything else.
TEST_F(Isolated, ScribblingOverTheRingHarmsNobody) {
  config_.hosting.budget_ns = 100'000'000;
  load();
  for (int hook = ZOO_NEW_PACKET; hook <= ZOO_DELETE_CLIENT; ++hook) {
    const uint64_t before = host_->stats().faults;
    whole_packet(static_cast<uint32_t>(hook), hook, ZOO_SCRIBBLE);
    whole_packet(20, 0, 0);
    ASSERT_TRUE(wait_for([&] { return host_->stats().faults > before; })) << "hook " << hook;
    ASSERT_TRUE(serves_again());
  }
  EXPECT_FALSE(logged("no ring"));
  EXPECT_TRUE(logged("nonsense"));
}

TEST_F(Isolated, AThreadThatFaultsIsReportedAsSuch) {
  load();
  whole_packet(1, ZOO_NEW_PACKET, ZOO_THREAD);
  ASSERT_TRUE(wait_for([&] { return host_->faults().size() == 1; }));
  EXPECT_NE(host_->faults()[0].what.find("SIGSEGV"), std::string::npos);
  EXPECT_NE(host_->faults()[0].what.find("on a thread of its own"), std::string::npos);
  EXPECT_TRUE(serves_again());
}

TEST_F(Isolated, TheReportHoldsThePacket) {
  load();
  for (const int hook : {ZOO_NEW_PACKET, ZOO_OPTIONS}) {
    whole_packet(1, hook, ZOO_NULL);
    ASSERT_TRUE(
        wait_for([&] { return host_->faults().size() == (hook == ZOO_OPTIONS ? 2u : 1u); }));
    Sent same = packet(Hook::NewPkt, 1, 0x5a, hook, ZOO_NULL);
    EXPECT_TRUE(equal(host_->faults().back().request, Bytes(same.bytes).first(kRequestBytes)));
    ASSERT_TRUE(serves_again());
  }
}

TEST_F(Isolated, OpenGoesOnAsIfTheHookHadNotBeenCalled) {
  load();
  Sent crash = packet(Hook::NewPkt, 1, 0x5a, ZOO_NEW_PACKET, ZOO_KILL);
  Sent edit = packet(Hook::NewPkt, 2, 0x5b, ZOO_EDIT);
  Call calls[] = {crash.call, edit.call};
  host_->run(calls);
  for (const Call& call : calls) {
    EXPECT_TRUE(call.process_it);
    EXPECT_FALSE(call.changed);
    EXPECT_EQ(call.size, kRequestBytes);
  }
  Sent reply = packet(Hook::PktSend, 1, 0x5b, ZOO_MUTE);
  EXPECT_FALSE(run(reply).changed);
  EXPECT_GE(host_->stats().missed, 3u);
}

TEST_F(Isolated, ClosedDropsWhatNobodyCouldBeAskedAbout) {
  config_.hosting.on_fault = OnFault::Closed;
  config_.hosting.restart_first_ns = 3'000'000'000;
  load();
  Sent earlier = packet(Hook::NewPkt, 3, 0x5b, 0);
  EXPECT_TRUE(run(earlier).process_it);
  Sent crash = packet(Hook::NewPkt, 1, 0x5a, ZOO_NEW_PACKET, ZOO_KILL);
  Sent other = packet(Hook::NewPkt, 2, 0x5b, 0);
  Call calls[] = {crash.call, other.call};
  host_->run(calls);
  EXPECT_FALSE(calls[0].process_it);
  EXPECT_FALSE(calls[1].process_it);
  Sent reply = packet(Hook::PktSend, 3, 0x5b, 0);
  const Call sent = run(reply);
  EXPECT_TRUE(sent.changed);
  EXPECT_EQ(sent.size, 0u);
  Sent later = packet(Hook::NewPkt, 4, 0x5b, 0);
  EXPECT_FALSE(run(later).process_it) << "while it is away";
}

TEST_F(Isolated, APacketOfTheHelperBeforeGetsNoHookOfTheNext) {
  load();
  Sent kept = packet(Hook::NewPkt, 9, 0x5b, ZOO_KEEP);
  run(kept);
  whole_packet(1, ZOO_NEW_PACKET, ZOO_KILL);
  ASSERT_TRUE(serves_again());
  ASSERT_FALSE(is_lost());
  Sent next = packet(Hook::NewPkt, 8, 0x5b, ZOO_EDIT);
  EXPECT_TRUE(run(next).changed) << "and what was asked before is done";
  const uint64_t before = host_->stats().by_hook[2].calls;
  end(9);
  next = packet(Hook::NewPkt, 9, 0x5b, ZOO_EDIT);
  EXPECT_TRUE(run(next).changed);
  EXPECT_EQ(host_->stats().by_hook[2].calls, before) << "PktDrop of the lost packet";
  end(9);
  end(8);
  EXPECT_FALSE(logged("is wrong"));
}

TEST_F(Isolated, StartIsToldToEachHelper) {
  load();
  control(Control::Pause);
  whole_packet(1, ZOO_NEW_PACKET, ZOO_KILL);
  ASSERT_TRUE(serves_again());
  const std::string text = logged();
  const size_t again = text.find("callout restarted");
  ASSERT_NE(again, std::string::npos);
  EXPECT_NE(text.find("text=START", again), std::string::npos);
  EXPECT_NE(text.find("text=control", again), std::string::npos) << "PAUSE";
}

TEST_F(Isolated, OneThatKeepsFailingIsLeftAlone) {
  config_.hosting.faults_max = 3;
  load();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(host_->stats().state, "serving");
    whole_packet(1, ZOO_NEW_PACKET, ZOO_KILL);
    ASSERT_TRUE(wait_for([&] { return host_->stats().state != "restarting"; }));
  }
  EXPECT_EQ(host_->stats().state, "quarantined");
  EXPECT_TRUE(logged("callouts reload"));
  EXPECT_TRUE(is_lost());
  load();  // as an operator does it
  EXPECT_FALSE(is_lost());
}

TEST_F(Isolated, ReportsAreBounded) {
  config_.hosting.restart_longest_ns = 1'000'000;
  load();
  for (size_t i = 0; i < kCalloutFaultsMax + 2; ++i) {
    whole_packet(1, ZOO_NEW_PACKET, ZOO_KILL);
    ASSERT_TRUE(serves_again());
  }
  EXPECT_EQ(host_->faults().size(), kCalloutFaultsMax);
}

TEST_F(Isolated, FailuresOfLoadingSayWhy) {
  config_.names = {"/no/such.so"};
  EXPECT_NE(loader().load(config_).failures.at(0).find("No such file"), std::string::npos);
  config_.names = {ZOO};
  set_value("ZooEntry", {0});
  EXPECT_NE(loader().load(config_).failures.at(0).find("ERROR_ACCESS_DENIED"), std::string::npos);
  for (const int act : {ZOO_NULL, ZOO_EXIT, ZOO_ABORT}) {
    config_.registry.clear();
    set_value("ZooEntry", {static_cast<uint8_t>(act)});
    const std::string why = loader().load(config_).failures.at(0);
    EXPECT_NE(why.find("while it was loaded it "), std::string::npos) << why;
  }
  EXPECT_TRUE(logged("event=1032"));
}

TEST_F(Isolated, CrashesInControlHooksToo) {
  set_value("ZooControl", {4, ZOO_NULL});  // CONTINUE
  load();
  control(Control::Continue);
  ASSERT_TRUE(wait_for([&] { return host_->faults().size() == 1; }));
  EXPECT_EQ(host_->faults()[0].hook, "DhcpControlHook");
  EXPECT_TRUE(serves_again());
}

TEST_F(Isolated, OneThatHangsInStopDoesNotHoldUpTheServer) {
  config_.hosting.budget_ns = 50'000'000;
  set_value("ZooControl", {2, ZOO_HANG});
  load();
  control(Control::Stop);
  host_.reset();
  EXPECT_TRUE(logged("event=1031"));
}

TEST_F(Isolated, OneThatFaultsInStopIsReported) {
  for (const int act : {ZOO_NULL, ZOO_EXIT, ZOO_KILL}) {
    config_.registry.clear();
    set_value("ZooControl", {2, static_cast<uint8_t>(act)});
    load();
    control(Control::Stop);
    host_.reset();
  }
  const std::string text = logged();
  for (const char* what : {"killed by SIGSEGV: address 0x10", "exited with status 3", "SIGKILL"}) {
    EXPECT_NE(text.find(what), std::string::npos) << what;
  }
  EXPECT_TRUE(logged("event=1031"));
  EXPECT_TRUE(logged("hook=DhcpControlHook"));
}

// Every act that ends a helper, in every hook.
class Crashes : public Isolated, public ::testing::WithParamInterface<int> {};

TEST_P(Crashes, TheServerGoesOn) {
  const int act = GetParam();
#ifdef HOOKLINE_SANITIZED
  if (act == ZOO_MEMORY || act == ZOO_FREE) {
    GTEST_SKIP() << "a sanitizer brings its own limits of memory and its own heap";
  }
#endif
  if (act == ZOO_HANG || act == ZOO_SLEEP) config_.hosting.budget_ns = 50'000'000;
  config_.hosting.memory_max_bytes = uint64_t{64} << 20;
  load();
  for (int hook = ZOO_NEW_PACKET; hook <= ZOO_DELETE_CLIENT; ++hook) {
    const uint64_t before = host_->stats().faults;
    whole_packet(static_cast<uint32_t>(hook), hook, act);
    ASSERT_TRUE(wait_for([&] { return host_->stats().faults > before; })) << "hook " << hook;
    ASSERT_TRUE(wait_for([&] { return host_->faults().size() >= size_t(hook); })) << hook;
    if (act != ZOO_THREAD && act != ZOO_CLOSE) {  // those end it later
      EXPECT_EQ(host_->faults().back().hook, hook_name(static_cast<Hook>(hook)))
          << host_->faults().back().what;
    }
    ASSERT_TRUE(serves_again());
  }
  EXPECT_GE(host_->stats().faults, 7u);
}

INSTANTIATE_TEST_SUITE_P(Zoo, Crashes,
                         ::testing::Values(ZOO_NULL, ZOO_STACK, ZOO_ABORT, ZOO_EXIT, ZOO_DIVIDE,
                                           ZOO_HANG, ZOO_SLEEP, ZOO_MEMORY, ZOO_CLOSE, ZOO_KILL,
                                           ZOO_FREE));

}  // namespace
}  // namespace hookline::callout
