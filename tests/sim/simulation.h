// One run: a server, its wire and disk, clients, and everything that goes wrong, from one seed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "checks.h"
#include "disk.h"

namespace hookline::sim {

struct Plan {
  uint64_t seed = 1;
  int turns = 2000;
  size_t clients = 120;  // the pool has 90 addresses: it runs dry
  bool wire_faults = true;
  bool crashes = true;      // process and power, at any write or sync
  bool disk_faults = true;  // full, EIO
  bool clock_steps = true;
  bool squatters = false;  // with conflict detection
  bool trace = false;      // every message and log line to stderr
  // The callouts of each start.
  std::function<callout::Hosts(io::Clock&, Logger&)> make_callouts{};
  bool lying_disk = false;  // canary: sync() does nothing; the checks must notice
};

struct Outcome {
  std::string violation;  // empty: all held
  size_t acks = 0;
  size_t restarts = 0;
  size_t conflicts = 0;  // that the server found
};

Outcome simulate(const Plan& plan);

}  // namespace hookline::sim
