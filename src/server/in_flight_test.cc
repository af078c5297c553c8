#include "server/in_flight.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <vector>

namespace hookline::server {
namespace {

struct Fixture {
  explicit Fixture(size_t slots = 8) : pool(slots) {}

  PacketPool pool;
  InFlight in_flight{7};

  PacketHandle packet(uint32_t xid, MessageType type = MessageType::Discover, uint8_t mac = 1) {
    PacketHandle p = pool.take();
    p->ingress = Ingress{};
    p->message.xid = xid;
    p->message.type = type;
    p->message.giaddr = {};
    p->message.hardware_type = 1;
    p->message.hardware_size = 6;
    p->message.chaddr = {2, 0, 0, 0, 0, mac};
    return p;
  }
};

TEST(InFlight, TheSameMessageTwiceIsADuplicateUntilTheFirstEnds) {
  Fixture f;
  PacketHandle a = f.packet(1);
  PacketHandle b = f.packet(1);
  EXPECT_TRUE(f.in_flight.enter(*a));
  EXPECT_FALSE(f.in_flight.enter(*b));
  f.in_flight.leave(*b);  // never entered: changes nothing
  EXPECT_FALSE(f.in_flight.enter(*b));
  f.in_flight.leave(*a);
  EXPECT_TRUE(f.in_flight.enter(*b));
  f.in_flight.leave(*b);
  EXPECT_EQ(f.in_flight.size(), 0u);
  f.pool.give_back(std::move(a));
  f.pool.give_back(std::move(b));
}

TEST(InFlight, AnotherTypeXidRelayInterfaceOrClientIsAnotherMessage) {
  Fixture f;
  PacketHandle a = f.packet(1);
  PacketHandle b = f.packet(2);
  PacketHandle c = f.packet(1, MessageType::Request);
  PacketHandle d = f.packet(1, MessageType::Discover, 9);
  PacketHandle e = f.packet(1);
  e->message.giaddr = Ipv4{0x0A000001};
  PacketHandle g = f.packet(1);
  g->ingress.ifindex = 5;
  for (PacketHandle* p : {&a, &b, &c, &d, &e, &g}) EXPECT_TRUE(f.in_flight.enter(**p));
  EXPECT_EQ(f.in_flight.size(), 6u);
  for (PacketHandle* p : {&a, &b, &c, &d, &e, &g}) {
    f.in_flight.leave(**p);
    f.pool.give_back(std::move(*p));
  }
}

// Against a set of what is inside: gaps in the table must never hide or resurrect a message.
RC_GTEST_PROP(InFlight, BehavesLikeASet, (const std::vector<std::pair<bool, uint8_t>>& steps)) {
  Fixture f(300);
  std::map<uint8_t, PacketHandle> inside;
  for (const auto& [enter, xid] : steps) {
    if (enter) {
      PacketHandle p = f.packet(xid);
      const bool fresh = !inside.contains(xid);
      const bool entered = f.in_flight.enter(*p);
      if (entered) {
        inside.emplace(xid, std::move(p));
      } else {
        f.pool.give_back(std::move(p));
      }
      RC_ASSERT(entered == fresh);
    } else if (auto it = inside.find(xid); it != inside.end()) {
      f.in_flight.leave(*it->second);
      f.pool.give_back(std::move(it->second));
      inside.erase(it);
    }
    RC_ASSERT(f.in_flight.size() == inside.size());
  }
  for (auto& [xid, p] : inside) f.pool.give_back(std::move(p));
}

}  // namespace
}  // namespace hookline::server
