// What must always hold, seen from outside: the checkers know only the wire, the disk and the
// counters. A violation is a sentence; the simulation stops at the first.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client.h"
#include "server/core.h"

namespace hookline::sim {

class Checks {
 public:
  // An ACK that grants `address` to `client` left the server at `now_ns` (boot clock).
  void ack_seen(const Client& client, Ipv4 address, uint32_t lease_s, int64_t now_ns);
  // The client gave up whatever it held (it says so itself, so nothing is promised to it any more).
  void given_up(const Client& client);

  // Invariant 2: all that was promised and has not run out is there after a restart.
  void recovered(const lease::Engine& engine, const std::vector<Client>& clients, Now now);
  // Invariant 3: every packet is inside, completed or dropped.
  void counters(const server::Core& core);

  const std::optional<std::string>& violation() const { return violation_; }
  size_t acks() const { return acks_; }

 private:
  struct Promise {
    uint32_t client = 0;
    int64_t until_ns = 0;
  };
  void violate(std::string what);

  std::map<uint32_t, Promise> promises_;  // by address
  std::optional<std::string> violation_;
  size_t acks_ = 0;
};

}  // namespace hookline::sim
