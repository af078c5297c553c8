#include "io/linux/address_probe.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>

#include <string>
#include <vector>

#include "io/linux/link_monitor.h"
#include "io/linux/testing_namespace.h"

namespace hookline::io {
namespace {

using testing::in_network_namespace;
using testing::run;

constexpr Ipv4 kSquatted{0x0A000064};  // 10.0.0.100
constexpr Ipv4 kFree{0x0A000065};

// s0 is the server's; at the other end of the wire, in a namespace of its own, somebody sits on
// 10.0.0.100.
struct Wire {
  Wire() {
    peer = "hlp-" + std::to_string(::getpid());
    EXPECT_TRUE(run("ip netns add " + peer));
    EXPECT_TRUE(run("ip link add s0 type veth peer name c0 netns " + peer));
    EXPECT_TRUE(run("ip address add 10.0.0.1/24 dev s0 && ip link set s0 up"));
    EXPECT_TRUE(run("ip -n " + peer + " address add 10.0.0.100/24 dev c0"));
    EXPECT_TRUE(run("ip -n " + peer + " link set c0 address 02:00:00:00:00:64 up"));
    testing::await_interface("s0");
    ifindex = ::if_nametoindex("s0");
  }
  ~Wire() { EXPECT_TRUE(run("ip netns del " + peer)); }

  AddressQuestion arp(Ipv4 address) const {
    return {address, ifindex, 0, MacAddress{{2, 0, 0, 0, 0, 1}}};
  }

  std::string peer;
  uint32_t ifindex = 0;
};

// The first answer about an address on a link (0: from anywhere), for at most two seconds.
std::optional<AddressAnswer> answer_about(LinuxAddressProbe& probe, Ipv4 address,
                                          uint32_t ifindex) {
  for (int i = 0; i < 200; ++i) {
    std::array<AddressAnswer, 8> answers;
    const size_t count = probe.answers(answers);
    for (size_t a = 0; a < count; ++a) {
      if (answers[a].address == address && answers[a].ifindex == ifindex) return answers[a];
    }
    const auto fds = probe.fds();
    pollfd p[] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
    ::poll(p, 2, 10);
  }
  return std::nullopt;
}

TEST(LinuxAddressProbe, FindsASquatterByArp) {
  in_network_namespace([] {
    const Wire wire;
    auto probe = LinuxAddressProbe::open();
    ASSERT_TRUE(probe.has_value()) << probe.error().text;
    ASSERT_EQ((*probe)->ask(wire.arp(kFree)), 0);
    ASSERT_EQ((*probe)->ask(wire.arp(kSquatted)), 0);
    const auto answer = answer_about(**probe, kSquatted, wire.ifindex);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->ifindex, wire.ifindex);
    EXPECT_EQ(answer->mac, (MacAddress{{2, 0, 0, 0, 0, 0x64}}));
    // RFC 5227 2.1.1: a probe teaches nobody our address.
    EXPECT_FALSE(run("ip -n " + wire.peer + " neighbour show | grep -q 02:00:00:00:00:01"));
  });
}

TEST(LinuxAddressProbe, FindsASquatterByIcmp) {
  in_network_namespace([] {
    const Wire wire;
    auto probe = LinuxAddressProbe::open();
    ASSERT_TRUE(probe.has_value());
    ASSERT_EQ((*probe)->ask({kSquatted, 0, 0, {}}), 0);
    const auto answer = answer_about(**probe, kSquatted, 0);
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->ifindex, 0u);
    EXPECT_FALSE(answer->mac.has_value());
  });
}

TEST(LinuxAddressProbe, SaysWhatCouldNotBeAsked) {
  in_network_namespace([] {
    auto probe = LinuxAddressProbe::open();
    ASSERT_TRUE(probe.has_value());
    EXPECT_EQ((*probe)->ask({{0x0A630001}, 0, 0, {}}), ENETUNREACH);
    EXPECT_EQ((*probe)->ask({kFree, 4711, 0, {}}), ENXIO);
  });
}

// At rest it hears nothing, and what was on the way is gone.
TEST(LinuxAddressProbe, IsDeafAtRest) {
  in_network_namespace([] {
    const Wire wire;
    auto probe = LinuxAddressProbe::open();
    ASSERT_TRUE(probe.has_value());
    ASSERT_EQ((*probe)->ask(wire.arp(kSquatted)), 0);
    ASSERT_TRUE(answer_about(**probe, kSquatted, wire.ifindex).has_value());
    (*probe)->rest();
    ASSERT_TRUE(run("ip netns exec " + wire.peer + " bash -c 'echo >/dev/udp/10.0.0.1/9'"));
    std::array<AddressAnswer, 8> answers;
    EXPECT_EQ((*probe)->answers(answers), 0u);
    ASSERT_EQ((*probe)->ask(wire.arp(kSquatted)), 0);
    EXPECT_TRUE(answer_about(**probe, kSquatted, wire.ifindex).has_value())
        << "and it hears again when it asks";
  });
}

}  // namespace
}  // namespace hookline::io
