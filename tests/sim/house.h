// A server in a calm world, for tests that say themselves what happens: no faults, one wire, time
// passes when told.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "client.h"
#include "config/load.h"
#include "disk.h"
#include "line/message.h"
#include "server/core.h"
#include "world.h"

namespace hookline::sim {

using Options = std::vector<std::pair<uint8_t, std::vector<uint8_t>>>;

// A BOOTP message with these options, from a client that is not relayed unless it says so. Values
// longer than 255 bytes are split (RFC 3396).
inline std::vector<uint8_t> message(const Client& client, const Options& options,
                                    Ipv4 ciaddr = {}) {
  std::vector<uint8_t> out(240, 0);
  out[0] = 1;
  out[1] = 1;
  out[2] = 6;
  out[3] = client.relayed ? 1 : 0;
  Ipv4{client.xid}.store(&out[4]);
  ciaddr.store(&out[12]);
  if (client.relayed) kRelayAddress.store(&out[24]);
  std::copy_n(client.mac.view().begin(), 6, &out[28]);
  Ipv4{0x63825363}.store(&out[236]);
  for (const auto& [code, value] : options) {
    size_t at = 0;
    do {
      const size_t size = std::min<size_t>(value.size() - at, 255);
      out.push_back(code);
      out.push_back(static_cast<uint8_t>(size));
      out.insert(out.end(), value.begin() + static_cast<long>(at),
                 value.begin() + static_cast<long>(at + size));
      at += size;
    } while (at < value.size());
  }
  out.push_back(option::kEnd);
  if (out.size() < 300) out.resize(300, 0);
  return out;
}

inline Client client_of(uint32_t number) {
  Client client;
  client.number = number;
  const auto b = [number](int shift) { return static_cast<uint8_t>(number >> shift); };
  client.mac = MacAddress{{2, 0, 1, b(16), b(8), b(0)}};
  client.xid = 0x10000000 + number;
  return client;
}

// DISCOVER with Rapid Commit (RFC 4039): an ACK in one exchange.
inline Options rapid(Options more = {}) {
  more.insert(more.begin(), {{option::kMessageType, {1}}, {option::kRapidCommit, {}}});
  return more;
}

class House {
 public:
  using MakeHosts = std::function<callout::Hosts(House&)>;

  explicit House(const char* config_text, MakeHosts make_hosts = {},
                 io::AddressProbe* probe = nullptr)
      : config_(config::load_text(config_text, "house.toml").config),
        make_hosts_(std::move(make_hosts)),
        probe_(probe) {
    CHECK(config_ != nullptr, "the house's configuration is valid");
    start();
  }
  ~House() {
    stop();
    std::fclose(quiet_);
  }

  void start(store::Journal::Options options = {}) {
    auto started =
        server::Core::start({clock, disk, background, wire, wire, log_, 1, probe_}, config_,
                            options, make_hosts_ ? make_hosts_(*this) : callout::Hosts());
    ASSERT_TRUE(started) << started.error().text;
    core = std::move(*started);
    run();
  }
  void stop() {
    if (core != nullptr) core->stop();
    core.reset();
    background.forget();
  }
  void power_cut() {
    stop();
    disk.power_cut(SimDisk::Cut::Forget);
    wire.take_sent();
    start();
  }
  void pass(int64_t seconds) { clock.pass(seconds * kNsPerSecond); }

  // Turns and background work until nothing is left to do.
  void run() {
    for (bool busy = true; busy;) {
      busy = core->turn();
      while (background.run_one()) busy = true;
    }
  }
  void say(const Client& client, const Options& options, Ipv4 ciaddr = {}) {
    const bool unicast = client.relayed || ciaddr;
    wire.client_sends(make_frame(client, message(client, options, ciaddr), unicast));
  }
  // What the server sent since the last call.
  std::vector<load::Reply> replies() {
    sent_ = wire.take_sent();
    std::vector<load::Reply> out;
    for (const auto& frame : sent_) {
      load::Reply reply;
      EXPECT_EQ(load::read_reply(frame, false, reply), "");
      out.push_back(reply);
    }
    return out;
  }
  Logger& log() { return log_; }
  uint64_t dropped(Drop drop) const {
    return core->counters().drops[static_cast<size_t>(drop)].value();
  }

  SimClock clock;
  Random random{1};
  SimWire wire{random};
  SimDisk disk{1};
  SimBackground background;
  std::unique_ptr<server::Core> core;

 private:
  std::FILE* quiet_ = std::fopen("/dev/null", "w");
  Logger log_{quiet_, LogLevel::Error};
  std::shared_ptr<const Config> config_;
  MakeHosts make_hosts_;
  io::AddressProbe* probe_;
  std::vector<std::vector<uint8_t>> sent_;
};

}  // namespace hookline::sim
