// The command line: hookline(8). Reads the arguments, does what they say, returns the exit status.
#pragma once

#include <cstdio>

namespace hookline::cli {

// The process's exit status, the same for every command.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;  // it could not be done, or errors were found
inline constexpr int kExitUsage = 2;   // the command line is wrong

// Results go to `out`, everything else to `err`. Both stay the caller's.
struct Streams {
  std::FILE* out = stdout;
  std::FILE* err = stderr;
};

int run(int argc, const char* const* argv, Streams streams);

}  // namespace hookline::cli
