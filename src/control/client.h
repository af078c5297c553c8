// The operator's side of the control socket: blocking, for the command line. One thread.
#pragma once

#include <boost/json/fwd.hpp>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/linux/local_socket.h"

namespace hookline::control {

class ControlClient {
 public:
  // Missing: no server answers at `path`; the text says what to do next.
  static Result<ControlClient> connect(const std::string& path);

  // Takes one page of the answer; false: enough, forget the rest.
  using OnPage = std::function<bool(const boost::json::value& page)>;

  // Calls, and hands over every page. The server's refusal comes back as its Error. `timeout_ms`
  // is how long to wait for the next page; -1: without end, for traces. After a failure or an
  // OnPage that returned false, make a new client.
  Result<void> call(std::string_view name, const boost::json::object& args, const OnPage& on_page,
                    int timeout_ms = 60'000);

 private:
  ControlClient(io::LocalConnection connection, std::string path)
      : connection_(std::move(connection)), path_(std::move(path)) {}
  Result<void> send(std::string_view line);
  Result<std::string> read_line(int timeout_ms);

  io::LocalConnection connection_;
  std::string path_;
  std::string buffer_;
  int64_t next_id_ = 1;
};

}  // namespace hookline::control
