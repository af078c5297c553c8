#include "control/server.h"

#include <fmt/core.h>

#include <array>
#include <boost/json/value.hpp>
#include <utility>

#include "base/limits.h"
#include "control/protocol.h"

namespace hookline::control {

namespace {

constexpr size_t kRequestReadBytes = 16 * 1024;
constexpr int kTracePollMs = 50;
constexpr int kHousekeepingMs = 1000;

std::string name_of(const io::LocalConnection& connection) {
  const auto peer = connection.peer();
  return fmt::format("uid {}, pid {}", peer.uid, peer.pid);
}

}  // namespace

struct ControlServer::Client {
  Client(io::LocalConnection c, Service& service, Logger& log, Clock::time_point now)
      : connection(std::move(c)), session(service, log, name_of(connection)), active(now) {}

  // False: the client is gone.
  bool read() {
    std::array<uint8_t, kRequestReadBytes> buffer;
    while (session.wants_input()) {
      const io::Transfer got = connection.read(buffer);
      if (got.outcome == io::Transfer::Outcome::WouldBlock) return true;
      if (got.outcome == io::Transfer::Outcome::Failed) return false;
      if (got.outcome == io::Transfer::Outcome::Ended) {
        session.end_of_input();
        return true;
      }
      active = Clock::now();
      session.take(as_text({buffer.data(), got.size}));
    }
    return true;
  }

  bool write() {
    while (!session.output().empty()) {
      const io::Transfer sent = connection.write(as_bytes(session.output()));
      if (sent.outcome == io::Transfer::Outcome::WouldBlock) return true;
      if (sent.outcome != io::Transfer::Outcome::Done) return false;
      session.consumed(sent.size);
      active = Clock::now();
    }
    return true;
  }

  io::LocalConnection connection;
  Session session;
  Clock::time_point active;  // the last time a byte went either way
  bool more = false;         // step() has more to do at once
  bool gone = false;
};

Result<std::unique_ptr<ControlServer>> ControlServer::open(const std::string& path,
                                                           Service& service, Logger& log,
                                                           ControlTimes times) {
  auto listener = io::LocalListener::open(path, kSocketMode);
  if (!listener) return tl::unexpected(listener.error());
  return serve(std::move(*listener), service, log, times);
}

std::unique_ptr<ControlServer> ControlServer::serve(io::LocalListener listener, Service& service,
                                                    Logger& log, ControlTimes times) {
  return std::unique_ptr<ControlServer>(
      new ControlServer(std::move(listener), service, log, times));
}

ControlServer::ControlServer(io::LocalListener listener, Service& service, Logger& log,
                             ControlTimes times)
    : listener_(std::move(listener)), service_(service), log_(log), times_(times) {}

ControlServer::~ControlServer() { stop(); }

void ControlServer::start() {
  thread_ = std::thread([this] { run(); });
}

void ControlServer::stop() {
  stopping_ = true;
  stop_event_.wake();
  if (thread_.joinable()) thread_.join();
  clients_.clear();
}

int ControlServer::timeout_ms() const {
  int timeout = kHousekeepingMs;
  for (const auto& client : clients_) {
    if (client->more) return 0;
    if (client->session.tracing()) timeout = kTracePollMs;
  }
  return accept_failed_ ? kTracePollMs : timeout;
}

void ControlServer::run() {
  std::vector<io::Watch> watches;
  while (!stopping_) {
    watches.assign(
        {{.fd = stop_event_.fd(), .read = true}, {.fd = listener_.fd(), .read = !accept_failed_}});
    for (const auto& client : clients_) {
      watches.push_back({.fd = client->connection.fd(),
                         .read = client->session.wants_input(),
                         .write = !client->session.output().empty()});
    }
    io::wait(watches, timeout_ms());
    accept_failed_ = false;
    for (size_t i = 0; i < clients_.size(); ++i) serve(*clients_[i], watches[i + 2]);
    cut_slow_and_idle();
    if (watches[1].readable) accept_clients();
  }
}

void ControlServer::serve(Client& client, const io::Watch& watch) {
  if (watch.readable || watch.hung_up) client.gone = !client.read();
  if (watch.hung_up) {
    // Nobody reads any more, but what was asked before is still done: 'pause' needs no listener.
    for (size_t i = 0; i < kPageRowsMax && !client.session.tracing() && client.session.step();
         ++i) {
      client.session.consumed(client.session.output().size());
    }
    client.gone = true;
  }
  if (client.gone) return;
  client.session.step();
  client.gone = !client.write() || client.session.finished();
  client.more = client.session.ready();
}

void ControlServer::cut_slow_and_idle() {
  const auto now = Clock::now();
  std::erase_if(clients_, [&](const std::unique_ptr<Client>& client) {
    if (client->gone) return true;
    const auto quiet_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - client->active).count();
    if (!client->session.output().empty()) {
      if (quiet_ms < times_.stall_ms) return false;
      log_.warning("operator's client cut: it does not read its answer");
      return true;
    }
    return !client->session.tracing() && !client->more && quiet_ms >= times_.idle_ms;
  });
}

void ControlServer::accept_clients() {
  // A few at a time: those who are here come first.
  for (size_t i = 0; i < kControlClientsMax; ++i) {
    auto connection = listener_.accept();
    if (!connection) {
      accept_failed_ = i == 0;
      return;
    }
    if (clients_.size() < kControlClientsMax) {
      clients_.push_back(
          std::make_unique<Client>(std::move(*connection), service_, log_, Clock::now()));
      continue;
    }
    const std::string line = error_line(
        nullptr, {ErrorKind::Busy,
                  fmt::format("{} operator's clients are connected already", kControlClientsMax)});
    (void)connection->write(as_bytes(line));
    connection->finish_writing();
  }
}

}  // namespace hookline::control
