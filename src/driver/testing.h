// For tests: the engine, the packets and the injections over a wire that takes everything, and a
// packet thread that shows frames to the engine and pumps, as the server's turns do.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/inet_frame.h"
#include "driver/drivers.h"
#include "io/linux/library.h"
#include "line/net_buffers.h"

namespace hookline::driver::testing {

inline const std::string kFiles = DRIVER_FILES;  // the folder of the drivers made for this build

class NullPort final : public io::PacketPort {
 public:
  size_t receive(std::span<io::RxFrame>) override { return 0; }
  void send(std::span<io::TxFrame> frames) override {
    for (io::TxFrame& frame : frames) frame.error = 0;
  }
  int send_udp(Ipv4, Ipv4, uint16_t, uint32_t, Bytes) override { return 0; }
  uint64_t kernel_drops() const override { return 0; }
};

class OneLink final : public io::LinkMonitor {
 public:
  OneLink() {
    io::Link link;
    link.ifindex = 2;
    link.name = "eth0";
    table_.links.push_back(link);
  }
  const io::LinkTable& table() const override { return table_; }
  bool changed() override { return false; }
  std::optional<io::NextHop> resolve(Ipv4) override { return std::nullopt; }

 private:
  io::LinkTable table_;
};

// The log, readable.
class LogFile {
 public:
  ~LogFile() {
    std::fclose(file_);
    std::filesystem::remove(path_);
  }
  std::string text() const {
    std::fflush(file_);
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  bool has(std::string_view part) const { return text().find(part) != std::string::npos; }
  std::FILE* file() { return file_; }

 private:
  std::string path_ = ::testing::TempDir() + "driver_test_" +
                      ::testing::UnitTest::GetInstance()->current_test_info()->name() +
                      std::to_string(reinterpret_cast<uintptr_t>(this)) + ".log";
  std::FILE* file_ = std::fopen(path_.c_str(), "w");
};

class Bench {
 public:
  explicit Bench(Options options = {}) : drivers(libraries, log, std::move(options)) {
    drivers.connect({engine, lists, injections});
    packet_thread_ = std::thread([this] { run(); });
  }
  ~Bench() {
    drivers.unload_all();
    stopping_ = true;
    packet_thread_.join();
  }

  // A driver of modes.c.
  static FilterDriver modes(std::string mode, std::string device = {}, uint32_t milliseconds = 0,
                            std::string file = "modes") {
    FilterDriver driver;
    driver.path = kFiles + "/" + file + ".so";
    driver.name = std::move(file);
    driver.parameters = {{"Mode", false, 0, std::move(mode)},
                         {"Device", false, 0, std::move(device)},
                         {"Milliseconds", true, milliseconds, {}}};
    return driver;
  }
  static FilterConfig config(std::vector<FilterDriver> list) {
    FilterConfig out;
    out.drivers = std::move(list);
    return out;
  }
  // Empty: it loaded.
  std::string why_not(FilterDriver driver) {
    auto started = drivers.start(config({std::move(driver)}));
    return started ? "" : started.error().text;
  }
  // The answer to a request, waited for.
  Result<ControlAnswer> control(std::string_view name, uint32_t code,
                                std::vector<uint8_t> in = {}) {
    const auto call = drivers.control_open(name, code, std::move(in));
    if (!call) return tl::unexpected(call.error());
    for (;;) {
      if (const auto answer = drivers.control_next(*call)) {
        drivers.control_close(*call);
        return *answer;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  // Until the packet thread has classified so many more frames.
  void classify(uint64_t frames) {
    const uint64_t end = classified.load() + frames;
    while (classified.load() < end) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  template <class Condition>
  static bool comes_true(Condition condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition();
  }

  LogFile out;
  Logger log{out.file(), LogLevel::Debug};
  io::LinuxLibraries libraries;
  Drivers drivers;
  filter::Engine engine{log, &drivers};
  NullPort port;
  OneLink links;
  Counters counters;
  inject::Lists lists{
      {[](void* self, const NET_BUFFER_LIST*) { static_cast<Bench*>(self)->injections.released(); },
       this}};
  inject::Injections injections{port, links, engine, counters, log, {false, nullptr, &lists}};
  std::atomic<uint64_t> classified{0};

 private:
  void run() {
    std::array<uint8_t, 342> frame{};
    Traffic traffic;
    traffic.ifindex = 2;
    traffic.mac_header_bytes = 14;
    traffic.ip_header_bytes = 20;
    traffic.transport_header_bytes = 8;
    Indication indication;
    for (int64_t now_ns = 1; !stopping_; now_ns += 1'000'000) {
      if (engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram)) {
        indication.describe(frame);
        engine.classify(traffic, &indication.list, Depth::Mac, Depth::Datagram);
      }
      classified.fetch_add(1);
      injections.pump(Now{now_ns, 0});
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

  std::atomic<bool> stopping_{false};
  std::thread packet_thread_;
};

}  // namespace hookline::driver::testing
