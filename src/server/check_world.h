// The world of a test host: nothing of it is outside this process. One wire with a server on it,
// a disk in memory that can be told to fail, time that can be told to pass, a prober that finds
// whom it is told. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/address_probe.h"
#include "io/background.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/links.h"
#include "io/packet_port.h"

namespace hookline::check {

inline constexpr uint32_t kIfindex = 2;
inline constexpr Ipv4 kServerAddress{0x0A4D0001};  // 10.77.0.1
inline constexpr MacAddress kServerMac{{2, 0, 0, 0, 0xFF, 1}};

// Begins now, and moves when it is told to: nothing times out because this machine is slow.
class CheckClock final : public io::Clock {
 public:
  explicit CheckClock(io::Clock& real) : real_(real), reading_(real.read()) {}
  io::ClockReading read() override { return reading_; }
  int64_t real_ns() const { return real_.read().boot_ns; }
  uint64_t ticks() override { return real_.ticks(); }
  int64_t ns_of(uint64_t ticks) const override { return real_.ns_of(ticks); }
  void pass(int64_t ns) {
    reading_.boot_ns += ns;
    reading_.wall_ns += ns;
  }

 private:
  io::Clock& real_;
  io::ClockReading reading_;
};

// Runs jobs when it is told to.
class CheckBackground final : public io::Background {
 public:
  void post(std::function<void()> job) override { jobs_.push_back(std::move(job)); }
  // False: there was none.
  bool run_one();
  void forget() { jobs_.clear(); }

 private:
  std::deque<std::function<void()>> jobs_;
};

class CheckWire final : public io::PacketPort, public io::LinkMonitor {
 public:
  CheckWire();

  void client_sends(std::vector<uint8_t> frame) { arriving_.push_back(std::move(frame)); }
  // The last frame that the server sent since the last call; empty: it sent none.
  std::vector<uint8_t> take_reply();

  size_t receive(std::span<io::RxFrame> frames) override;
  void send(std::span<io::TxFrame> frames) override;
  int send_udp(Ipv4, Ipv4, uint16_t, uint32_t, Bytes) override { return 0; }
  uint64_t kernel_drops() const override { return 0; }
  const io::LinkTable& table() const override { return table_; }
  bool changed() override { return false; }
  std::optional<io::NextHop> resolve(Ipv4 to) override;

 private:
  io::LinkTable table_;
  std::deque<std::vector<uint8_t>> arriving_;
  std::vector<uint8_t> reply_;
};

class CheckDisk final : public io::Directory {
 public:
  // From now on nothing can be written.
  void fail() { *failing_ = true; }

  Result<void> lock() override { return {}; }
  Result<std::vector<std::string>> list() override;
  Result<std::unique_ptr<io::FileContents>> read(std::string_view name) override;
  Result<std::unique_ptr<io::WritableFile>> create(std::string_view name) override;
  Result<std::unique_ptr<io::WritableFile>> open(std::string_view name) override;
  Result<void> rename(std::string_view from, std::string_view to) override;
  Result<void> remove(std::string_view name) override;
  Result<void> sync() override;
  std::string path() const override { return "memory"; }

  using File = std::vector<uint8_t>;

 private:
  Result<std::shared_ptr<File>> find(std::string_view name) const;

  std::map<std::string, std::shared_ptr<File>, std::less<>> files_;
  std::shared_ptr<bool> failing_ = std::make_shared<bool>(false);
};

class CheckProbe final : public io::AddressProbe {
 public:
  // Somebody uses this address.
  void squat(Ipv4 address) { squatters_.insert(address.value); }

  int ask(const io::AddressQuestion& question) override;
  size_t answers(std::span<io::AddressAnswer> out) override;
  void rest() override { answers_.clear(); }

 private:
  std::set<uint32_t> squatters_;
  std::deque<io::AddressAnswer> answers_;
};

}  // namespace hookline::check
