#include "load/bindings.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace hookline::load {
namespace {

constexpr Ipv4 kA{0x0A400100};
constexpr Ipv4 kB{0x0A400101};

TEST(Bindings, SecondLiveClientOnAnAddressIsADuplicate) {
  Bindings bindings;
  EXPECT_TRUE(bindings.bind(0, kA, 0, 100));
  EXPECT_FALSE(bindings.bind(1, kA, 99, 200));
}

TEST(Bindings, ExpiredLeaseIsNoDuplicate) {
  Bindings bindings;
  EXPECT_TRUE(bindings.bind(0, kA, 0, 100));
  EXPECT_TRUE(bindings.bind(1, kA, 100, 200));
}

TEST(Bindings, RenewalByTheSameClientIsNoDuplicate) {
  Bindings bindings;
  EXPECT_TRUE(bindings.bind(7, kA, 0, 100));
  EXPECT_TRUE(bindings.bind(7, kA, 50, 150));
  EXPECT_EQ(bindings.address_of(7), kA);
}

TEST(Bindings, ClientThatMovedFreesItsAddress) {
  Bindings bindings;
  EXPECT_TRUE(bindings.bind(0, kA, 0, 100));
  EXPECT_TRUE(bindings.bind(0, kB, 0, 100));
  EXPECT_TRUE(bindings.bind(1, kA, 0, 100));
}

TEST(Bindings, ForgottenClientFreesItsAddress) {
  Bindings bindings;
  EXPECT_TRUE(bindings.bind(0, kA, 0, 100));
  bindings.forget(0);
  EXPECT_FALSE(bindings.address_of(0));
  EXPECT_TRUE(bindings.bind(1, kA, 0, 100));
}

// The model: who holds what, in a map. A duplicate stays with the one who got it last.
RC_GTEST_PROP(Bindings, AgreeWithAMap, ()) {
  Bindings bindings;
  std::map<uint32_t, std::pair<uint32_t, uint32_t>> held;  // client to address, until
  std::map<uint32_t, uint32_t> last;                       // address to its latest client
  uint32_t now_s = 0;
  const auto steps = *rc::gen::container<std::vector<std::tuple<uint8_t, uint8_t, uint8_t>>>(
      rc::gen::tuple(rc::gen::inRange<uint8_t>(0, 8), rc::gen::inRange<uint8_t>(0, 8),
                     rc::gen::inRange<uint8_t>(0, 5)));
  for (const auto& [client, low, delay] : steps) {
    now_s += delay;
    const uint32_t address = 0x0A40FFFC + low;  // over the edge of a chunk
    bool alone = true;
    if (const auto it = last.find(address); it != last.end() && it->second != client) {
      const auto other = held.find(it->second);
      alone =
          other == held.end() || other->second.first != address || other->second.second <= now_s;
    }
    RC_ASSERT(bindings.bind(client, Ipv4{address}, now_s, now_s + 10) == alone);
    held[client] = {address, now_s + 10};
    last[address] = client;
  }
}

}  // namespace
}  // namespace hookline::load
