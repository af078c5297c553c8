// `hookline serve`: the server on this machine's interfaces.
#pragma once

#include <optional>
#include <string>

#include "base/log.h"

namespace hookline::server {

struct ServeOptions {
  std::string config_path;
  std::optional<std::string> state_dir;  // beats server.state-dir
  std::optional<std::string> control;    // beats server.control
  LogLevel log_level = LogLevel::Info;
};

// Serves until SIGTERM or SIGINT; SIGHUP reloads. Returns the process's exit status: 0 after a
// clean stop, 1 when it could not start or had to give up.
int serve(const ServeOptions& options);

}  // namespace hookline::server
