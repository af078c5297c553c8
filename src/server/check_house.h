// A server with the callout under check, in a world of its own, for as long as it takes to drive
// some exchanges.
#pragma once

#include <memory>
#include <string>

#include "callout/loader.h"
#include "server/check_host.h"
#include "server/check_packets.h"
#include "server/check_world.h"
#include "server/core.h"

namespace hookline::check {

class House {
 public:
  // The references outlive it. `with_probe`: addresses are asked about.
  House(callout::Loader& loader, const CalloutConfig& callouts, Watch& watch, Sheet& sheet,
        io::Clock& real_clock, Logger& log, const char* config_text, bool with_probe);
  ~House();

  // Loads the callout and starts the server. Where that fails the sheet says why, and only stop()
  // may be called. The server stops where it has not been stopped before.
  void start();
  void stop();
  bool is_running() const { return core_ != nullptr; }
  server::Core& core() { return *core_; }

  // Turns until nothing is left to do.
  void run();
  // Time goes by, a second at a time.
  void pass(int64_t seconds);
  void say(const Client& client, const Options& options, Ipv4 ciaddr = {});
  void say_bytes(const Client& client, Bytes payload) { wire.client_sends(frame(client, payload)); }
  // As say(), and everything that comes of it. The address that the client got; `otherwise` where
  // it got none.
  Ipv4 ask(const Client& client, const Options& options, Ipv4 ciaddr = {}, Ipv4 otherwise = {});

  CheckClock clock;
  CheckWire wire;
  CheckDisk disk;
  CheckProbe probe;
  uint32_t rounds = 0;  // how many are to be timed
  void count_round() { ++sheet_.rounds; }

 private:
  callout::Loader& loader_;
  const CalloutConfig& callouts_;
  Watch& watch_;
  Sheet& sheet_;
  Logger& log_;
  const char* config_text_;
  bool with_probe_;
  CheckBackground background_;
  std::unique_ptr<server::Core> core_;
};

}  // namespace hookline::check
