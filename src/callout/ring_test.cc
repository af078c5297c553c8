// What crosses the border to a helper process, with somebody hostile at its other end.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "base/time.h"
#include "callout/helper_output.h"
#include "callout/ring_client.h"
#include "callout/setup.h"
#include "hookline/host.h"

namespace hookline::callout {
namespace {

class RingTest : public ::testing::Test {
 protected:
  RingTest() : memory_((ring::kSetupAt + 128) / 64), view_(bytes()), client_(bytes()) {
    packet_.assign(kPacketBytesMax, 0);
  }
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(memory_.data()); }
  Call& ask(Hook hook) {
    call_ = {};
    call_.hook = hook;
    call_.slot = 1;
    call_.buffer = packet_.data();
    call_.size = 300;
    client_.put(call_, true);
    client_.publish();
    return call_;
  }
  ring::Answer& answer() { return view_.record(client_.taken()).answer; }
  std::optional<RingClient::Answered> take() {
    view_.header().finished = client_.next();
    return client_.take();
  }

  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  std::vector<Line> memory_;
  ring::View view_;
  RingClient client_;
  std::vector<uint8_t> packet_;
  Call call_;
};

TEST_F(RingTest, AnEditComesBack) {
  ask(Hook::NewPkt);
  EXPECT_TRUE(view_.header().submitted == 1u);
  view_.packet(0)[7] = 9;
  answer() = {};
  answer().process_it = 1;
  answer().changed = 1;
  answer().size = 301;
  const auto answered = take();
  ASSERT_TRUE(answered);
  EXPECT_TRUE(call_.changed);
  EXPECT_EQ(call_.size, 301u);
  EXPECT_EQ(packet_[7], 9);
}

// One wrong word each; everything else is as it should be.
TEST_F(RingTest, NonsenseIsSeenAsSuch) {
  const std::function<void(ring::Answer&)> kNonsense[] = {
      [](ring::Answer& a) { a.size = kPacketBytesMax + 1; },
      [](ring::Answer& a) { a.size = 0; },
      [](ring::Answer& a) { a.process_it = 2; },
      [](ring::Answer& a) { a.changed = 2; },
      [](ring::Answer& a) { a.context_set = 7; },
      [](ring::Answer& a) { a.breach = kBreachCount + 1; },
      [](ring::Answer& a) { a.text_size = sizeof a.text + 1; }};
  for (const auto& spoil : kNonsense) {
    ask(Hook::NewPkt);
    answer() = {};
    answer().process_it = 1;
    answer().changed = 1;
    answer().size = 300;
    spoil(answer());
    EXPECT_FALSE(take());
    EXPECT_FALSE(call_.changed);
    EXPECT_EQ(call_.size, 300u);
    EXPECT_TRUE(client_.give_up_one());
  }
}

TEST_F(RingTest, CountersThatCannotBeAreSeen) {
  ask(Hook::NewPkt);
  for (const uint32_t finished : {2u, 1000u, 0x80000000u, 0xFFFFFFFFu}) {
    view_.header().finished = finished;
    EXPECT_FALSE(client_.finished()) << finished;
    EXPECT_EQ(client_.current()->hook, Hook::NewPkt);
  }
  view_.header().finished = 1;
  EXPECT_EQ(client_.finished(), 1u);
}

TEST_F(RingTest, OnlyAReplyMayBeSuppressed) {
  ask(Hook::PktSend);
  answer() = {};
  answer().process_it = 0;  // PktSend has no such answer
  answer().changed = 1;
  ASSERT_TRUE(take());
  EXPECT_EQ(call_.size, 0u);
  EXPECT_TRUE(call_.process_it);
}

TEST_F(RingTest, AFaultNoteIsTakenAsText) {
  io::FaultNote& note = view_.header().fault;
  EXPECT_FALSE(fault_place(view_.header()));
  note.written = 2;
  EXPECT_FALSE(fault_place(view_.header())) << "somebody scribbled";
  note.written = 1;
  note.fault.signal = 11;
  note.fault.module_size = 0xFFFFFFFF;
  note.fault.module.fill('m');
  const auto place = fault_place(view_.header());
  ASSERT_TRUE(place);
  EXPECT_EQ(place->signal, 11);
  EXPECT_NE(place->text.find("mmm+0x0"), std::string::npos);
}

TEST(SetupTest, RoundTrip) {
  callout::Setup setup;
  setup.name = "mac.dll";
  setup.chain = std::u16string(u"b.dll\0\0", 7);
  setup.config.dir = "/etc/hookline";
  setup.config.names = {"mac.dll", "b.dll"};
  setup.config.files = {{"C:\\mac.dll", "/x/mac.so"}};
  setup.config.registry = {{"Sub", "Value", 7, {1, 0, 2}}, {"", "", 1, {}}};
  setup.config.registry_subkeys = {"Sub"};
  setup.network = true;
  setup.readable = {"/a", ""};
  setup.writable = {"/b"};
  const std::vector<uint8_t> bytes = encode_setup(setup);
  const auto decoded = decode_setup(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, setup);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_setup(Bytes(bytes).first(size))) << size;
  }
}

constexpr int64_t kNow = 1'000 * kNsPerSecond;

// A helper that has nothing but its output.
class Printer final : public io::HelperProcess {
 public:
  uint8_t* memory() override { return nullptr; }
  void wake() override {}
  void wait(int64_t) override {}
  std::optional<io::HelperEnd> ended() override { return std::nullopt; }
  std::optional<io::HelperActivity> activity() override { return std::nullopt; }
  void kill() override {}
  size_t read_output(MutableBytes to) override {
    const size_t size = std::min({to.size(), piece, text.size()});
    std::copy_n(text.begin(), size, to.begin());
    text.erase(0, size);
    return size;
  }

  std::string text;
  size_t piece = 100'000;
};

class OutputTest : public ::testing::Test {
 protected:
  ~OutputTest() override { std::fclose(file_); }
  std::string logged() const {
    std::fflush(file_);
    std::rewind(file_);
    std::string text(1 << 20, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_));
    return text;
  }
  size_t lines() const {
    const std::string text = logged();
    return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  std::FILE* file_ = std::tmpfile();
  Logger log_{file_, LogLevel::Debug};
  OutputLimit limit_;
  HelperOutput output_{"mac.so", limit_, log_};
  Printer printer_;
};

TEST_F(OutputTest, LinesOfTheServicesComeOutAsInProcess) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{100'000}}) {
    printer_.piece = piece;
    printer_.text = output_line(HOOKLINE_LOG_WARNING, "audit", 121, "leased\nto \x01 me");
    output_.read(printer_, kNow);
    EXPECT_NE(logged().find("warning callout source=audit event=121 text=\"leased to   me\"\n"),
              std::string::npos)
        << logged();
  }
  EXPECT_EQ(lines(), 3u);
}

TEST_F(OutputTest, EverythingElseIsWhatItPrinted) {
  printer_.text =
      "hello\n\x01"
      "9\x01x\x01y\x01z\n\n\x01\n" +
      std::string(9000, 'a') + "\nno end";
  output_.read(printer_, kNow);
  output_.end(kNow);
  const std::string text = logged();
  EXPECT_EQ(lines(), 7u) << text;
  EXPECT_NE(text.find("callout printed callout=mac.so text=hello"), std::string::npos);
  EXPECT_NE(text.find("text=\"no end\""), std::string::npos);
  EXPECT_NE(text.find("text=\"\\x01\""), std::string::npos);
}

TEST_F(OutputTest, WhatIsNoTextIsWrittenInHex) {
  printer_.text = "Gr\xc3\xbc\xc3\x9f\x65 \xff\xfe\xc2\x9b\x9b\x1b[2J \xe2\x82\xac \xe2\x82\n";
  output_.read(printer_, kNow);
  EXPECT_NE(logged().find("text=\"Gr\xc3\xbc\xc3\x9f\x65 \\xff\\xfe\\xc2\\x9b\\x9b\\x1b[2J "
                          "\xe2\x82\xac \\xe2\\x82\""),
            std::string::npos)
      << logged();
}

TEST_F(OutputTest, SoManyLinesAreLoggedAndTheOthersCounted) {
  for (size_t i = 0; i < 3 * kCalloutLinesMax; ++i) printer_.text += "a line---\n";
  output_.read(printer_, kNow);
  EXPECT_EQ(lines(), kCalloutLinesMax + 1);
  EXPECT_NE(logged().find("left out callout=mac.so lines=2048"), std::string::npos) << logged();
  for (size_t i = 0; i < 3 * kCalloutLinesPerSecond; ++i) printer_.text += "again----\n";
  output_.read(printer_, kNow + kNsPerSecond);
  EXPECT_EQ(lines(), kCalloutLinesMax + kCalloutLinesPerSecond + 2);
  EXPECT_NE(
      logged().find("left out callout=mac.so lines=" + std::to_string(2 * kCalloutLinesPerSecond)),
      std::string::npos);
  printer_.text = "one more\n";
  output_.read(printer_, kNow + kNsPerSecond);
  output_.end(kNow + kNsPerSecond);
  EXPECT_NE(logged().find("left out callout=mac.so lines=1\n"), std::string::npos);
}

TEST_F(OutputTest, OneLookReadsSoOften) {
  printer_.piece = 1;
  printer_.text.assign(3 * kOutputReadsAtOnce, 'a');
  output_.read(printer_, kNow);
  EXPECT_EQ(printer_.text.size(), 2u * kOutputReadsAtOnce);
}

TEST_F(OutputTest, OneThatPrintsEmptyLinesWithoutEndIsLeftToWait) {
  printer_.text.assign(kCalloutLinesMax + 1, '\n');
  output_.read_now_and_then(printer_, kNow);
  printer_.text = "\n";
  output_.read_now_and_then(printer_, kNow + kOutputPauseNs - 1);
  EXPECT_EQ(printer_.text.size(), 1u);
}

TEST_F(OutputTest, OneLookReadsSoMuchAndOneThatSaysTooMuchIsLeftToWait) {
  printer_.text.assign(3 * kOutputBytesAtOnce, 'a');
  output_.read(printer_, kNow);
  EXPECT_GE(printer_.text.size(), kOutputBytesAtOnce);
  printer_.text.clear();
  for (size_t i = 0; i <= kCalloutLinesMax; ++i) printer_.text += "a line---\n";
  output_.read_now_and_then(printer_, kNow);
  printer_.text = "waits\n";
  output_.read_now_and_then(printer_, kNow + kOutputPauseNs - 1);
  EXPECT_EQ(printer_.text.size(), 6u);
  output_.read_now_and_then(printer_, kNow + kOutputPauseNs);
  EXPECT_EQ(printer_.text.size(), 0u);
}

}  // namespace
}  // namespace hookline::callout
