// The example driver `streamedit` over a stream that is cut at every place: what comes out is what
// a search over the whole text would make of it, in line and out of band.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ostream>
#include <string>
#include <thread>

#include "driver/drivers.h"
#include "filter/stream_engine.h"
#include "io/linux/library.h"

namespace hookline {
namespace {

class NullPort final : public io::PacketPort {
 public:
  size_t receive(std::span<io::RxFrame>) override { return 0; }
  void send(std::span<io::TxFrame>) override {}
  int send_udp(Ipv4, Ipv4, uint16_t, uint32_t, Bytes) override { return 0; }
  uint64_t kernel_drops() const override { return 0; }
};

class NoLinks final : public io::LinkMonitor {
 public:
  const io::LinkTable& table() const override { return table_; }
  bool changed() override { return false; }
  std::optional<io::NextHop> resolve(Ipv4) override { return std::nullopt; }

 private:
  io::LinkTable table_;
};

struct Edit {
  std::string find, replace;
  bool out_of_band = false;
};

void PrintTo(const Edit& edit, std::ostream* out) {
  *out << edit.replace << (edit.out_of_band ? ", out of band" : ", in line");
}

std::string edited(std::string text, const Edit& edit) {
  for (size_t at = 0; (at = text.find(edit.find, at)) != std::string::npos;) {
    text.replace(at, edit.find.size(), edit.replace);
    at += edit.replace.size();
  }
  return text;
}

// The engine with its streams, and the driver loaded; this thread is the packet thread.
class House {
 public:
  explicit House(const Edit& edit) : drivers_(libraries_, log_, options()) {
    engine_.flows().configure({.seed = 1, .wakeups = nullptr, .program = "test", .udp_flows = 16});
    engine_.attach(&streams_);
    injections_.inject_streams_by(streams_);
    pump();
    drivers_.connect({engine_, lists_, injections_});
    FilterDriver driver;
    driver.path = STREAMEDIT_DRIVER;
    driver.name = "streamedit";
    driver.parameters = {{"Find", false, 0, edit.find},
                         {"Replace", false, 0, edit.replace},
                         {"OutOfBand", true, edit.out_of_band, {}},
                         {"Directions", true, 3, {}}};
    FilterConfig config;
    config.drivers = {driver};
    auto loaded = drivers_.start(config);
    EXPECT_TRUE(loaded) << loaded.error().text;
  }
  ~House() {
    drivers_.unload_all();
    EXPECT_FALSE(drivers_.any_left());
    injections_.abandon(now_);
    std::fclose(log_file_);
  }

  // The text goes through in these pieces; what comes out.
  std::string through(Direction direction, const std::vector<std::string_view>& pieces) {
    Traffic traffic;
    traffic.direction = Direction::Inbound;
    traffic.protocol = 6;
    traffic.local = Ipv4{0x0A4D0001};
    traffic.remote = Ipv4{0x0A4D0002};
    traffic.local_port = 67;
    traffic.remote_port = next_port_++;
    StreamFlow* flow = streams_.open(traffic);
    if (flow == nullptr || flow->admission() != Admission::Open) return "refused";
    std::string out;
    const auto take = [&] {
      for (Bytes bytes = flow->passed(direction); !bytes.empty(); bytes = flow->passed(direction)) {
        out.append(bytes.begin(), bytes.end());
        flow->take(direction, bytes.size());
      }
    };
    for (const std::string_view piece : pieces) {
      flow->put(direction, as_bytes(piece));
      pump();
      take();
    }
    flow->finish(direction);
    for (int i = 0; i < 10'000 && !flow->finished(direction); ++i) {
      pump();
      take();
      if (!flow->finished(direction)) std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_TRUE(flow->finished(direction));
    EXPECT_FALSE(flow->must_reset());
    streams_.close(flow, StreamFilter::End::Closed);
    pump();
    return out;
  }
  // All that was injected has completed.
  void expect_rest() {
    for (int i = 0; i < 10'000 && in_flight() != 0; ++i) {
      pump();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_EQ(in_flight(), 0u);
    EXPECT_EQ(drivers_.report().at(0).breaches, 0u);
  }

 private:
  driver::Options options() {
    driver::Options out;
    out.while_waiting = [this] { pump(); };
    return out;
  }
  void pump() {
    now_.boot_ns += 1000;
    engine_.flows().pump(now_);
    streams_.pump(now_);
    injections_.pump(now_);
    streams_.pump(now_);
  }
  uint32_t in_flight() const {
    uint32_t sum = 0;
    for (const inject::HandleReport& handle : injections_.report().handles) {
      sum += handle.in_flight;
    }
    return sum;
  }

  std::FILE* log_file_ = std::tmpfile();
  Logger log_{log_file_, LogLevel::Warning};
  Now now_{1'000'000'000, 0};
  uint16_t next_port_ = 1024;
  NullPort port_;
  NoLinks links_;
  Counters counters_;
  io::LinuxLibraries libraries_;
  driver::Drivers drivers_;
  filter::Engine engine_{log_, &drivers_};
  inject::Lists lists_{{[](void* self, const NET_BUFFER_LIST*) {
                          static_cast<House*>(self)->injections_.released();
                        },
                        this}};
  inject::Injections injections_{port_,     links_, engine_,
                                 counters_, log_,   {false, nullptr, &lists_}};
  filter::StreamEngine streams_{engine_};
};

class StreamEdit : public ::testing::TestWithParam<Edit> {};

// The text ends as it may not begin: what may have begun is held until the end.
constexpr std::string_view kText = "befor before, bebefore; beforebefore and efore. befor";

TEST_P(StreamEdit, AtEverySplitPoint) {
  House house(GetParam());
  const std::string expected = edited(std::string(kText), GetParam());
  for (const Direction direction : {Direction::Outbound, Direction::Inbound}) {
    for (size_t at = 0; at <= kText.size(); ++at) {
      std::vector<std::string_view> pieces;
      for (const std::string_view piece : {kText.substr(0, at), kText.substr(at)}) {
        if (!piece.empty()) pieces.push_back(piece);
      }
      ASSERT_EQ(house.through(direction, pieces), expected) << "split at " << at;
    }
  }
  house.expect_rest();
}

TEST_P(StreamEdit, InPiecesOfEverySize) {
  House house(GetParam());
  const std::string expected = edited(std::string(kText), GetParam());
  for (size_t size = 1; size <= 9; ++size) {
    std::vector<std::string_view> pieces;
    for (size_t at = 0; at < kText.size(); at += size) pieces.push_back(kText.substr(at, size));
    ASSERT_EQ(house.through(Direction::Outbound, pieces), expected) << size << " bytes each";
  }
  house.expect_rest();
}

INSTANTIATE_TEST_SUITE_P(
    Texts, StreamEdit,
    ::testing::Values(Edit{"before", "behind", false}, Edit{"before", "x", false},
                      Edit{"before", "a longer one", false}, Edit{"before", "behind", true},
                      Edit{"before", "x", true}, Edit{"before", "a longer one", true}));

}  // namespace
}  // namespace hookline
