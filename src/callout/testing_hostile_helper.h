// A helper process whose every behaviour is taken from a fuzzer's input: what it writes into the
// shared memory and when, what it prints, when it wakes the server, how it starts and ends. Time is
// a number that only it moves, so that what the server would wait for can be counted. Included by
// fuzz targets only.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "callout/ring.h"
#include "callout/testing_input.h"
#include "io/clock.h"
#include "io/helper.h"

namespace hookline::callout::testing {

inline constexpr int64_t kUs = 1'000;
inline constexpr int64_t kMs = 1'000 * kUs;
inline constexpr size_t kReadBytes = 1;

// What a helper keeps doing until it is told otherwise. 0 everywhere: it loads at once, answers
// what it is asked whenever the server looks, and says nothing.
enum class Habit : uint8_t {
  Works,     // 0 at every wait, 1 one call at a time, 2 when it is woken, 3 never
  Answers,   // Answering, below
  Naps,      // 1: when it has nothing to do it sleeps until it is woken
  Wakes,     // wait() returns after so many tenths of a millisecond; 0: as it was asked
  Late,      // and so many powers of two microseconds later than that: the machine stood still
  Prints,    // what it prints, and whether that has an end
  Reads,     // the most that one read of it gives: 0 all, else so many times kReadBytes
  Looks,     // 0: nobody knows; 1 it sleeps; else it wants to run and has so many 1/255
  CutOff,    // 1: it has closed what it answers by
  Dies,      // how long after it was told to: 0 at once, 255 never, else ms
  Loads,     // 0 at once, 1 fails, 2 never, 3 ends instead, 4 another stage, else after so many ms
  Hooks,     // those that it has not set
  NoStarts,  // so many of the next starts fail
  Count,
};
enum class Answering : uint8_t { Plain, Refused, Edited, Whole, Broken, Threw, Suppressed, Odd };
inline constexpr size_t kAnswerings = 8;

// All that helpers and the clock share.
class World final : public io::Clock {
 public:
  explicit World(Input& input) : input_(input) {}

  uint8_t& operator[](Habit habit) { return habits_[static_cast<size_t>(habit)]; }
  Input& input() { return input_; }
  int64_t now_ns() const { return now_ns_; }

  io::ClockReading read() override {
    pass(kUs);
    if (fuse_ && --fuse_count_ == 0) std::exchange(fuse_, nullptr)();
    return {now_ns_, now_ns_};
  }
  // From here on the packet thread is held: so long at most without progress of the helper.
  void hold(int64_t most_ns) {
    held_ns_ = 0;
    held_most_ns_ = most_ns;
  }
  void progressed() { held_ns_ = 0; }
  void pass(int64_t ns) {
    now_ns_ += ns;
    held_ns_ += ns;
    ++effort;
    CHECK(held_ns_ <= held_most_ns_, "nothing that a helper does holds the packet thread up");
  }
  // Nobody's fault.
  void pass_late(int64_t ns) { now_ns_ += ns; }
  // At the `count`th look at the clock from now.
  void set_fuse(uint32_t count, std::function<void()> what) {
    fuse_count_ = count;
    fuse_ = std::move(what);
  }

  uint64_t effort = 0;                    // so that one input takes no minutes
  uint64_t answered = 0;                  // by all helpers
  uint64_t scribbles = 0;                 // by all helpers
  uint32_t starts = 0;                    // of helpers, and attempts
  bool is_honest = true;                  // no helper has done what it is to be ended for
  bool is_waiting = true;                 // is the packet thread allowed to wait?
  class HostileHelper* helper = nullptr;  // the last that was started, while it is there

 private:
  Input& input_;
  std::array<uint8_t, static_cast<size_t>(Habit::Count)> habits_{};
  int64_t now_ns_ = 1'000'000 * kMs;
  int64_t held_ns_ = 0, held_most_ns_ = 0;
  uint32_t fuse_count_ = 0;
  std::function<void()> fuse_;
};

class HostileHelper final : public io::HelperProcess {
 public:
  HostileHelper(size_t bytes, const std::function<void(uint8_t*)>& prepare, World& world)
      : world_(world),
        block_(std::calloc(bytes + 64, 1)),
        bytes_(bytes),
        began_ns_(world.now_ns()) {
    const auto at = reinterpret_cast<uintptr_t>(block_);
    memory_ = static_cast<uint8_t*>(block_) + (64 - at % 64) % 64;
    prepare(memory_);
    CHECK(header().magic == ring::kMagic, "the memory is prepared");
    world_.helper = this;
    live();
  }
  ~HostileHelper() override {
    if (world_.helper == this) world_.helper = nullptr;
    std::free(block_);
  }
  HostileHelper(const HostileHelper&) = delete;
  HostileHelper& operator=(const HostileHelper&) = delete;

  uint8_t* memory() override { return memory_; }
  void wake() override {
    world_.pass(kUs);
    is_awake_ = true;
    act();
    if (world_[Habit::Works] == 2) work(ring::kRecords);
  }
  void wait(int64_t timeout_ns) override;
  std::optional<io::HelperEnd> ended() override {
    live();
    return end_;
  }
  bool is_cut_off() const override { return world_[Habit::CutOff] != 0 || end_.has_value(); }
  std::optional<io::HelperActivity> activity() override {
    world_.pass(10 * kUs);
    const uint8_t looks = world_[Habit::Looks];
    if (looks == 0 || end_) return std::nullopt;
    return io::HelperActivity{looks != 1, (world_.now_ns() - began_ns_) / 255 * looks};
  }
  void kill() override {
    if (killed_ns_ == 0) killed_ns_ = world_.now_ns();
    live();
  }
  size_t read_output(MutableBytes to) override;

  // Between the server's turns it goes on.
  void live();
  void work_on() {
    if (world_[Habit::Works] < 2) work(ring::kRecords);
  }
  void end(uint8_t how);
  // One word, anywhere that the helper can write.
  void scribble(uint32_t where, uint32_t what);
  // It has only ever written answers, one after the other.
  bool is_orderly() const { return is_orderly_; }
  bool is_gone() const { return end_.has_value(); }

 private:
  ring::Header& header() const { return ring::View(memory_).header(); }
  void load();
  void act();
  void work(uint32_t most);
  void answer(uint32_t n);
  void make_odd(ring::Answer& to);

  World& world_;
  void* block_;
  uint8_t* memory_;
  size_t bytes_;
  int64_t began_ns_;
  int64_t killed_ns_ = 0;
  uint32_t done_ = 0;
  uint32_t seen_finished_ = 0;
  bool is_awake_ = true, is_loaded_ = false, is_orderly_ = true;
  size_t printed_ = 0;
  std::optional<io::HelperEnd> end_;
};

inline void HostileHelper::wait(int64_t timeout_ns) {
  CHECK(world_.is_waiting, "nobody is waited for beside the calls");
  CHECK(timeout_ns >= 0, "a time to wait");
  const uint32_t finished = header().finished;
  if (finished != seen_finished_) world_.progressed();
  seen_finished_ = finished;
  act();
  if (header().stopping != 0) work_on();
  const uint8_t works = world_[Habit::Works];
  if (works == 0) work(ring::kRecords);
  if (works == 1) work(1);
  const int64_t early_ns = world_[Habit::Wakes] * 100 * kUs;
  world_.pass(early_ns == 0 ? std::max(timeout_ns, 100 * kUs) : std::min(timeout_ns, early_ns));
  const uint8_t late = world_[Habit::Late];
  if (late != 0) world_.pass_late(kUs << late % 24);
  live();
}

// What it does once, by the input.
inline void HostileHelper::act() {
  const uint8_t what = world_.input().step();
  switch (what % 8) {
    case 3: {
      const uint32_t where = world_.input().steps();
      scribble(where, world_.input().steps());
      break;
    }
    case 4:
      work(what / 8u);
      break;
    case 5:
      header().helper_sleeps = what / 8 % 2;
      if (what / 8 % 2 == 0) break;
      is_awake_ = false;
      world_.is_honest = false;
      break;
    case 6:
      end(what / 8);
      break;
    case 7: {
      const uint32_t where = world_.input().steps();
      const uint32_t value = world_.input().steps();
      world_.set_fuse(1 + what / 8u, [&world = world_, where, value] {
        if (world.helper != nullptr) world.helper->scribble(where, value);
      });
      is_orderly_ = false;
      break;
    }
    default:
      break;
  }
}

inline void HostileHelper::live() {
  const int64_t now_ns = world_.now_ns();
  const uint8_t dies = world_[Habit::Dies];
  if (killed_ns_ != 0 && !end_ && dies != 255 && now_ns - killed_ns_ >= dies * kMs) {
    end_ = io::HelperEnd{io::HelperEnd::How::Killed, 6};
  }
  const uint8_t loads = world_[Habit::Loads];
  if (!is_loaded_ && loads != 2 && (loads < 5 || now_ns - began_ns_ >= loads * kMs)) load();
  if (header().stopping != 0 && done_ == header().submitted && !end_ && world_[Habit::Works] != 3) {
    end_ = io::HelperEnd{io::HelperEnd::How::Exited, 0};
  }
}

inline void HostileHelper::load() {
  is_loaded_ = true;
  const uint8_t loads = world_[Habit::Loads];
  if (loads != 0 && loads < 5) world_.is_honest = false;
  ring::Outcome& outcome = header().outcome;
  outcome.hooks = 0xFFu ^ world_[Habit::Hooks];
  constexpr std::string_view kFile = "/d/\x1b[2J\n\x80.so";
  std::copy(kFile.begin(), kFile.end(), outcome.text.begin());
  outcome.text_size = loads == 1 ? 0xFFFFFFFF : static_cast<uint32_t>(kFile.size());
  if (loads == 3) return end(0);
  constexpr std::array<uint32_t, 5> kStages = {1, 2, 0, 0, 77};
  header().stage = kStages[loads < 5 ? loads : 0];
}

inline void HostileHelper::end(uint8_t how) {
  world_.is_honest = false;
  if (end_) return;
  constexpr std::array<int, 4> kCodes = {0, 3, 11, static_cast<int>(0xC0000005)};
  end_ = io::HelperEnd{static_cast<io::HelperEnd::How>(how % 3), kCodes[how / 3 % 4]};
}

inline void HostileHelper::scribble(uint32_t where, uint32_t what) {
  world_.is_honest = false;
  ++world_.scribbles;
  is_orderly_ = false;
  ring::Header& head = header();
  const ring::View view(memory_);
  const uint32_t n = where / 16;
  const std::array<std::atomic<uint32_t>*, 8> words = {
      &head.finished,      &head.helper_sleeps, &head.stage,     &head.fault.written,
      &head.server_sleeps, &head.wanted,        &head.submitted, &head.stopping};
  const std::array<uint32_t, 4> values = {what, head.submitted + what % 8 - 4, what % 3,
                                          head.finished + what % 8 - 4};
  const auto offset = [&](const void* at) {
    return static_cast<size_t>(static_cast<const uint8_t*>(at) - memory_);
  };
  if (where % 16 < 8) {
    *words[where % 8] = values[n % 4];
    return;
  }
  size_t at = n;
  switch (where % 16) {
    case 8:
      at = offset(&head.outcome) + n % sizeof head.outcome;
      break;
    case 9:
      at = offset(&head.fault) + n % sizeof head.fault;
      break;
    case 10:
      at = offset(&head.fault_packet) + n % 64;
      break;
    case 11:
      at = offset(&view.record(done_ + n / 128).answer) + n % 128;
      break;
    case 12:
      at = offset(&view.record(done_ + n / 256 - 4).question) + n % 256;
      break;
    case 13:
      at = offset(view.packet(done_ + n / 4096)) + n % 4096;
      break;
    case 15:
      at = what % bytes_;
      break;
    default:
      break;
  }
  std::memcpy(memory_ + std::min(at, bytes_ - sizeof what), &what, sizeof what);
}

inline void HostileHelper::work(uint32_t most) {
  if (!is_awake_ || end_ || header().stage != static_cast<uint32_t>(ring::Stage::Serving)) return;
  const uint32_t submitted = header().submitted;
  if (submitted - done_ > ring::kRecords) return;
  for (; most != 0 && done_ != submitted; --most) {
    answer(done_++);
    ++world_.answered;
  }
  header().finished = done_;
  if (done_ != submitted || world_[Habit::Naps] == 0) return;
  header().helper_sleeps = 1;
  is_awake_ = false;
}

inline void HostileHelper::answer(uint32_t n) {
  const ring::View view(memory_);
  ring::Answer& to = view.record(n).answer;
  static_cast<ring::AnswerHead&>(to) = {0, 100, 1, 0, 0, 0, 0};
  const bool sends = view.record(n).question.hook == static_cast<uint8_t>(Hook::PktSend);
  switch (static_cast<Answering>(world_[Habit::Answers] % kAnswerings)) {
    case Answering::Plain:
      break;
    case Answering::Refused:
      to.process_it = 0;
      break;
    case Answering::Edited:
    case Answering::Whole:
      to.changed = to.context_set = 1;
      to.size = world_[Habit::Answers] % kAnswerings == 2 ? 1 + n % 600 : kPacketBytesMax;
      std::memset(view.packet(n), 0xC3, to.size);
      break;
    case Answering::Broken:
      to.breach = static_cast<uint8_t>(1 + n % 4);
      to.text_size = n % 113;
      to.text.fill('\x1b');
      break;
    case Answering::Threw:
      to.breach = 4;
      to.text_size = 112;
      to.text.fill('\xFF');
      to.ns = 0xFFFFFFFF;
      header().fault_packet.size = static_cast<uint32_t>(kPacketBytesMax) - 2 + n % 4;
      break;
    case Answering::Suppressed:
      to.changed = sends ? 1 : 0;
      break;
    case Answering::Odd:
      return make_odd(to);
  }
}

// One thing about it cannot be, or all but: by the input.
inline void HostileHelper::make_odd(ring::Answer& to) {
  const uint8_t what = world_.input().step();
  constexpr std::array<uint32_t, 4> kSizes = {0, kPacketBytesMax + 1, 0xFFFFFFFF, kPacketBytesMax};
  world_.is_honest = false;
  switch (what % 8) {
    case 1:
      to.changed = 1;
      to.size = kSizes[what / 8 % 4];
      break;
    case 2:
      to.process_it = what / 8;
      break;
    case 3:
      to.changed = what / 8;
      break;
    case 4:
      to.context_set = what / 8;
      break;
    case 5:
      to.breach = what / 8;
      break;
    case 6:
      to.breach = 1;
      to.text_size = 110u + what / 8;
      break;
    case 7:
      to.ns = world_.input().steps();
      break;
    default:
      break;
  }
}

inline size_t HostileHelper::read_output(MutableBytes to) {
  CHECK(!to.empty(), "there is room to read into");
  constexpr std::array<std::string_view, 8> kLines = {"",
                                                      "\n",
                                                      "words without an end ",
                                                      "a line\r\n",
                                                      "\x01"
                                                      "4\x01"
                                                      "7\x01source\x01text\n",
                                                      "\x01"
                                                      "4294967296\x01-1\x01\x01\n",
                                                      "\x1b[2J\x80\xFF\x7F\t\"=\n",
                                                      "\x01\x01\x01\x01"};
  constexpr size_t kPipeBytes = 256 * 1024;
  world_.pass(2 * kUs);
  const uint8_t prints = world_[Habit::Prints];
  const std::string_view line = kLines[prints % kLines.size()];
  if (line.empty()) return 0;
  // Without an end, but for what its pipe holds once it is gone.
  const size_t most = prints < 64 ? prints * 64u : end_ ? kPipeBytes : SIZE_MAX;
  if (end_ && prints >= 64 && printed_ > kPipeBytes) return 0;
  const size_t limit = world_[Habit::Reads] == 0 ? to.size() : world_[Habit::Reads] * kReadBytes;
  const size_t size = std::min({to.size(), limit, most > printed_ ? most - printed_ : 0});
  for (size_t i = 0; i < size; ++i) {
    to[i] = static_cast<uint8_t>(line[printed_++ % line.size()]);
  }
  world_.pass(static_cast<int64_t>(size) * 8);
  world_.effort += size / 16;
  return size;
}

class HostileHelpers final : public io::Helpers {
 public:
  explicit HostileHelpers(World& world) : world_(world) {}
  size_t processors() const override { return 2; }
  Result<std::unique_ptr<io::HelperProcess>> start(
      const io::HelperPlan& plan, const std::function<void(uint8_t*)>& prepare) override {
    world_.pass(100 * kUs);
    ++world_.starts;
    world_.effort += 100;
    if (world_[Habit::NoStarts] != 0) {
      --world_[Habit::NoStarts];
      return fail(ErrorKind::NoSpace, "no more of them");
    }
    return std::make_unique<HostileHelper>(plan.shared_bytes, prepare, world_);
  }

 private:
  World& world_;
};

}  // namespace hookline::callout::testing
