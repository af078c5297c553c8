// The commands that talk to a running server over its control socket.
#pragma once

#include <optional>
#include <string>

#include "control/render.h"
#include "server/cli.h"

namespace hookline::cli {

// `socket` empty: the default one.
struct Target {
  std::string socket;
  control::Format format = control::Format::Table;
};

// Texts as they were typed; empty: no such filter. The server checks them.
struct LeaseArguments {
  std::string scope;
  std::string address;
  std::string hw_address;
  std::string client_id;
  std::string state;
};

int show_status(const Target& target, Streams streams);
int show_leases(const Target& target, const LeaseArguments& arguments, Streams streams);
int show_scopes(const Target& target, Streams streams);
// `all`: the reasons with a count of 0 too, which a table leaves out.
int show_drops(const Target& target, bool all, Streams streams);
int show_callouts(const Target& target, Streams streams);
int show_callout_faults(const Target& target, Streams streams);
int show_filter(const Target& target, Streams streams);
// `code` in decimal or 0x…; `data` in hex, may be empty. A status that is an error is kExitFailed.
int ioctl(const Target& target, const std::string& name, const std::string& code,
          const std::string& data, Streams streams);
int show_metrics(const Target& target, Streams streams);
// Until the server stops or the process is ended.
int follow_trace(const Target& target, const std::string& client, Streams streams);
// A call that changes something: "pause", "reload", …; `address` where it takes one, else empty.
// All of them, or `name` alone.
int reload_callouts(const Target& target, const std::string& name, Streams streams);
int change(const Target& target, const std::string& call, const std::string& address,
           Streams streams);

}  // namespace hookline::cli
