// The spawner of helpers.h: its own loop, and what it and the server say to each other, one message
// a packet of their socket.
#pragma once

#include <cstdint>

#include "io/helper.h"
#include "io/linux/fd.h"
#include "io/linux/privileges.h"

namespace hookline::io {

struct SpawnerRequest {
  enum What : uint32_t {
    Start,    // with four descriptors: memory, work, call back, output
    Kill,     // with a moment to write down where it is
    KillNow,  // at once
  };
  uint32_t what = Start;
  uint32_t id = 0;
  uint64_t memory_max_bytes = 0;
};
inline constexpr size_t kSpawnerFds = 4;

struct SpawnerEvent {
  enum What : uint32_t { Started, Exited, Killed };
  uint32_t id = 0;
  uint32_t what = Started;
  int32_t code = 0;  // process id, exit status, signal
};

struct SpawnerPlan {
  Fd socket;
  Fd program;
  Account account;
  int server = 0;  // process id: when it ends, so does this
};

// Serves until the server is gone.
[[noreturn]] void run_spawner(SpawnerPlan plan);

}  // namespace hookline::io
