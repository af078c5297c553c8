// The operator's socket: one thread that serves at most kControlClientsMax clients, each through a
// Session. The packet thread never waits for it.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "control/service.h"
#include "control/session.h"
#include "io/linux/local_socket.h"

namespace hookline::control {

inline constexpr unsigned kSocketMode = 0660;  // owner and group

struct ControlTimes {
  int64_t stall_ms = 30'000;  // a client that does not read its answers is cut
  int64_t idle_ms = 300'000;  // and one that asks nothing
};

class ControlServer {
 public:
  // Listens at `path`, for owner and group. Busy: a living server answers there. `service` and
  // `log` outlive this.
  static Result<std::unique_ptr<ControlServer>> open(const std::string& path, Service& service,
                                                     Logger& log, ControlTimes times = {});
  // The same on a listener that was opened earlier, with more privileges.
  static std::unique_ptr<ControlServer> serve(io::LocalListener listener, Service& service,
                                              Logger& log, ControlTimes times = {});
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;
  ~ControlServer();  // stops, and removes the socket

  void start();
  // Cuts all clients and ends the thread. A call on the Service that is under way is waited for.
  void stop();

 private:
  struct Client;
  using Clock = std::chrono::steady_clock;

  ControlServer(io::LocalListener listener, Service& service, Logger& log, ControlTimes times);
  void run();
  int timeout_ms() const;
  void accept_clients();
  void serve(Client& client, const io::Watch& watch);
  void cut_slow_and_idle();

  io::LocalListener listener_;
  io::WakeEvent stop_event_;
  std::atomic<bool> stopping_{false};
  Service& service_;
  Logger& log_;
  ControlTimes times_;
  std::vector<std::unique_ptr<Client>> clients_;
  bool accept_failed_ = false;  // no descriptor was left: try again a little later
  std::thread thread_;
};

}  // namespace hookline::control
