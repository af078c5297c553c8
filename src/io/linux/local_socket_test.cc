#include "io/linux/local_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace hookline::io {
namespace {

namespace fs = std::filesystem;

class LocalSocket : public ::testing::Test {
 protected:
  LocalSocket() {
    char name[] = "/tmp/hookline-socket-XXXXXX";
    directory = mkdtemp(name);
    path = directory / "made" / "s";
  }
  ~LocalSocket() override { fs::remove_all(directory); }

  fs::path directory;
  std::string path;
};

TEST_F(LocalSocket, bytes_pass_both_ways_and_ends_are_seen) {
  auto listener = LocalListener::open(path, 0600);
  ASSERT_TRUE(listener) << listener.error().text;
  EXPECT_FALSE(listener->accept());
  auto client = LocalConnection::connect(path);
  ASSERT_TRUE(client);
  Watch watch{.fd = listener->fd(), .read = true};
  wait({&watch, 1}, -1);
  EXPECT_TRUE(watch.readable);
  auto server = listener->accept();
  ASSERT_TRUE(server);
  EXPECT_EQ(server->peer().pid, getpid());
  EXPECT_EQ(server->peer().uid, getuid());

  uint8_t buffer[8];
  EXPECT_EQ(server->read(buffer).outcome, Transfer::Outcome::WouldBlock);
  EXPECT_EQ(client->write(as_bytes("abc")).size, 3u);
  EXPECT_EQ(server->read(buffer).size, 3u);
  client->finish_writing();
  EXPECT_EQ(server->read(buffer).outcome, Transfer::Outcome::Ended);
  EXPECT_EQ(server->write(as_bytes("still")).size, 5u) << "half closed";
  client = LocalConnection();
  EXPECT_EQ(server->write(as_bytes("x")).outcome, Transfer::Outcome::Ended) << "no SIGPIPE";
}

TEST_F(LocalSocket, a_full_peer_is_no_failure) {
  auto listener = LocalListener::open(path, 0600);
  auto client = LocalConnection::connect(path);
  const std::vector<uint8_t> bytes(1 << 20);
  Transfer sent;
  while ((sent = client->write(bytes)).outcome == Transfer::Outcome::Done) {
  }
  EXPECT_EQ(sent.outcome, Transfer::Outcome::WouldBlock);
}

TEST_F(LocalSocket, gives_its_socket_and_the_directory_that_it_made) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  auto listener = LocalListener::open(path, 0660);
  ASSERT_TRUE(listener->give_to(65534, 65534));
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534u);
  ASSERT_EQ(stat((directory / "made").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534u);
  // One that was there stays whose it is.
  const std::string other = directory / "t";
  auto second = LocalListener::open(other, 0660);
  ASSERT_TRUE(second->give_to(65534, 65534));
  ASSERT_EQ(stat(directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 0u);
}

TEST_F(LocalSocket, wakes_from_another_thread_once) {
  WakeEvent event;
  event.wake();
  event.wake();
  Watch watch{.fd = event.fd(), .read = true};
  wait({&watch, 1}, -1);
  EXPECT_TRUE(watch.readable);
  event.clear();
  wait({&watch, 1}, 0);
  EXPECT_FALSE(watch.readable);
}

}  // namespace
}  // namespace hookline::io
