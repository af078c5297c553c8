#include "load/engine.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

namespace hookline::load {
namespace {

constexpr size_t kDhcp = 42;
constexpr Ipv4 kServer{0x0A400001};
constexpr Ipv4 kRelay{0x0A400002};
const Ends kEnds{{{2, 0xFF, 0, 0, 0, 1}}, {{2, 0xFF, 0, 0, 0, 2}}};

// How the server in memory misbehaves, in percent.
struct Manners {
  int loses = 0;
  int repeats = 0;
  int refuses = 0;            // NAK
  int breaks = 0;             // wrong chaddr
  bool same_address = false;  // gives everybody one address
  int64_t delay_ns = 20'000;
  int64_t look_ns = 100;  // what a reading of the clock costs
};

// A DHCP server and the wire to it, on a clock that moves only when somebody looks at it.
class FakeWire final : public Wire {
 public:
  FakeWire(const Manners& manners, uint64_t seed) : manners_(manners), random_(seed) {}

  int64_t now_ns() override { return now_ns_ += manners_.look_ns; }

  size_t receive(std::span<RxPacket> packets) override {
    in_hand_.clear();
    while (in_hand_.size() < packets.size() && !queue_.empty() &&
           queue_.front().due_ns <= now_ns_) {
      in_hand_.push_back(std::move(queue_.front().frame));
      queue_.pop_front();
    }
    for (size_t i = 0; i < in_hand_.size(); ++i) packets[i] = {in_hand_[i], false};
    delivered += in_hand_.size();
    return in_hand_.size();
  }

  size_t send(std::span<const Bytes> frames) override {
    for (const Bytes frame : frames) {
      ++sent;
      if (!chance(manners_.loses)) answer(frame);
    }
    return frames.size();
  }

  void wait(int64_t until_ns) override {
    const int64_t next_ns = queue_.empty() ? until_ns : std::min(until_ns, queue_.front().due_ns);
    now_ns_ = std::max(now_ns_, next_ns);
  }

  uint64_t sent = 0;
  uint64_t delivered = 0;
  uint64_t releases = 0;

 private:
  struct Queued {
    int64_t due_ns;
    std::vector<uint8_t> frame;
  };

  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  void answer(Bytes request) {
    std::vector<uint8_t> frame(request.begin(), request.end());
    const uint8_t type = frame[kDhcp + 242];
    if (type == 7) {
      ++releases;
      return;
    }
    const bool inform = type == 8;
    uint8_t reply_type = type == 1 ? 2 : 5;
    if (type == 3 && chance(manners_.refuses)) reply_type = 6;
    frame.resize(kDhcp + 240);
    frame[kDhcp] = 2;
    const uint32_t client = load_be32(&frame[kDhcp + 30]);
    const Ipv4 address{0x0A400100 + (manners_.same_address ? 0 : client)};
    if (!inform && reply_type != 6) address.store(&frame[kDhcp + 16]);
    if (chance(manners_.breaks)) frame[kDhcp + 33] ^= 1;
    const auto put = [&frame](std::initializer_list<int> bytes) {
      for (const int byte : bytes) frame.push_back(static_cast<uint8_t>(byte));
    };
    put({53, 1, reply_type, 54, 4, 10, 64, 0, 1});
    if (!inform && reply_type != 6) put({51, 4, 0, 0, 14, 16});
    put({255});
    store_be16(&frame[34], 67);
    store_be16(&frame[16], static_cast<uint16_t>(frame.size() - 14));
    store_be16(&frame[38], static_cast<uint16_t>(frame.size() - 34));
    store_be16(&frame[40], 0);
    store_be16(&frame[24], 0);
    const uint16_t sum = ~fold_checksum(sum_words(Bytes(frame).subspan(14, 20), 0));
    std::memcpy(&frame[24], &sum, 2);
    const int copies = chance(manners_.repeats) ? 2 : 1;
    for (int i = 0; i < copies; ++i) queue_.push_back({now_ns_ + manners_.delay_ns, frame});
  }

  Manners manners_;
  std::mt19937_64 random_;
  int64_t now_ns_ = 0;
  std::deque<Queued> queue_;
  std::vector<std::vector<uint8_t>> in_hand_;
};

Options options_of(Exchange exchange, uint32_t window, uint64_t count) {
  Options options;
  options.interface = "fake0";
  options.exchange = exchange;
  options.window = window;
  options.count = count;
  options.server = kServer;
  options.relay = kRelay;
  return options;
}

bool adds_up(const Counts& c) {
  return c.started == c.completed + c.drained + c.naks + c.failed + c.abandoned &&
         c.sent == c.started + c.requests + c.retransmits &&
         c.received == c.offers + c.acks + c.naks + c.late + c.unexpected + c.malformed;
}

TEST(Engine, CleanRunsOfEveryExchange) {
  for (const Exchange e : {Exchange::Dora, Exchange::Renew, Exchange::Inform, Exchange::Discover}) {
    for (const uint32_t window : {1u, 7u, 256u}) {
      FakeWire wire({}, 1);
      Options options = options_of(e, window, 1000);
      options.clients = e == Exchange::Dora || e == Exchange::Discover ? 0 : 300;
      const Report report = run_on(options, kEnds, wire);
      EXPECT_TRUE(report.clean()) << exchange_name(e) << " " << report.fault;
      EXPECT_EQ(report.counts.completed, 1000u);
      EXPECT_TRUE(adds_up(report.counts));
      EXPECT_EQ(report.exchange_latency.count(), 1000u);
      EXPECT_GE(report.exchange_latency.min_ns(), e == Exchange::Dora ? 40'000u : 20'000u);
      EXPECT_EQ(report.warmed, options.clients);
    }
  }
}

TEST(Engine, DirectClientsLearnTheServer) {
  FakeWire wire({}, 1);
  Options options = options_of(Exchange::Renew, 8, 100);
  options.relay = options.server = {};
  options.clients = 20;
  const Report report = run_on(options, {{}, kEnds.own_mac}, wire);
  EXPECT_TRUE(report.clean()) << report.fault;
}

TEST(Engine, OneAddressForAllIsSeen) {
  Manners manners;
  manners.same_address = true;
  FakeWire wire(manners, 1);
  const Report report = run_on(options_of(Exchange::Dora, 4, 100), kEnds, wire);
  EXPECT_EQ(report.counts.duplicate_addresses, 99u);
  EXPECT_FALSE(report.clean());
}

TEST(Engine, OneClientMayKeepItsAddress) {
  FakeWire wire({}, 1);
  Options options = options_of(Exchange::Dora, 4, 100);
  options.clients = 4;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_TRUE(report.clean());
}

TEST(Engine, ClosedLoopNeverExceedsItsWindow) {
  Manners manners;
  manners.delay_ns = kNsPerSecond / 10;
  FakeWire wire(manners, 1);
  Options options = options_of(Exchange::Discover, 10, 0);
  options.duration_ns = kNsPerSecond;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_LE(report.counts.started, 100u);
  EXPECT_GE(report.counts.started, 90u);
}

// Open loop: the server's slowness must neither slow the starts nor hide from the latencies.
TEST(Engine, OpenLoopKeepsItsRate) {
  Manners manners;
  manners.delay_ns = kNsPerSecond / 2;
  FakeWire wire(manners, 1);
  Options options = options_of(Exchange::Discover, 1, 0);
  options.rate_per_s = 1000;
  options.duration_ns = kNsPerSecond;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_NEAR(static_cast<double>(report.counts.started), 1000, 2);
  EXPECT_NEAR(static_cast<double>(report.counts.drained), 500, 5);
  EXPECT_TRUE(adds_up(report.counts));
}

// A start that was held up counts from when it was due.
TEST(Engine, OpenLoopCountsFromWhenDue) {
  Manners manners;
  manners.look_ns = 5'000'000;
  FakeWire wire(manners, 1);
  Options options = options_of(Exchange::Discover, 1, 0);
  options.rate_per_s = 1000;
  options.duration_ns = kNsPerSecond;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_GE(report.exchange_latency.max_ns(), report.offer_latency.max_ns() + 3'000'000);
}

TEST(Engine, SilenceFailsAndEnds) {
  Manners manners;
  manners.loses = 100;
  FakeWire wire(manners, 1);
  Options options = options_of(Exchange::Dora, 16, 1'000'000);
  const Report report = run_on(options, kEnds, wire);
  EXPECT_EQ(report.counts.completed, 0u);
  EXPECT_LE(report.counts.started, 64u);
  EXPECT_EQ(report.counts.retransmits, 3 * report.counts.failed);
  EXPECT_TRUE(adds_up(report.counts));
  EXPECT_FALSE(report.clean());
}

TEST(Engine, NobodyWithALeaseEndsARenewal) {
  Manners manners;
  manners.refuses = 100;
  FakeWire wire(manners, 1);
  Options options = options_of(Exchange::Renew, 4, 1000);
  options.clients = 10;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_EQ(report.warm_failed, 10u);
  EXPECT_EQ(report.counts.started, 0u);
}

TEST(Engine, ReleasesWhatIsHeld) {
  FakeWire wire({}, 1);
  Options options = options_of(Exchange::Dora, 16, 500);
  options.release = true;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_EQ(report.released, 500u);
  EXPECT_EQ(wire.releases, 500u);
}

TEST(Engine, StopEndsItAndAbandons) {
  FakeWire wire({}, 1);
  std::atomic<bool> stop{true};
  Options options = options_of(Exchange::Dora, 16, 500);
  options.stop = &stop;
  const Report report = run_on(options, kEnds, wire);
  EXPECT_EQ(report.counts.started, 0u);
}

RC_GTEST_PROP(Engine, CountsAddUpWhateverTheServerDoes, ()) {
  Manners manners;
  manners.loses = *rc::gen::inRange(0, 60);
  manners.repeats = *rc::gen::inRange(0, 60);
  manners.refuses = *rc::gen::inRange(0, 30);
  manners.breaks = *rc::gen::inRange(0, 30);
  // On both sides of the time-out of 1 ms.
  manners.delay_ns = *rc::gen::inRange<int64_t>(1'000, 3'000'000);
  const auto exchange =
      *rc::gen::element(Exchange::Dora, Exchange::Renew, Exchange::Inform, Exchange::Discover);
  Options options = options_of(exchange, *rc::gen::inRange<uint32_t>(1, 100), 0);
  options.clients = *rc::gen::element(0u, 100u);
  if (options.clients == 0 && exchange != Exchange::Dora) options.clients = 200;
  if (*rc::gen::arbitrary<bool>()) {
    options.count = 300;
  } else {
    options.duration_ns = 20'000'000;
  }
  options.timeout_ns = 1'000'000;
  FakeWire wire(manners, *rc::gen::arbitrary<uint64_t>());
  const Report report = run_on(options, kEnds, wire);
  const Counts& c = report.counts;
  RC_ASSERT(adds_up(c));
  RC_ASSERT(c.duplicate_addresses == 0u);
  RC_ASSERT(c.abandoned == 0u);
  RC_ASSERT(c.completed == report.exchange_latency.count());
  if (options.count != 0) RC_ASSERT(c.started <= options.count);
  if (manners.breaks == 0) RC_ASSERT(c.malformed == 0u);
}

TEST(Report, TextAndJsonAreWhole) {
  FakeWire wire({}, 1);
  const Report report = run_on(options_of(Exchange::Dora, 4, 10), kEnds, wire);
  const std::string json = to_json(report);
  EXPECT_EQ(json.front(), '{');
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_NE(json.find("\"completed\":10"), std::string::npos);
  EXPECT_NE(json.find("\"clean\":true"), std::string::npos);
  EXPECT_NE(to_table(report).find("10 in"), std::string::npos);
}

TEST(Options, ContradictionsAreRefused) {
  Options options = options_of(Exchange::Dora, 1, 1);
  options.interface = "";
  EXPECT_EQ(run(options).error().kind, ErrorKind::Invalid);
  options = options_of(Exchange::Dora, 1, 0);
  EXPECT_EQ(run(options).error().kind, ErrorKind::Invalid);
  options = options_of(Exchange::Dora, 0, 1);
  EXPECT_EQ(run(options).error().kind, ErrorKind::Invalid);
  options = options_of(Exchange::Dora, 10, 1);
  options.clients = 9;
  EXPECT_EQ(run(options).error().kind, ErrorKind::Invalid);
  options = options_of(Exchange::Dora, 1, 1);
  options.server = {};
  EXPECT_EQ(run(options).error().kind, ErrorKind::Invalid);
}

}  // namespace
}  // namespace hookline::load
