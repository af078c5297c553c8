#include "control/server.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/limits.h"
#include "control/client.h"
#include "control/fake_service.h"
#include "control/protocol.h"

namespace hookline::control {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

class ControlServerTest : public ::testing::Test {
 protected:
  ControlServerTest() : log(std::fopen("/dev/null", "w")) {
    char name[] = "/tmp/hookline-control-XXXXXX";
    directory = mkdtemp(name);
    path = directory / "run" / "control.sock";
  }
  ~ControlServerTest() override {
    server.reset();
    fs::remove_all(directory);
  }

  void open(ControlTimes times = {}) {
    auto opened = ControlServer::open(path, service, log, times);
    ASSERT_TRUE(opened) << opened.error().text;
    server = std::move(*opened);
    server->start();
  }
  ControlClient connect() {
    auto client = ControlClient::connect(path);
    EXPECT_TRUE(client) << client.error().text;
    return std::move(*client);
  }
  static size_t rows(ControlClient& client, const char* call) {
    size_t count = 0;
    const auto done = client.call(call, {}, [&](const json::value& page) {
      count += page.is_array() ? page.get_array().size() : 1;
      return true;
    });
    EXPECT_TRUE(done) << done.error().text;
    return count;
  }
  // Reads until the server hangs up.
  static std::string read_all(io::LocalConnection& connection) {
    std::string all;
    std::vector<uint8_t> buffer(65536);
    for (;;) {
      io::Watch watch{.fd = connection.fd(), .read = true};
      io::wait({&watch, 1}, 20'000);
      const io::Transfer got = connection.read(buffer);
      if (got.outcome != io::Transfer::Outcome::Done) return all;
      all += as_text({buffer.data(), got.size});
    }
  }
  static std::string read_line(io::LocalConnection& connection) {
    std::string line;
    uint8_t byte = 0;
    while (line.empty() || line.back() != '\n') {
      io::Watch watch{.fd = connection.fd(), .read = true};
      io::wait({&watch, 1}, 20'000);
      if (connection.read({&byte, 1}).outcome != io::Transfer::Outcome::Done) return line;
      line += static_cast<char>(byte);
    }
    return line;
  }

  fs::path directory;
  std::string path;
  Logger log;
  FakeService service;
  std::unique_ptr<ControlServer> server;
};

TEST_F(ControlServerTest, round_trips) {
  service.add_leases(2000);
  open();
  auto client = connect();
  EXPECT_EQ(rows(client, "leases"), 2000u);
  EXPECT_EQ(rows(client, "status"), 1u);
  EXPECT_EQ(rows(client, "drops"), kDropCount);
  const auto refused = client.call("leases", {{"scope", "nowhere"}}, [](auto&) { return true; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Missing);
  EXPECT_EQ(refused.error().text, "there is no scope 'nowhere'");
  EXPECT_EQ(rows(client, "pause"), 1u) << "the connection goes on after a refusal";
}

TEST_F(ControlServerTest, the_socket_is_for_owner_and_group_and_goes_with_the_server) {
  open();
  EXPECT_EQ(static_cast<unsigned>(fs::status(path).permissions()), 0660u);
  server.reset();
  EXPECT_FALSE(fs::exists(path));
  const auto client = ControlClient::connect(path);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().kind, ErrorKind::Missing);
  EXPECT_NE(client.error().text.find("is 'hookline serve' running"), std::string::npos);
}

TEST_F(ControlServerTest, refuses_a_living_servers_socket_and_replaces_a_dead_ones) {
  open();
  const auto second = ControlServer::open(path, service, log);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Busy);
  auto client = connect();
  EXPECT_EQ(rows(client, "status"), 1u) << "the first one still serves";

  // A dead server's: the socket stays, nobody listens.
  const std::string kept = path + ".kept";
  fs::create_hard_link(path, kept);
  server.reset();
  fs::rename(kept, path);
  open();
  auto again = connect();
  EXPECT_EQ(rows(again, "status"), 1u);
}

TEST_F(ControlServerTest, leaves_what_is_no_socket_and_a_successors_socket_alone) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << "precious";
  const auto opened = ControlServer::open(path, service, log);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::Invalid);
  EXPECT_EQ(fs::file_size(path), 8u);
  fs::remove(path);
  open();
  fs::remove(path);
  std::ofstream(path) << "successor";
  server.reset();
  EXPECT_TRUE(fs::exists(path));
}

TEST_F(ControlServerTest, refuses_a_path_that_is_too_long) {
  const auto opened = ControlServer::open("/tmp/" + std::string(200, 'x'), service, log);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::Invalid);
}

TEST_F(ControlServerTest, serves_as_many_clients_as_the_limit_and_tells_the_next) {
  open();
  std::vector<ControlClient> clients;
  for (size_t i = 0; i < kControlClientsMax; ++i) {
    clients.push_back(connect());
    EXPECT_EQ(rows(clients.back(), "status"), 1u);
  }
  auto extra = io::LocalConnection::connect(path);
  ASSERT_TRUE(extra);
  EXPECT_NE(read_all(*extra).find("\"kind\":\"busy\""), std::string::npos);
  for (auto& client : clients) EXPECT_EQ(rows(client, "drops"), kDropCount);
  clients.pop_back();
  for (;;) {  // the server sees the hang-up when its thread gets to it
    auto retry = connect();
    if (retry.call("status", {}, [](auto&) { return true; })) break;
  }
}

TEST_F(ControlServerTest, many_clients_at_once) {
  service.add_leases(2000);
  open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 4; ++round) {
        auto client = connect();
        EXPECT_EQ(rows(client, "leases"), 2000u);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_F(ControlServerTest, a_slow_reader_holds_up_nobody_and_gets_everything) {
  service.add_leases(20'000);
  open();
  auto slow = io::LocalConnection::connect(path);
  ASSERT_TRUE(slow);
  slow->write(as_bytes("{\"v\":1,\"call\":\"leases\"}\n"));
  auto client = connect();
  EXPECT_EQ(rows(client, "leases"), 20'000u);
  slow->finish_writing();
  const std::string all = read_all(*slow);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), (20'000 + 255) / 256);
}

TEST_F(ControlServerTest, cuts_a_client_that_never_reads) {
  service.add_leases(20'000);
  open({.stall_ms = 50});
  auto slow = io::LocalConnection::connect(path);
  ASSERT_TRUE(slow);
  slow->write(as_bytes("{\"v\":1,\"call\":\"leases\"}\n"));
  // Cut: the end comes although the answer is not complete.
  io::Watch watch{.fd = slow->fd()};
  while (!watch.hung_up) io::wait({&watch, 1}, 1000);
  EXPECT_EQ(read_all(*slow).find("]}\n{\"v\":1,\"id\":null,\"ok\":true,\"result\""),
            std::string::npos);
}

TEST_F(ControlServerTest, cuts_a_client_that_asks_nothing) {
  open({.idle_ms = 50});
  auto idle = io::LocalConnection::connect(path);
  ASSERT_TRUE(idle);
  EXPECT_EQ(read_all(*idle), "");
}

TEST_F(ControlServerTest, a_request_is_carried_out_though_its_client_left) {
  open();
  {
    auto hasty = io::LocalConnection::connect(path);
    ASSERT_TRUE(hasty);
    hasty->write(as_bytes("{\"v\":1,\"call\":\"pause\"}\n{\"v\":1,\"call\":\"reload\"}\n"));
  }
  // Later connections are served after it.
  auto client = connect();
  rows(client, "status");
  server.reset();
  EXPECT_EQ(service.asked, (std::vector<std::string>{"pause", "reload"}));
}

TEST_F(ControlServerTest, a_trace_flows_and_ends_with_its_client) {
  service.trace_lines = {"a", "b", "c"};
  open();
  auto client = connect();
  std::vector<std::string> lines;
  const auto done = client.call(
      "trace", {{"client", "any"}},
      [&](const json::value& page) {
        for (const auto& line : page.get_array()) lines.emplace_back(line.get_string().c_str());
        return lines.size() < 3;
      },
      -1);
  EXPECT_TRUE(done);
  EXPECT_EQ(lines, (std::vector<std::string>{"a", "b", "c"}));
  server.reset();
  EXPECT_TRUE(service.open_traces.empty());
}

TEST_F(ControlServerTest, garbage_is_answered_and_then_cut) {
  open();
  auto hostile = io::LocalConnection::connect(path);
  ASSERT_TRUE(hostile);
  const std::string garbage(kControlRequestBytesMax * 4, '\xFE');
  std::string_view rest = garbage;
  while (!rest.empty()) {
    const io::Transfer sent = hostile->write(as_bytes(rest));
    if (sent.outcome == io::Transfer::Outcome::WouldBlock) continue;
    if (sent.outcome != io::Transfer::Outcome::Done) break;
    rest.remove_prefix(sent.size);
  }
  EXPECT_NE(read_line(*hostile).find("\"ok\":false"), std::string::npos);
  EXPECT_EQ(read_all(*hostile), "");
  auto client = connect();
  EXPECT_EQ(rows(client, "status"), 1u);
}

TEST_F(ControlServerTest, stops_with_clients_connected_and_starts_again) {
  for (int i = 0; i < 20; ++i) {
    open();
    auto client = connect();
    rows(client, "status");
    auto half = io::LocalConnection::connect(path);
    half->write(as_bytes("{\"v\":1,"));
    server.reset();
    const auto after = client.call("status", {}, [](auto&) { return true; });
    EXPECT_FALSE(after);
  }
}

TEST_F(ControlServerTest, can_be_opened_and_never_started) {
  auto opened = ControlServer::open(path, service, log);
  ASSERT_TRUE(opened);
  opened->reset();
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace hookline::control
