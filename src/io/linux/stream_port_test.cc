#include "io/linux/stream_port.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <functional>

#include "base/limits.h"
#include "io/linux/stream_client.h"
#include "io/linux/testing_namespace.h"

namespace hookline::io {
namespace {

using Outcome = Transfer::Outcome;

const Ipv4 kHome = *Ipv4::parse("127.0.0.1");

bool wait_for(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 5'000) == 1;
}

struct Network {
  void open() {
    auto opened = LinuxStreamPort::open(2);
    ASSERT_TRUE(opened) << opened.error().text;
    port = std::move(*opened);
    ASSERT_TRUE(port->listen(std::array{StreamAddress{kHome, 0}}));
    here = port->listening().at(0);
  }
  StreamClient client() {
    auto made = StreamClient::connect(here, kHome, 5'000);
    EXPECT_TRUE(made) << made.error().text;
    return std::move(*made);
  }
  StreamPeer accept() {
    EXPECT_TRUE(wait_for(port->fd()));
    const auto peer = port->accept();
    EXPECT_TRUE(peer);
    return *peer;
  }
  std::vector<StreamReady> ready() {
    std::vector<StreamReady> out(8);
    out.resize(port->ready(out));
    return out;
  }

  std::unique_ptr<LinuxStreamPort> port;
  StreamAddress here;
};

// A test with a network of its own: it is a process in a namespace.
#define NETWORK_TEST(name)                            \
  struct name : Network {                             \
    void run();                                       \
  };                                                  \
  TEST(StreamPort, name) {                            \
    testing::in_network_namespace([] {                \
      name test;                                      \
      test.open();                                    \
      if (!::testing::Test::HasFailure()) test.run(); \
    });                                               \
  }                                                   \
  void name::run()

NETWORK_TEST(BytesInBothDirections) {
  EXPECT_FALSE(port->accept());
  StreamClient peer = client();
  ASSERT_TRUE(wait_for(port->fd()));
  ASSERT_EQ(ready().size(), 1u);
  EXPECT_EQ(ready()[0].number, kStreamListener);
  const StreamPeer at = accept();
  EXPECT_EQ(at.local, here);
  EXPECT_EQ(at.remote.address, kHome);
  EXPECT_TRUE(ready().empty());

  std::array<uint8_t, 16> bytes;
  EXPECT_EQ(port->read(at.number, bytes).outcome, Outcome::WouldBlock);
  ASSERT_TRUE(peer.write(as_bytes("query"), 1'000));
  ASSERT_TRUE(wait_for(port->fd()));
  ASSERT_EQ(ready().size(), 1u);
  EXPECT_TRUE(ready()[0].readable);
  const Transfer got = port->read(at.number, bytes);
  EXPECT_EQ(as_text(Bytes(bytes).first(got.size)), "query");
  ASSERT_EQ(port->write(at.number, as_bytes("answer")).size, 6u);
  EXPECT_EQ(peer.read(bytes, 5'000).size, 6u);
  port->finish_writing(at.number);
  EXPECT_EQ(peer.read(bytes, 5'000).outcome, Outcome::Ended);
  port->close(at.number);
}

NETWORK_TEST(OnlyWhatIsWatchedWakes) {
  StreamClient peer = client();
  const StreamPeer at = accept();
  ASSERT_TRUE(peer.write(as_bytes("x"), 1'000));
  ASSERT_TRUE(wait_for(port->fd()));
  port->watch(at.number, false, false);
  EXPECT_TRUE(ready().empty());
  port->watch(at.number, false, true);
  ASSERT_EQ(ready().size(), 1u);
  EXPECT_TRUE(ready()[0].writable);
  EXPECT_FALSE(ready()[0].readable);
}

NETWORK_TEST(AFullSocketBlocks) {
  StreamClient peer = client();
  const StreamPeer at = accept();
  const std::vector<uint8_t> bytes(1 << 20);
  size_t written = 0;
  Transfer done = port->write(at.number, bytes);
  for (; done.outcome == Outcome::Done; done = port->write(at.number, bytes)) written += done.size;
  EXPECT_EQ(done.outcome, Outcome::WouldBlock);
  std::vector<uint8_t> into(1 << 16);
  while (written > 0) {
    const Transfer got = peer.read(into, 5'000);
    ASSERT_EQ(got.outcome, Outcome::Done);
    written -= got.size;
  }
}

NETWORK_TEST(ResetIsSeenAsSuch) {
  StreamClient peer = client();
  port->reset(accept().number);
  std::array<uint8_t, 1> byte;
  const Transfer got = peer.read(byte, 5'000);
  EXPECT_EQ(got.outcome, Outcome::Failed);
  EXPECT_EQ(got.error, ECONNRESET);
}

NETWORK_TEST(APeerThatIsGone) {
  StreamPeer at;
  {
    StreamClient peer = client();
    at = accept();
    port->write(at.number, as_bytes("never read"));
  }
  ASSERT_TRUE(wait_for(port->fd()));
  ASSERT_EQ(ready().size(), 1u);
  EXPECT_TRUE(ready()[0].broken);
  std::array<uint8_t, 1> byte;
  EXPECT_EQ(port->read(at.number, byte).outcome, Outcome::Failed);
  port->close(at.number);
}

// Its number is for another one as soon as it is closed; one more than the limit can be refused.
NETWORK_TEST(NumbersAreUsedAgain) {
  StreamClient a = client(), b = client(), c = client();
  const uint32_t first = accept().number, second = accept().number, third = accept().number;
  EXPECT_EQ((std::array{first, second, third}), (std::array{0u, 1u, 2u}));
  port->reset(second);
  StreamClient d = client();
  EXPECT_EQ(accept().number, 1u);
}

NETWORK_TEST(ListeningElsewhereKeepsConnections) {
  StreamClient peer = client();
  const StreamPeer at = accept();
  const std::array other = {StreamAddress{*Ipv4::parse("127.0.0.2"), 0}};
  ASSERT_TRUE(port->listen(other));
  EXPECT_EQ(port->listening().at(0).address, other[0].address);
  EXPECT_EQ(StreamClient::connect(here, kHome, 1'000).error().kind, ErrorKind::Missing);
  EXPECT_EQ(port->write(at.number, as_bytes("x")).size, 1u);
  const StreamAddress before = port->listening().at(0);
  const std::array wrong = {other[0], StreamAddress{*Ipv4::parse("192.0.2.1"), 0}};
  EXPECT_FALSE(port->listen(wrong)) << "not an address of this machine";
  EXPECT_EQ(port->listening(), std::vector{before}) << "all is as before";
  ASSERT_TRUE(port->listen({}));
  EXPECT_TRUE(port->listening().empty());
}

NETWORK_TEST(ATakenPort) {
  auto one = LinuxStreamPort::open(1), other = LinuxStreamPort::open(1);
  ASSERT_TRUE((*one)->listen(std::array{StreamAddress{kHome, 0}}));
  const auto again = (*other)->listen((*one)->listening());
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::Busy);
}

}  // namespace
}  // namespace hookline::io
