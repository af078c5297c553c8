#include "io/linux/link_monitor.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>

#include <string>
#include <vector>

#include "io/linux/testing_namespace.h"

namespace hookline::io {
namespace {

using testing::in_network_namespace;
using testing::run;

std::unique_ptr<LinuxLinkMonitor> open(std::vector<std::string> interfaces) {
  auto opened = LinuxLinkMonitor::open(std::move(interfaces));
  EXPECT_TRUE(opened) << opened.error().text;
  return std::move(*opened);
}

std::vector<std::string> names(const LinkMonitor& monitor) {
  std::vector<std::string> all;
  for (const Link& link : monitor.table().links) all.push_back(link.name);
  return all;
}

using Names = std::vector<std::string>;

Ipv4 ip(const char* text) { return *Ipv4::parse(text); }

// The kernel tells of a carrier when it has time to.
bool changes(LinuxLinkMonitor& monitor) {
  for (int i = 0; i < 1000; ++i) {
    if (monitor.changed()) return true;
    pollfd p{monitor.fd(), POLLIN, 0};
    ::poll(&p, 1, 10);
  }
  return false;
}

void make_wire() {
  ASSERT_TRUE(run("ip link add s0 type veth peer name c0"));
  ASSERT_TRUE(run("ip address add 10.0.0.1/24 dev s0"));
  ASSERT_TRUE(run("ip link set s0 up && ip link set c0 up"));
  testing::await_interface("s0");
  testing::await_interface("c0");
}

TEST(LinkMonitor, NamesPatternsLoopbackAndPorts) {
  in_network_namespace([] {
    make_wire();
    EXPECT_EQ(names(*open({"s0"})), Names{"s0"});
    EXPECT_EQ(names(*open({"*"})).size(), 2u);
    EXPECT_EQ(names(*open({"c?", "nope"})), Names{"c0"});
    EXPECT_EQ(open({"c?", "nope"})->missing(), Names{"nope"});
    EXPECT_EQ(names(*open({"lo"})), Names{});
    EXPECT_EQ(names(*open({})), Names{});
    if (!run("ip link add br0 type bridge 2>/dev/null")) return;  // a kernel without bridges
    ASSERT_TRUE(run("ip link set c0 master br0"));
    const Names without_port = names(*open({"*"}));
    EXPECT_EQ(std::count(without_port.begin(), without_port.end(), "c0"), 0);
    EXPECT_EQ(std::count(without_port.begin(), without_port.end(), "br0"), 1);
    EXPECT_EQ(names(*open({"c0"})), Names{"c0"});
  });
}

TEST(LinkMonitor, FollowsAppearRenameFlapAddressesAndVanish) {
  in_network_namespace([] {
    auto monitor = open({"s0"});
    EXPECT_TRUE(monitor->table().links.empty());
    EXPECT_FALSE(monitor->changed());
    ASSERT_NO_FATAL_FAILURE(make_wire());
    do {
      EXPECT_TRUE(changes(*monitor));
    } while (monitor->table().links.empty() || !monitor->table().links[0].up);
    ASSERT_EQ(names(*monitor), Names{"s0"});
    const Link first = monitor->table().links[0];
    EXPECT_EQ(first.ifindex, ::if_nametoindex("s0"));
    EXPECT_EQ(first.primary(), ip("10.0.0.1"));
    EXPECT_EQ(first.addresses[0].network, *Prefix::parse("10.0.0.0/24"));
    EXPECT_EQ(first.mtu, 1500u);
    EXPECT_TRUE(first.up);
    EXPECT_FALSE(monitor->changed());

    ASSERT_TRUE(run("ip link set c0 down"));  // no carrier on s0
    EXPECT_TRUE(changes(*monitor));
    EXPECT_FALSE(monitor->table().links[0].up);
    ASSERT_TRUE(run("ip link set c0 up"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_TRUE(monitor->table().links[0].up);

    ASSERT_TRUE(run("ip address add 10.0.0.2/24 dev s0; ip address add 10.5.0.1/16 dev s0"));
    EXPECT_TRUE(changes(*monitor));
    const auto& addresses = monitor->table().links[0].addresses;
    ASSERT_EQ(addresses.size(), 3u);
    EXPECT_EQ(addresses[0].address, ip("10.0.0.1"));
    EXPECT_EQ(addresses[1].address, ip("10.5.0.1"));
    EXPECT_EQ(addresses[2].address, ip("10.0.0.2"));  // a secondary one
    ASSERT_TRUE(run("ip address del 10.5.0.1/16 dev s0"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_FALSE(monitor->table().links[0].has(ip("10.5.0.1")));

    ASSERT_TRUE(run("ip link set s0 mtu 1400 address 02:00:00:00:00:01"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_EQ(monitor->table().links[0].mtu, 1400u);
    EXPECT_EQ(monitor->table().links[0].mac.text(), "02:00:00:00:00:01");

    ASSERT_TRUE(run("ip link set s0 down && ip link set s0 name other"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_TRUE(monitor->table().links.empty());
    EXPECT_EQ(monitor->missing(), Names{"s0"});
    ASSERT_TRUE(run("ip link set other name s0"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_EQ(names(*monitor), Names{"s0"});
    ASSERT_TRUE(run("ip link delete s0"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_TRUE(monitor->table().links.empty());
    monitor->set_interfaces({"*"});
    EXPECT_FALSE(monitor->changed());
  });
}

TEST(LinkMonitor, ResolvesByRouteAndNeighbour) {
  in_network_namespace([] {
    make_wire();
    ASSERT_TRUE(run("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev s0 nud permanent"));
    auto monitor = open({"s0"});
    const auto direct = monitor->resolve(ip("10.0.0.9"));
    ASSERT_TRUE(direct);
    EXPECT_EQ(direct->ifindex, ::if_nametoindex("s0"));
    EXPECT_EQ(direct->source, ip("10.0.0.1"));
    ASSERT_TRUE(direct->mac);
    EXPECT_EQ(direct->mac->text(), "02:00:00:00:00:09");

    const auto unresolved = monitor->resolve(ip("10.0.0.10"));
    ASSERT_TRUE(unresolved);
    EXPECT_FALSE(unresolved->mac);
    EXPECT_FALSE(monitor->resolve(ip("192.0.2.1")));
    EXPECT_FALSE(monitor->resolve(ip("10.0.0.255")));
    EXPECT_FALSE(monitor->resolve(ip("255.255.255.255")));
    const auto local = monitor->resolve(ip("10.0.0.1"));
    ASSERT_TRUE(local);
    EXPECT_FALSE(local->mac);

    ASSERT_TRUE(run("ip route add 192.0.2.0/24 via 10.0.0.9"));
    monitor->changed();
    const auto relay = monitor->resolve(ip("192.0.2.1"));
    ASSERT_TRUE(relay);
    ASSERT_TRUE(relay->mac);
    EXPECT_EQ(relay->mac->text(), "02:00:00:00:00:09");

    // The same destination again after its gateway, then its route, changed.
    ASSERT_TRUE(run("ip neigh replace 10.0.0.9 lladdr 02:00:00:00:00:0a dev s0 nud stale"));
    monitor->changed();
    EXPECT_EQ(monitor->resolve(ip("192.0.2.1"))->mac->text(), "02:00:00:00:00:0a");
    ASSERT_TRUE(run("ip neigh del 10.0.0.9 dev s0"));
    monitor->changed();
    EXPECT_FALSE(monitor->resolve(ip("192.0.2.1"))->mac);
    ASSERT_TRUE(run("ip route del 192.0.2.0/24"));
    monitor->changed();
    EXPECT_FALSE(monitor->resolve(ip("192.0.2.1")));
  });
}

TEST(LinkMonitor, ANeighbourThatIsNotTrustedAnyMoreIsLeftToTheKernel) {
  in_network_namespace([] {
    make_wire();
    ASSERT_TRUE(run("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev s0 nud stale"));
    ASSERT_TRUE(run("ip neigh add 10.0.0.8 lladdr 02:00:00:00:00:08 dev s0 nud permanent"));
    EXPECT_TRUE(open({"s0"})->resolve(ip("10.0.0.9"))->mac);
    auto opened = LinuxLinkMonitor::open({"s0"}, 0);
    ASSERT_TRUE(opened);
    const auto hop = (*opened)->resolve(ip("10.0.0.9"));
    ASSERT_TRUE(hop);
    EXPECT_FALSE(hop->mac);
    EXPECT_TRUE((*opened)->resolve(ip("10.0.0.8"))->mac);
  });
}

TEST(LinkMonitor, AsManyNeighboursAsTheLimitSays) {
  in_network_namespace([] {
    ASSERT_TRUE(
        run("ip link add s0 type veth peer name c0 && ip address add 10.0.0.1/8 dev s0 && "
            "ip link set s0 up && ip link set c0 up"));
    const size_t count = kNeighboursMax + 100;
    ASSERT_TRUE(run("i=0; while [ $i -lt " + std::to_string(count) +
                    " ]; do echo neigh add 10.$((1+i/65536)).$((i/256%256)).$((i%256)) lladdr "
                    "02:00:00:00:00:01 dev s0 nud permanent; i=$((i+1)); done | ip -batch -"));
    auto monitor = open({"s0"});
    size_t resolved = 0;
    size_t routed = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const auto hop = monitor->resolve(Ipv4{0x0A010000 + i});
      routed += hop.has_value();
      resolved += hop && hop->mac;
    }
    EXPECT_EQ(routed, count);  // more than kRoutesMax, too
    EXPECT_EQ(resolved, kNeighboursMax);
  });
}

TEST(LinkMonitor, LostNotificationsAreReadAnew) {
  in_network_namespace([] {
    make_wire();
    auto monitor = open({"*"});
    // More notifications than the socket holds, and only then what matters.
    ASSERT_TRUE(
        run("i=0; while [ $i -lt 40000 ]; do echo link set s0 mtu $((1400+i%2)); "
            "i=$((i+1)); done | ip -batch -"));
    ASSERT_TRUE(run("ip link add s1 type veth peer name c1"));
    ASSERT_TRUE(run("ip neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev s0 nud permanent"));
    EXPECT_TRUE(changes(*monitor));
    EXPECT_EQ(monitor->table().links.size(), 4u);
    EXPECT_TRUE(monitor->resolve(ip("10.0.0.9"))->mac);
  });
}

}  // namespace
}  // namespace hookline::io
