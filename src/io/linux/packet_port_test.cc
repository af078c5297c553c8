#include "io/linux/packet_port.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/inet_frame.h"
#include "io/linux/link_monitor.h"
#include "io/linux/testing_namespace.h"

namespace hookline::io {
namespace {

using testing::in_network_namespace;
using testing::run;

constexpr MacAddress kClientMac{{0x02, 0, 0, 0, 0, 0x77}};

// Two ends of a wire: s0 is the server's, c0 the client's.
void make_wire() {
  ASSERT_TRUE(run("ip link add s0 type veth peer name c0"));
  ASSERT_TRUE(run("ip address add 10.0.0.1/24 dev s0"));
  ASSERT_TRUE(run("ip link set s0 up && ip link set c0 up"));
  testing::await_interface("s0");
  testing::await_interface("c0");
}

struct RxBuffers {
  explicit RxBuffers(size_t count) : storage(count), frames(count) {
    for (size_t i = 0; i < count; ++i) {
      storage[i].resize(kFrameBytesMax);
      frames[i].buffer = storage[i];
    }
  }
  std::vector<std::vector<uint8_t>> storage;
  std::vector<RxFrame> frames;
};

// The other end of the wire: sees and sends whole frames.
class Peer {
 public:
  explicit Peer(const char* name)
      : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(name));
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  void send(Bytes frame) {
    EXPECT_EQ(::send(fd_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  // The next incoming frame that is IPv4 UDP, for at most a second; empty: none.
  std::vector<uint8_t> receive() {
    for (int i = 0; i < 200; ++i) {
      std::vector<uint8_t> frame(kFrameBytesMax);
      sockaddr_ll from{};
      socklen_t size = sizeof from;
      const ssize_t n = ::recvfrom(fd_.get(), frame.data(), frame.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) {
        pollfd p{fd_.get(), POLLIN, 0};
        ::poll(&p, 1, 10);
        continue;
      }
      frame.resize(static_cast<size_t>(n));
      UdpFrame udp;
      if (from.sll_pkttype != PACKET_OUTGOING && parse_udp_frame(frame, udp) == FrameFault::None) {
        return frame;
      }
    }
    return {};
  }

 private:
  Fd fd_;
};

std::vector<uint8_t> frame_of(size_t payload_bytes, uint16_t to_port = 67, uint8_t mark = 0,
                              uint16_t vlan = 0) {
  std::vector<uint8_t> storage(64 + payload_bytes, 0xAB);
  if (payload_bytes != 0) storage[64] = mark;
  UdpHeaders headers{kClientMac, kBroadcastMac, vlan, {}, kBroadcast, 68, to_port};
  const Bytes frame = write_udp_headers(headers, {storage.data() + 64, payload_bytes});
  return {frame.begin(), frame.end()};
}

size_t receive_some(LinuxPacketPort& port, std::span<RxFrame> frames) {
  for (int i = 0; i < 100; ++i) {
    const size_t n = port.receive(frames);
    if (n != 0) return n;
    port.wait(10'000'000);
  }
  return 0;
}

struct Server {
  std::unique_ptr<LinuxLinkMonitor> links;
  std::unique_ptr<LinuxPacketPort> port;

  explicit Server(std::vector<std::string> interfaces) {
    auto monitor = LinuxLinkMonitor::open(std::move(interfaces));
    EXPECT_TRUE(monitor) << monitor.error().text;
    links = std::move(*monitor);
    auto opened = LinuxPacketPort::open();
    EXPECT_TRUE(opened) << opened.error().text;
    port = std::move(*opened);
    std::vector<std::string> failures;
    port->serve(links->table(), &failures);
    EXPECT_TRUE(failures.empty()) << failures.front();
    EXPECT_TRUE(port->watch(links->fd()));
  }
  uint32_t index(const char* name) { return ::if_nametoindex(name); }
};

TEST(PacketPort, ReceivesWhatIsForTheServerAndNothingElse) {
  in_network_namespace([] {
    make_wire();
    Server server({"s0"});
    Peer client("c0");
    client.send(frame_of(300, 68));  // a client's port
    client.send(frame_of(300));
    std::vector<uint8_t> other_protocol = frame_of(300);
    other_protocol[23] = 6;
    client.send(other_protocol);
    std::vector<uint8_t> fragment = frame_of(300);
    fragment[21] = 8;
    client.send(fragment);
    client.send(frame_of(1400));
    client.send(frame_of(200, 67, 0, 42));
    std::vector<uint8_t> for_another = frame_of(300);
    for_another[0] = 0x02;
    client.send(for_another);
    RxBuffers rx(8);
    std::vector<std::pair<uint32_t, uint16_t>> seen;
    while (seen.size() < 3) {
      const size_t n = receive_some(*server.port, rx.frames);
      ASSERT_NE(n, 0u);
      for (size_t i = 0; i < n; ++i) {
        EXPECT_EQ(rx.frames[i].ifindex, server.index("s0"));
        EXPECT_EQ(rx.frames[i].wire_size, rx.frames[i].size);
        seen.emplace_back(rx.frames[i].size, rx.frames[i].vlan);
      }
    }
    using Seen = std::vector<std::pair<uint32_t, uint16_t>>;
    EXPECT_EQ(seen, (Seen{{342, 0}, {1442, 0}, {242, 42}}));
    EXPECT_EQ(server.port->receive(rx.frames), 0u);
    EXPECT_EQ(server.port->kernel_drops(), 0u);
  });
}

TEST(PacketPort, AFrameLargerThanTheBufferSaysSo) {
  in_network_namespace([] {
    make_wire();
    ASSERT_TRUE(run("ip link set s0 mtu 9000 && ip link set c0 mtu 9000"));
    Server server({"s0"});
    Peer("c0").send(frame_of(5000));
    RxBuffers rx(1);
    ASSERT_EQ(receive_some(*server.port, rx.frames), 1u);
    EXPECT_EQ(rx.frames[0].size, kFrameBytesMax);
    EXPECT_EQ(rx.frames[0].wire_size, 5042u);
  });
}

TEST(PacketPort, AnUnfinishedChecksumIsMarked) {
  in_network_namespace([] {
    make_wire();
    Server server({"s0"});
    // A local UDP socket leaves the checksum to the (virtual) hardware.
    ASSERT_TRUE(run("ip address add 10.0.1.2/24 dev c0 && ip neigh add 10.0.1.9 dev c0 lladdr " +
                    server.links->table().links[0].mac.text()));
    const Fd fd(::socket(AF_INET, SOCK_DGRAM, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(67);
    to.sin_addr.s_addr = htonl(0x0A000109);
    const std::vector<uint8_t> payload(300, 1);
    ASSERT_EQ(::sendto(fd.get(), payload.data(), payload.size(), 0,
                       reinterpret_cast<sockaddr*>(&to), sizeof to),
              300);
    RxBuffers rx(1);
    ASSERT_EQ(receive_some(*server.port, rx.frames), 1u);
    EXPECT_TRUE(rx.frames[0].checksum_partial);
    Peer("c0").send(frame_of(300));
    ASSERT_EQ(receive_some(*server.port, rx.frames), 1u);
    EXPECT_FALSE(rx.frames[0].checksum_partial);
  });
}

TEST(PacketPort, InterfacesShareABatch) {
  in_network_namespace([] {
    make_wire();
    ASSERT_TRUE(
        run("ip link add s1 type veth peer name c1 && ip link set s1 up && ip link set c1 up"));
    testing::await_interface("s1");
    testing::await_interface("c1");
    Server server({"s*"});
    Peer busy("c0");
    Peer quiet("c1");
    for (int i = 0; i < 200; ++i) busy.send(frame_of(300));
    for (int i = 0; i < 3; ++i) quiet.send(frame_of(300));
    RxBuffers rx(20);
    ASSERT_EQ(receive_some(*server.port, rx.frames), 20u);
    size_t from_quiet = 0;
    for (const RxFrame& frame : rx.frames) from_quiet += frame.ifindex == server.index("s1");
    EXPECT_EQ(from_quiet, 3u);
  });
}

TEST(PacketPort, ManyInterfacesAreAllHeard) {
  in_network_namespace([] {
    for (int i = 0; i < 12; ++i) {
      const std::string n = std::to_string(i);
      ASSERT_TRUE(run("ip link add s" + n + " type veth peer name c" + n + " && ip link set s" + n +
                      " up && ip link set c" + n + " up"));
      testing::await_interface("c" + n);
    }
    Server server({"s*"});
    for (int i = 0; i < 12; ++i) Peer(("c" + std::to_string(i)).c_str()).send(frame_of(300));
    RxBuffers rx(5);
    std::set<uint32_t> heard;
    for (int i = 0; i < 10 && heard.size() < 12; ++i) {
      const size_t n = receive_some(*server.port, rx.frames);
      for (size_t k = 0; k < n; ++k) heard.insert(rx.frames[k].ifindex);
    }
    EXPECT_EQ(heard.size(), 12u);
  });
}

TEST(PacketPort, EachFrameGetsTheErrnoOfItsOwnSend) {
  in_network_namespace([] {
    make_wire();
    Server server({"s0"});
    Peer client("c0");
    const uint32_t s0 = server.index("s0");
    std::vector<std::vector<uint8_t>> frames;
    for (uint8_t i = 0; i < 6; ++i)
      frames.push_back(frame_of(i == 2 || i == 4 ? 2000 : 300, 68, i));
    std::vector<TxFrame> tx;
    for (const auto& frame : frames) tx.push_back({frame, s0, 0});
    tx.push_back({frames[0], 4711, 0});
    server.port->send(tx);
    std::vector<int> errors;
    for (const TxFrame& frame : tx) errors.push_back(frame.error);
    EXPECT_EQ(errors, (std::vector<int>{0, 0, EMSGSIZE, 0, EMSGSIZE, 0, ENXIO}));
    for (const uint8_t mark : {0, 1, 3, 5}) {
      const auto got = client.receive();
      ASSERT_EQ(got.size(), 342u);
      EXPECT_EQ(got[42], mark);
    }
  });
}

TEST(PacketPort, AFullQueueRefusesTheRestInOrder) {
  in_network_namespace([] {
    make_wire();
    ASSERT_TRUE(run("tc qdisc add dev s0 root tbf rate 80kbit burst 1600 limit 3000"));
    Server server({"s0"});
    Peer client("c0");
    std::vector<std::vector<uint8_t>> frames;
    // After a large frame was refused there would still be room for a small one.
    for (uint8_t i = 0; i < 40; ++i) frames.push_back(frame_of(i % 2 == 0 ? 1400 : 100, 68, i));
    std::vector<TxFrame> tx;
    for (const auto& frame : frames) tx.push_back({frame, server.index("s0"), 0});
    server.port->send(tx);
    size_t sent = 0;
    while (sent < tx.size() && tx[sent].error == 0) ++sent;
    ASSERT_GT(sent, 0u);
    ASSERT_LT(sent, tx.size());
    for (size_t i = sent; i < tx.size(); ++i) EXPECT_EQ(tx[i].error, ENOBUFS);
    for (size_t i = 0; i < sent; ++i) {
      const auto got = client.receive();
      ASSERT_EQ(got.size(), frames[i].size());
      EXPECT_EQ(got[42], i);
    }
  });
}

TEST(PacketPort, AnInterfaceGoesDownComesUpAndVanishesUnderTraffic) {
  in_network_namespace([] {
    make_wire();
    Server server({"s0"});
    const uint32_t s0 = server.index("s0");
    const auto frame = frame_of(300, 68);
    std::vector<TxFrame> tx(3, TxFrame{frame, s0, 0});
    ASSERT_TRUE(run("ip link set s0 down"));
    server.port->send(tx);
    for (const TxFrame& t : tx) EXPECT_EQ(t.error, ENETDOWN);
    ASSERT_TRUE(run("ip link set s0 up"));
    testing::await_interface("s0");
    server.port->send(tx);
    for (const TxFrame& t : tx) EXPECT_EQ(t.error, 0);
    server.links->changed();
    server.port->serve(server.links->table());
    Peer("c0").send(frame_of(300));
    RxBuffers rx(1);
    EXPECT_EQ(receive_some(*server.port, rx.frames), 1u);

    ASSERT_TRUE(run("ip link delete s0"));
    server.port->send(tx);
    for (const TxFrame& t : tx) EXPECT_EQ(t.error, ENXIO);
    EXPECT_EQ(server.port->receive(rx.frames), 0u);
    EXPECT_TRUE(server.links->changed());
    server.port->serve(server.links->table());
    server.port->send(tx);
    for (const TxFrame& t : tx) EXPECT_EQ(t.error, ENXIO);

    ASSERT_NO_FATAL_FAILURE(make_wire());
    EXPECT_TRUE(server.links->changed());
    server.port->serve(server.links->table());
    Peer("c0").send(frame_of(300));
    ASSERT_EQ(receive_some(*server.port, rx.frames), 1u);
    EXPECT_EQ(rx.frames[0].ifindex, server.index("s0"));
  });
}

// A socket that served another interface before gives up nothing of it.
TEST(PacketPort, ADetachedInterfaceIsNotHeardAnyMore) {
  in_network_namespace([] {
    make_wire();
    ASSERT_TRUE(
        run("ip link add s1 type veth peer name c1 && ip link set s1 up && ip link set c1 up"));
    testing::await_interface("s1");
    testing::await_interface("c1");
    Server server({"s0"});
    Peer first("c0");
    Peer second("c1");
    RxBuffers rx(4);
    first.send(frame_of(300));
    for (int i = 0; i < 40; ++i) {
      server.links->set_interfaces({i % 2 == 0 ? "s1" : "s0"});
      ASSERT_TRUE(server.links->changed());
      first.send(frame_of(300));
      second.send(frame_of(300));
      server.port->serve(server.links->table());
      ASSERT_EQ(server.port->receive(rx.frames), 0u);
      first.send(frame_of(300));
      second.send(frame_of(200));
      ASSERT_EQ(receive_some(*server.port, rx.frames), 1u);
      ASSERT_EQ(rx.frames[0].size, i % 2 == 0 ? 242u : 342u);
    }
  });
}

TEST(PacketPort, AsManyInterfacesAsTheLimitSays) {
  in_network_namespace([] {
    const std::string pairs = std::to_string(kInterfacesMax / 2 + 2);
    ASSERT_TRUE(
        run("i=0; while [ $i -lt " + pairs +
            " ]; do echo link add s$i type veth peer name c$i; i=$((i+1)); done | ip -batch -"));
    Server server({"*"});
    EXPECT_EQ(server.links->table().links.size(), kInterfacesMax);
    EXPECT_EQ(server.links->left_out(), 4u);
    LinkTable more = server.links->table();
    more.links.push_back(Link{});
    more.links.back().ifindex = 99999;
    std::vector<std::string> failures;
    server.port->serve(more, &failures);
    EXPECT_EQ(failures.size(), 1u);
  });
}

TEST(PacketPort, Port67IsTakenOnce) {
  in_network_namespace([] {
    const auto first = LinuxPacketPort::open();
    ASSERT_TRUE(first);
    const auto second = LinuxPacketPort::open();
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::Busy);
    EXPECT_NE(second.error().text.find("67"), std::string::npos);
  });
}

TEST(PacketPort, TheSocketSendsWhereTheKernelMustResolve) {
  in_network_namespace([] {
    make_wire();
    Server server({"s0"});
    Peer client("c0");
    ASSERT_TRUE(run("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:77 dev s0"));
    const std::vector<uint8_t> payload(300, 7);
    const Ipv4 from = *Ipv4::parse("10.0.0.1");
    EXPECT_EQ(
        server.port->send_udp(from, *Ipv4::parse("10.0.0.9"), 68, server.index("s0"), payload), 0);
    const auto got = client.receive();
    UdpFrame udp;
    ASSERT_EQ(parse_udp_frame(got, udp), FrameFault::None);
    EXPECT_EQ(udp.source, from);
    EXPECT_EQ(udp.source_port, 67);
    EXPECT_EQ(udp.destination_port, 68);
    EXPECT_EQ(udp.payload_size, 300u);
    EXPECT_EQ(server.port->send_udp(from, *Ipv4::parse("192.0.2.1"), 67, 0, payload), ENETUNREACH);
  });
}

TEST(PacketPort, WaitEndsForAFrameAWakeAndALinkAndNotOtherwise) {
  in_network_namespace([] {
    make_wire();
    Server server({"s0"});
    RxBuffers rx(4);
    Peer client("c0");
    const auto waits = [&] {
      // Ends by itself only when the test is broken: the test would hang otherwise.
      server.port->wait(20'000'000'000);
    };
    client.send(frame_of(300));
    waits();
    EXPECT_EQ(server.port->receive(rx.frames), 1u);
    std::thread other([&] { server.port->wake(); });
    waits();
    other.join();
    while (server.links->changed()) {
    }
    ASSERT_TRUE(run("ip address add 10.0.7.1/24 dev s0"));
    waits();
    EXPECT_TRUE(server.links->changed());
    server.port->wait(0);
    EXPECT_EQ(server.port->receive(rx.frames), 0u);
  });
}

TEST(PacketPort, KernelDropsAreCounted) {
  in_network_namespace([] {
    make_wire();
    auto opened = LinuxPacketPort::open({.receive_buffer_bytes = 4096, .send_buffer_bytes = 4096});
    ASSERT_TRUE(opened);
    auto links = LinuxLinkMonitor::open({"s0"});
    ASSERT_TRUE(links);
    (*opened)->serve((*links)->table());
    Peer client("c0");
    for (int i = 0; i < 100; ++i) client.send(frame_of(1000));
    RxBuffers rx(100);
    size_t received = 0;
    for (size_t n; (n = receive_some(**opened, rx.frames)) != 0;) received += n;
    EXPECT_LT(received, 100u);
    EXPECT_EQ((*opened)->kernel_drops(), 100 - received);
    EXPECT_EQ((*opened)->kernel_drops(), 100 - received);  // read twice, counted once
    (*opened)->serve(LinkTable{});
    EXPECT_EQ((*opened)->kernel_drops(), 100 - received);  // not lost with the interface
  });
}

}  // namespace
}  // namespace hookline::io
