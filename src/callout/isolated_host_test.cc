// How long the packet thread waits for a helper that does everything to hold it up. The clock
// stands still but for what the helper's script says, so a minute of waiting is a number here.
#include "callout/isolated_host.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

#include "callout/call_watch.h"

namespace hookline::callout {
namespace {

constexpr int64_t kUs = 1'000;
constexpr int64_t kMs = 1'000 * kUs;
constexpr int64_t kBudgetNs = 5 * kMs;

class ManualClock final : public io::Clock {
 public:
  io::ClockReading read() override { return {now_ns, now_ns}; }
  int64_t now_ns = 1'000'000 * kMs;
};

// What the helper is up to, and what the packet thread's own work costs.
struct Script {
  int64_t early_ns = -1;       // wait() returns after so much, whatever it was asked; -1: as asked
  int64_t pause_ns = 0;        // and so much later than that: the whole machine stood still
  int64_t read_ns = 0;         // what reading its output costs
  std::string output;          // what it writes, for ever
  bool is_runnable = true;     // what its thread looks like
  double processor_share = 0;  // what it has of one
  int64_t answers_after_ns = -1;
  // Does what it likes to the shared memory, whenever the server looks away.
  std::function<void(uint8_t* memory)> scribble;
};

class ScriptedHelper final : public io::HelperProcess {
 public:
  ScriptedHelper(size_t bytes, const std::function<void(uint8_t*)>& prepare, Script& script,
                 ManualClock& clock)
      : memory_(static_cast<uint8_t*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64))),
        script_(script),
        clock_(clock),
        began_ns_(clock.now_ns) {
    std::memset(memory_, 0, (bytes + 63) / 64 * 64);
    prepare(memory_);
    header().outcome.hooks = 0xFF;
    header().stage = static_cast<uint32_t>(ring::Stage::Serving);
  }
  ~ScriptedHelper() override { std::free(memory_); }

  uint8_t* memory() override { return memory_; }
  void wake() override { work_ns_ = clock_.now_ns; }
  void wait(int64_t timeout_ns) override {
    clock_.now_ns += script_.early_ns >= 0 ? std::min(script_.early_ns, timeout_ns) : timeout_ns;
    clock_.now_ns += script_.pause_ns;
    if (script_.scribble) script_.scribble(memory_);
    if (header().stopping != 0) is_over_ = true;
    if (script_.answers_after_ns < 0) return;
    if (clock_.now_ns - work_ns_ < script_.answers_after_ns) return;
    header().finished = header().submitted.load();
  }
  std::optional<io::HelperEnd> ended() override {
    if (!is_over_) return std::nullopt;
    return io::HelperEnd{io::HelperEnd::How::Killed, 9};
  }
  std::optional<io::HelperActivity> activity() override {
    const auto cpu = static_cast<double>(clock_.now_ns - began_ns_) * script_.processor_share;
    return io::HelperActivity{script_.is_runnable, static_cast<int64_t>(cpu)};
  }
  void kill() override { is_over_ = true; }
  size_t read_output(MutableBytes to) override {
    clock_.now_ns += script_.read_ns;
    if (is_over_) return 0;
    if (script_.scribble) script_.scribble(memory_);
    for (size_t i = 0; i < to.size() && !script_.output.empty(); ++i) {
      to[i] = static_cast<uint8_t>(script_.output[written_++ % script_.output.size()]);
    }
    return script_.output.empty() ? 0 : to.size();
  }

 private:
  ring::Header& header() const { return ring::View(memory_).header(); }

  uint8_t* memory_;
  Script& script_;
  ManualClock& clock_;
  int64_t began_ns_;
  int64_t work_ns_ = 0;
  bool is_over_ = false;
  size_t written_ = 0;
};

class ScriptedHelpers final : public io::Helpers {
 public:
  ScriptedHelpers(Script& script, ManualClock& clock) : script_(script), clock_(clock) {}
  size_t processors() const override { return 1; }
  Result<std::unique_ptr<io::HelperProcess>> start(
      const io::HelperPlan& plan, const std::function<void(uint8_t*)>& prepare) override {
    return std::make_unique<ScriptedHelper>(plan.shared_bytes, prepare, script_, clock_);
  }

 private:
  Script& script_;
  ManualClock& clock_;
};

class Waiting : public ::testing::Test {
 protected:
  Waiting() {
    IsolatedHost::Options options;
    options.name = "zoo.so";
    options.hosting.budget_ns = kBudgetNs;
    options.hosting.restart_first_ns = kRestartNs;
    options.hosting.restart_longest_ns = kRestartNs;
    options.hosting.faults_max = 1'000'000;
    options.slots = 4;
    host_.emplace(std::move(options), std::vector<uint8_t>{}, helpers_, clock_, log_);
    EXPECT_FALSE(host_->begin_load());
    EXPECT_FALSE(host_->finish_load(kMs));
  }
  ~Waiting() override {
    host_.reset();
    std::fclose(file_);
  }

  // How long one packet's NewPkt holds the packet thread.
  int64_t one_call_ns() {
    const int64_t before_ns = clock_.now_ns;
    std::array<uint8_t, kPacketBytesMax> bytes;
    bytes.fill(0x77);
    Call call;
    call.hook = Hook::NewPkt;
    call.slot = 1;
    call.buffer = bytes.data();
    call.size = 300;
    host_->run({&call, 1});
    return clock_.now_ns - before_ns;
  }
  uint64_t faults() const { return host_->stats().faults; }
  std::string logged() {
    std::fflush(file_);
    std::rewind(file_);
    std::string text(1 << 24, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_));
    return text;
  }

  static constexpr int64_t kRestartNs = 100 * kMs;
  std::FILE* file_ = std::tmpfile();
  Logger log_{file_, LogLevel::Debug};
  ManualClock clock_;
  Script script_;
  ScriptedHelpers helpers_{script_, clock_};
  std::optional<IsolatedHost> host_;
};

TEST_F(Waiting, OneThatSleepsHasItsBudget) {
  script_.is_runnable = false;
  const int64_t ns = one_call_ns();
  EXPECT_GE(ns, kBudgetNs);
  EXPECT_LE(ns, kBudgetNs + kBudgetNs / 4);
  EXPECT_EQ(faults(), 1u);
}

TEST_F(Waiting, OneThatAnswersInTimeIsLeftAlone) {
  script_.is_runnable = false;
  script_.answers_after_ns = kBudgetNs / 2;
  EXPECT_LT(one_call_ns(), kBudgetNs);
  EXPECT_EQ(faults(), 0u);
}

// It has written something whenever anybody looks: what reading and logging that takes counts.
TEST_F(Waiting, OneThatFloodsTheLogHasItsBudget) {
  script_.output = "a line, and many more like it\n";
  script_.early_ns = 10 * kUs;
  script_.read_ns = 100 * kUs;
  script_.processor_share = 1;
  EXPECT_LE(one_call_ns(), kCallBudgetsMax * kBudgetNs);
  EXPECT_EQ(faults(), 1u);
}

// The server's wait returns at once, for nothing, over and over.
TEST_F(Waiting, OneThatCallsBackInALoopHasItsBudget) {
  script_.early_ns = 0;
  script_.read_ns = 10 * kUs;
  script_.processor_share = 1;
  EXPECT_LE(one_call_ns(), kCallBudgetsMax * kBudgetNs);
  EXPECT_EQ(faults(), 1u);
}

TEST_F(Waiting, OneThatSpinsIsChargedWhatItHasOfAProcessor) {
  script_.processor_share = 0.5;
  const int64_t ns = one_call_ns();
  EXPECT_GE(ns, 2 * kBudgetNs);
  EXPECT_LE(ns, 3 * kBudgetNs);
  EXPECT_EQ(faults(), 1u);
}

TEST_F(Waiting, OneThatGetsNoProcessorIsNotCharged) {
  script_.processor_share = 0.01;
  script_.answers_after_ns = kCallBudgetsMax * kBudgetNs;
  one_call_ns();
  EXPECT_EQ(faults(), 0u);
}

TEST_F(Waiting, NobodyIsWaitedForLongerThanTheClockAllows) {
  script_.processor_share = 0.0001;
  EXPECT_LE(one_call_ns(), kCallBudgetsMax * kBudgetNs + kCallSlackNs + kBudgetNs);
  EXPECT_EQ(faults(), 1u);
}

TEST_F(Waiting, APauseOfTheWholeMachineIsOneStep) {
  script_.is_runnable = false;
  script_.pause_ns = 1000 * kMs;
  script_.answers_after_ns = 2000 * kMs;
  one_call_ns();
  EXPECT_EQ(faults(), 0u);
}

// Nobody sends anything, and the server sleeps for as long as it is told.
TEST_F(Waiting, AnIdleServerLooksAfterItsHelpers) {
  EXPECT_EQ(host_->next_due_ns(), std::numeric_limits<int64_t>::max());
  host_->turn_ended();
  host_->turn_ended();
  EXPECT_LE(host_->next_due_ns(), clock_.now_ns + kBudgetNs) << "too early for a look";
  clock_.now_ns = host_->next_due_ns();
  host_->turn_ended();
  EXPECT_EQ(host_->next_due_ns(), std::numeric_limits<int64_t>::max());
  script_.is_runnable = false;
  one_call_ns();
  EXPECT_EQ(host_->stats().state, "restarting");
  EXPECT_EQ(host_->next_due_ns(), clock_.now_ns + kRestartNs);
  clock_.now_ns = host_->next_due_ns();
  host_->turn_ended();
  EXPECT_LE(host_->next_due_ns(), clock_.now_ns + kBudgetNs) << "it loads";
  clock_.now_ns = host_->next_due_ns();
  host_->turn_ended();
  EXPECT_EQ(host_->stats().state, "serving");
}

// It answers nothing for long, and the next one that has nothing to do is not blamed for it.
TEST_F(Waiting, TheNextOneIsNotBlamedForTheOneBefore) {
  script_.is_runnable = false;
  for (int i = 0; i < 3; ++i) {
    one_call_ns();
    clock_.now_ns += 100 * kRestartNs;
    host_->turn_ended();
    clock_.now_ns += 5000 * kMs;
    host_->turn_ended();
    Call call;
    call.hook = Hook::DeleteClient;
    host_->run({&call, 1});
    host_->turn_ended();
    EXPECT_EQ(faults(), static_cast<uint64_t>(i) + 1);
  }
}

TEST_F(Waiting, AReportHoldsThePacketWhateverTheHook) {
  script_.answers_after_ns = 0;
  one_call_ns();
  script_.answers_after_ns = -1;
  script_.is_runnable = false;
  std::array<uint8_t, kPacketBytesMax> reply{};
  Call call;
  call.hook = Hook::PktSend;
  call.slot = 1;
  call.buffer = reply.data();
  call.size = 300;
  host_->run({&call, 1});
  ASSERT_EQ(host_->faults().size(), 1u);
  EXPECT_EQ(host_->faults()[0].hook, "DhcpPktSendHook");
  EXPECT_EQ(host_->faults()[0].request, std::vector<uint8_t>(300, 0x77));
}

// A helper that writes anything anywhere at any time: every run comes back in time with calls that
// are valid, and so does the end.
class Chaos : public Waiting {
 protected:
  explicit Chaos(uint32_t seed = 1) : random_(seed) {}

  uint32_t below(uint32_t end) { return random_() % end; }
  // What the header's words may be, seldom too much.
  uint32_t word(uint32_t near) {
    constexpr std::array<uint32_t, 4> kFar = {0, 1, 0x7FFFFFFF, 0xFFFFFFFF};
    return below(4) == 0 ? kFar[below(4)] : near + below(3);
  }
  void scribble(uint8_t* memory) {
    const ring::View view(memory);
    ring::Header& header = view.header();
    const uint32_t next = header.submitted;
    switch (below(12)) {
      case 0:
        header.finished = word(header.finished);
        break;
      case 1:
      case 2:
        header.finished = next;
        break;
      case 3:
        header.stage = word(1);
        break;
      case 4:
        header.fault.written = below(8) == 0 ? 1 : 0;
        header.fault.fault.module_size = word(100);
        break;
      case 5:
        header.outcome.text_size = word(1000);
        header.outcome.hooks = random_();
        break;
      case 6:
        header.fault_packet.size = word(4096);
        break;
      case 7:
        header.helper_sleeps = random_();
        header.submitted = word(next);
        break;
      case 8:
        view.record(next - below(4)).question.size = word(4096);
        break;
      default:
        ring::Answer& answer = view.record(next - below(4)).answer;
        answer = {};
        answer.size = below(4) == 0 ? word(4096) : below(4097);
        answer.changed = static_cast<uint8_t>(below(2));
        answer.process_it = static_cast<uint8_t>(below(8) == 0 ? random_() : 1);
        answer.breach = static_cast<uint8_t>(below(8) == 0 ? random_() : 0);
        answer.text_size = below(8) == 0 ? word(112) : 0;
    }
    script_.is_runnable = below(2) == 0;
    script_.early_ns = below(2) == 0 ? -1 : below(100) * kUs;
    script_.output.assign(below(3), below(2) == 0 ? '\n' : '\x01');
  }

  std::mt19937 random_;
};

TEST_F(Chaos, ARunComesBackInTimeWithValidCalls) {
  script_.scribble = [this](uint8_t* memory) { scribble(memory); };
  script_.read_ns = kUs;
  constexpr int64_t kCallNs = kCallBudgetsMax * kBudgetNs + kCallSlackNs + kBudgetNs;
  std::array<std::array<uint8_t, kPacketBytesMax>, 3> bytes{};
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    std::array<Call, 3> calls;
    for (uint32_t i = 0; i < calls.size(); ++i) {
      calls[i].hook = static_cast<Hook>(1 + below(3));
      calls[i].slot = below(4);
      calls[i].code = kDropProcessed;
      calls[i].buffer = bytes[i].data();
      calls[i].size = 1 + below(kPacketBytesMax);
    }
    const int64_t before_ns = clock_.now_ns;
    host_->run(calls);
    host_->turn_ended();
    EXPECT_LE(clock_.now_ns - before_ns, 3 * kCallNs);
    for (uint32_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(calls[i].buffer, bytes[i].data());
      EXPECT_LE(calls[i].size, kPacketBytesMax);
      EXPECT_TRUE(calls[i].size != 0 || calls[i].hook == Hook::PktSend);
    }
    clock_.now_ns += below(200) * kMs;
  }
  EXPECT_GT(faults(), 10u);
  EXPECT_LE(host_->faults().size(), kCalloutFaultsMax);
}

TEST_F(Waiting, AFaultAtTheEndIsNoRestart) {
  EXPECT_FALSE(host_->unload());
  clock_.now_ns += 10'000 * kMs;
  EXPECT_TRUE(host_->unload());
  EXPECT_EQ(faults(), 1u);
  EXPECT_NE(logged().find("a callout failed; it was being unloaded"), std::string::npos);
}

}  // namespace
}  // namespace hookline::callout
