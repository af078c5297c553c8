#include "server/trace.h"

#include <gtest/gtest.h>

namespace hookline::server {
namespace {

PacketHandle packet_of(PacketPool& pool, uint8_t last_octet) {
  PacketHandle p = pool.take();
  p->message.hardware_type = 1;
  p->message.hardware_size = 6;
  p->message.chaddr = {2, 0, 0, 0, 0, last_octet};
  p->message.type = MessageType::Discover;
  p->message.xid = 0x1234;
  return p;
}

TEST(TraceHub, FollowsOnlyTheClientAskedFor) {
  PacketPool pool(2);
  TraceHub hub;
  EXPECT_FALSE(hub.active());
  const auto id = hub.open("02:00:00:00:00:07");
  ASSERT_TRUE(id);
  EXPECT_TRUE(hub.active());
  PacketHandle mine = packet_of(pool, 7);
  PacketHandle other = packet_of(pool, 8);
  EXPECT_TRUE(hub.follows(*mine));
  EXPECT_FALSE(hub.follows(*other));
  hub.line(*mine, "received", "300 bytes");
  hub.line(*other, "received", "300 bytes");
  std::string line;
  ASSERT_TRUE(hub.next(*id, line));
  EXPECT_EQ(line, "02:00:00:00:00:07 discover xid=00001234 received 300 bytes");
  EXPECT_FALSE(hub.next(*id, line));
  hub.close(*id);
  EXPECT_FALSE(hub.active());
  pool.give_back(std::move(mine));
  pool.give_back(std::move(other));
}

TEST(TraceHub, RefusesWhatNamesNoClient) {
  TraceHub hub;
  for (const char* bad : {"", "hex:", "printer", "02:0"}) {
    const auto id = hub.open(bad);
    ASSERT_FALSE(id) << bad;
    EXPECT_EQ(id.error().kind, ErrorKind::Invalid);
  }
  for (size_t i = 0; i < kControlClientsMax; ++i) ASSERT_TRUE(hub.open("any"));
  EXPECT_EQ(hub.open("any").error().kind, ErrorKind::Busy);
}

TEST(TraceHub, ASlowReaderLosesLinesAndIsTold) {
  PacketPool pool(1);
  TraceHub hub;
  const auto id = hub.open("any");
  PacketHandle p = packet_of(pool, 7);
  for (size_t i = 0; i < kTraceLinesMax + 3; ++i) hub.line(*p, "sent", "x");
  std::string line;
  ASSERT_TRUE(hub.next(*id, line));
  EXPECT_EQ(line, "(3 lines lost: the reader is too slow)");
  size_t lines = 0;
  while (hub.next(*id, line)) ++lines;
  EXPECT_EQ(lines, kTraceLinesMax);
  pool.give_back(std::move(p));
}

}  // namespace
}  // namespace hookline::server
