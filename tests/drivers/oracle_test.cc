// The example driver `delay` in a whole server, on a simulated wire and a clock that passes when
// told: a functional oracle of absorbing, cloning, injecting and completing. An answer comes
// exactly as late as the driver was told, and as many are lost as chance allows.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "driver/drivers.h"
#include "io/linux/library.h"
#include "sim/house.h"

namespace hookline::sim {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kUs = 1'000;
constexpr uint32_t kGetCounts = 0x122008;
constexpr const char* kConfig = R"(
[server]
interfaces = ["eth0"]
[[scope]]
id = "wire"
subnet = "10.76.0.0/14"
ranges = ["10.78.0.0-10.79.255.254"]
[[filter.driver]]
path = "{}"
[filter.driver.parameters]
InboundDelayMs = {}
OutboundDelayMs = {}
InboundDropPercent = {}
OutboundDropPercent = {}
Seed = {}
)";

struct DelayCounts {
  uint64_t seen, dropped, overflow, refused, sent, failed, pending;
};

struct DelayOptions {
  int in_ms = 0, out_ms = 0, in_percent = 0, out_percent = 0, seed = 1;
};

class DelayedHouse {
 public:
  explicit DelayedHouse(const DelayOptions& delay)
      : config_(load(delay)), drivers_(libraries_, log_, options()) {
    CHECK(config_ != nullptr, "the oracle's configuration is valid");
    server::World world{clock, disk_, background_, wire, wire, log_, 1};
    world.call_watch = &drivers_;
    auto started = server::Core::start(world, config_);
    CHECK(started, "the server starts");
    core_ = std::move(*started);
    run();
    drivers_.connect({core_->filters(), core_->lists(), core_->injections()});
    tell_time();
    auto loaded = drivers_.start(config_->filter);
    EXPECT_TRUE(loaded) << loaded.error().text;
  }
  ~DelayedHouse() {
    drivers_.unload_all();
    core_->stop();
    core_.reset();
    background_.forget();
    EXPECT_EQ(warnings(), "");
    std::fclose(log_file_);
  }

  void say_discover(Client& client, uint32_t xid) {
    client.xid = xid;
    wire.client_sends(make_frame(client, message(client, {{option::kMessageType, {1}}}), false));
    run();
  }

  // Time passes, timers of the driver that are due run, and the server does what there is to do.
  void pass(int64_t ns) {
    clock.pass(ns);
    tell_time();
    run();
    tell_time();  // what has become due at once
    run();
  }

  size_t answers() { return wire.take_sent().size(); }

  std::pair<DelayCounts, DelayCounts> counts() {
    const auto call = drivers_.control_open("delay", kGetCounts, {});
    EXPECT_TRUE(call) << call.error().text;
    std::optional<Result<driver::ControlAnswer>> answer;
    while (!(answer = drivers_.control_next(*call))) core_->turn();
    drivers_.control_close(*call);
    std::pair<DelayCounts, DelayCounts> out{};
    EXPECT_TRUE(*answer) << answer->error().text;
    EXPECT_EQ((*answer)->data.size(), 2 * sizeof(DelayCounts));
    if ((*answer)->data.size() == 2 * sizeof(DelayCounts)) {
      std::memcpy(&out.first, (*answer)->data.data(), sizeof out.first);
      std::memcpy(&out.second, (*answer)->data.data() + sizeof out.first, sizeof out.second);
    }
    return out;
  }
  inject::Report injections() { return core_->injections().report(); }
  uint64_t breaches() { return drivers_.report().at(0).breaches; }

  SimClock clock;
  Random random{1};
  SimWire wire{random};

 private:
  static std::shared_ptr<const Config> load(const DelayOptions& delay) {
    return config::load_text(fmt::format(kConfig, DELAY_DRIVER, delay.in_ms, delay.out_ms,
                                         delay.in_percent, delay.out_percent, delay.seed),
                             "oracle.toml")
        .config;
  }
  driver::Options options() {
    driver::Options out;
    out.while_waiting = [this] { run(); };
    out.clock = [](void* self) { return static_cast<DelayedHouse*>(self)->now_ns_.load(); };
    out.clock_context = this;
    return out;
  }
  // Such as of rules that the driver has broken.
  std::string warnings() {
    std::string text(4096, ' ');
    std::rewind(log_file_);
    text.resize(std::fread(text.data(), 1, text.size(), log_file_));
    return text;
  }
  // The driver reads it on threads of its own.
  void tell_time() {
    now_ns_ = static_cast<uint64_t>(clock.reading.wall_ns);
    drivers_.clock_changed();
  }
  void run() {
    for (bool busy = true; busy;) {
      busy = core_->turn();
      while (background_.run_one()) busy = true;
    }
  }

  std::atomic<uint64_t> now_ns_{0};
  SimDisk disk_{1};
  SimBackground background_;
  std::FILE* log_file_ = std::tmpfile();
  Logger log_{log_file_, LogLevel::Warning};
  std::shared_ptr<const Config> config_;
  io::LinuxLibraries libraries_;
  driver::Drivers drivers_;
  std::unique_ptr<server::Core> core_;
};

TEST(Oracle, AnAnswerIsLateByBothDelaysExactly) {
  for (const auto& [in_ms, out_ms] : {std::pair{7, 13}, {0, 5}, {5, 0}, {250, 1}}) {
    DelayedHouse house({in_ms, out_ms});
    Client client = client_of(1);
    house.say_discover(client, 7);
    house.pass(0);
    const int64_t due_ns = (in_ms + out_ms) * kMs;
    int64_t waited_ns = 0;
    for (int64_t step = 100 * kUs; waited_ns < due_ns - step; waited_ns += step) {
      house.pass(step);
      ASSERT_EQ(house.answers(), 0u) << in_ms << "+" << out_ms << " after " << waited_ns;
    }
    house.pass(due_ns - waited_ns - 1);
    EXPECT_EQ(house.answers(), 0u) << "a nanosecond early";
    house.pass(1);
    EXPECT_EQ(house.answers(), 1u);
    house.pass(10 * kMs);
    EXPECT_EQ(house.answers(), 0u);
    EXPECT_EQ(house.breaches(), 0u);
  }
}

TEST(Oracle, OrderIsKept) {
  DelayedHouse house({3, 4});
  Client client = client_of(1);
  for (uint32_t xid = 100; xid < 120; ++xid) {
    house.say_discover(client, xid);
    house.pass(kMs);
  }
  for (int i = 0; i < 20; ++i) house.pass(kMs);
  std::vector<uint32_t> seen;
  for (const auto& frame : house.wire.take_sent()) {
    load::Reply reply;
    ASSERT_EQ(load::read_reply(frame, false, reply), "");
    seen.push_back(reply.xid);
  }
  ASSERT_EQ(seen.size(), 20u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Oracle, LossIsWhatChanceAllows) {
  constexpr int kRequests = 2000;
  for (const int seed : {1, 2, 3}) {
    DelayedHouse house({1, 1, 10, 20, seed});
    Client client = client_of(1);
    size_t answers = 0;
    for (uint32_t i = 0; i < kRequests; ++i) {
      house.say_discover(client, i + 1);
      house.pass(kMs);
      house.pass(kMs);
      answers += house.answers();
    }
    const auto [in, out] = house.counts();
    EXPECT_EQ(in.seen, uint64_t{kRequests});
    EXPECT_EQ(in.sent, in.seen - in.dropped);
    EXPECT_EQ(out.seen, in.sent);
    EXPECT_EQ(out.sent, out.seen - out.dropped);
    EXPECT_EQ(answers, out.sent);
    EXPECT_EQ(in.pending + out.pending + in.failed + out.failed + in.refused + out.refused, 0u);
    // Five standard deviations either way.
    const auto expect_share = [&](uint64_t lost, uint64_t of, double share) {
      const auto n = static_cast<double>(of);
      EXPECT_NEAR(static_cast<double>(lost), n * share, 5 * std::sqrt(n * share * (1 - share)))
          << "seed " << seed;
    };
    expect_share(in.dropped, in.seen, 0.10);
    expect_share(out.dropped, out.seen, 0.20);
    const inject::Report report = house.injections();
    ASSERT_EQ(report.handles.size(), 1u);
    const auto& ended = report.handles[0].ended;
    EXPECT_EQ(ended[static_cast<size_t>(inject::End::Success)], in.sent + out.sent);
    EXPECT_EQ(report.in_flight, 0u);
    EXPECT_EQ(house.breaches(), 0u);
  }
}

TEST(Oracle, WhatIsHeldAtUnloadIsGoneAndNothingElse) {
  Client client = client_of(1);
  {
    DelayedHouse house({1000, 0});
    for (uint32_t xid = 1; xid <= 50; ++xid) house.say_discover(client, xid);
    house.pass(kMs);
    EXPECT_EQ(house.counts().first.pending, 50u);
  }  // unloads, then stops
}

}  // namespace
}  // namespace hookline::sim
