// `hookline callout check`: runs a callout in a test host, a process of its own, through every
// exchange and every drop of docs/callout_guide.md, and says what it asked for, how long its hooks
// took, and what it broke. Whatever the callout does, this process goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/check_sheet.h"
#include "server/cli.h"

namespace hookline::check {

struct CheckOptions {
  std::string file;               // the callout
  std::string config;             // its registry and path map are this configuration's; empty: none
  uint32_t rounds = 1000;         // of DISCOVER, REQUEST, renewal and RELEASE, for times
  int64_t budget_ns = 1'000'000;  // a hook whose 99th percentile takes longer is slow
  int64_t timeout_ns = 10'000'000'000;  // a hook that takes longer hangs
  bool json = false;
  bool verbose = false;  // what the server and the callout log
};

// One breach of the contract.
struct Finding {
  std::string where;     // "DhcpNewPktHook"
  std::string what;      // "crashed: SIGSEGV"
  std::string exchange;  // empty: it is about many
  uint64_t times = 1;
};

// cli::kExitOk: clean. kExitFailed: there are findings. kExitUsage: it could not be loaded.
int run_callout_check(const CheckOptions& options, cli::Streams streams);

}  // namespace hookline::check
