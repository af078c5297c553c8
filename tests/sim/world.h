// The simulated clock and wire: what src/io/linux is in the real server. One thread, one seed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "io/background.h"
#include "io/clock.h"
#include "io/links.h"
#include "io/offload.h"
#include "io/packet_port.h"

namespace hookline::sim {

using Random = std::mt19937_64;

inline bool chance(Random& random, double p) {
  return std::uniform_real_distribution<>(0, 1)(random) < p;
}
inline uint64_t below(Random& random, uint64_t n) { return random() % n; }

class SimClock final : public io::Clock {
 public:
  io::ClockReading read() override { return reading; }
  void pass(int64_t ns) {
    reading.boot_ns += ns;
    reading.wall_ns += ns;
  }
  void step_wall(int64_t seconds) { reading.wall_ns += seconds * 1'000'000'000; }

  io::ClockReading reading{1'000'000'000, 1'700'000'000'000'000'000};
};

// Runs jobs when the simulation says so: a snapshot may take as long as the seed wants.
class SimBackground final : public io::Background {
 public:
  void post(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  bool run_one() {
    if (jobs_.empty()) return false;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    job();
    return true;
  }
  void forget() { jobs_.clear(); }

 private:
  std::deque<std::function<void()>> jobs_;
};

// The journal's disk work: done when it is waited for, as late as can be.
class SimOffload final : public io::Offload {
 public:
  void start(Job& job) override { job_ = &job; }
  bool ended() const override { return job_ == nullptr; }
  void wait() override {
    if (job_ != nullptr) std::exchange(job_, nullptr)->run();
  }

 private:
  Job* job_ = nullptr;
};

// One wire on ifindex 2: what goes in arrives as the faults allow, what comes out is handed over.
class SimWire final : public io::PacketPort, public io::LinkMonitor {
 public:
  struct Faults {
    double lose = 0, repeat = 0, reorder = 0;  // of frames towards the server
    double send_error = 0;                     // of frames from it
  };

  explicit SimWire(Random& random);

  void client_sends(std::vector<uint8_t> frame);
  // Every frame that the server sent since the last call, in order.
  std::vector<std::vector<uint8_t>> take_sent() { return std::exchange(sent_, {}); }
  void set_up(bool up);
  // The interface's queue is full: every frame from the server gets ENOBUFS.
  void set_queue_full(bool full) { queue_full_ = full; }
  size_t arriving() const { return arriving_.size(); }

  size_t receive(std::span<io::RxFrame> frames) override;
  void send(std::span<io::TxFrame> frames) override;
  int send_udp(Ipv4 from, Ipv4 to, uint16_t to_port, uint32_t ifindex, Bytes payload) override;
  uint64_t kernel_drops() const override { return 0; }
  const io::LinkTable& table() const override { return table_; }
  bool changed() override { return std::exchange(changed_, false); }
  std::optional<io::NextHop> resolve(Ipv4 to) override;

  Faults faults;

 private:
  Random& random_;
  io::LinkTable table_;
  bool changed_ = false;
  bool queue_full_ = false;
  std::deque<std::vector<uint8_t>> arriving_;
  std::vector<std::vector<uint8_t>> sent_;
};

inline constexpr uint32_t kIfindex = 2;
inline constexpr Ipv4 kServerAddress{0x0A4D0001};  // 10.77.0.1
inline constexpr Ipv4 kRelayAddress{0x0A630001};   // 10.99.0.1
inline constexpr MacAddress kServerMac{{2, 0, 0, 0, 0xFF, 1}};
inline constexpr MacAddress kRelayMac{{2, 0, 0, 0, 0xFF, 2}};

}  // namespace hookline::sim
