// How a command says that it failed.
#pragma once

#include <fmt/core.h>

#include <string_view>

#include "base/result.h"
#include "server/cli.h"

namespace hookline::cli {

// "hookline: …" on the error stream; lines after the first (a configuration's errors) as they are.
inline int failed(std::string_view text, Streams streams) {
  fmt::print(streams.err, "hookline: {}\n", text);
  return kExitFailed;
}

inline int failed(const Error& error, Streams streams) { return failed(error.text, streams); }

}  // namespace hookline::cli
