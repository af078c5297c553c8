// Messages of bulk leasequery (RFC 6926) and active leasequery (RFC 7724).
#include "wire/bulk_query.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "wire/decoder.h"
#include "wire/testing.h"

namespace hookline::wire {
namespace {

using testing::Buffer;
using testing::parse_reply;
using testing::RequestBytes;

// The bytes of a query, and what is read from them.
struct Read {
  Buffer bytes, room;
  LeaseQuery query;
  std::string_view wrong;

  explicit Read(Buffer b) : bytes(std::move(b)), room(bytes.size()) {
    wrong = read_query(bytes, room, query);
  }
};

// Asks for nothing in particular.
RequestBytes bare(uint8_t type = 14) {
  RequestBytes out;
  out.byte(1, 0).byte(2, 0).at(28, Buffer(16)).type(type);
  return out;
}

TEST(BulkQueryMessages, OnePrimaryQueryOrNone) {
  EXPECT_EQ(Read(bare().bytes()).query.kind, QueryKind::All);
  EXPECT_EQ(Read(bare().bytes()).query.xid, 0x12345678u);
  const Read address(bare().ciaddr(0x0A4D0007).bytes());
  EXPECT_EQ(address.query.kind, QueryKind::Address);
  EXPECT_EQ(address.query.address, Ipv4{0x0A4D0007});
  const Read mac(RequestBytes().type(14).bytes());
  EXPECT_EQ(mac.query.kind, QueryKind::Hardware);
  EXPECT_EQ(mac.query.hardware_type, 1);
  EXPECT_EQ(to_hex(mac.query.id), "020000000007");
  const Read client(bare().option(61, {1, 2, 3}).bytes());
  EXPECT_EQ(client.query.kind, QueryKind::ClientId);
  EXPECT_EQ(to_hex(client.query.id), "010203");
  const Read relay(bare().option(82, {1, 1, 9, 12, 2, 7, 8}).bytes());
  EXPECT_EQ(relay.query.kind, QueryKind::RelayId);
  EXPECT_EQ(to_hex(relay.query.id), "0708");
  const Read remote(bare().option(82, {2, 1, 5}).bytes());
  EXPECT_EQ(remote.query.kind, QueryKind::RemoteId);
  EXPECT_EQ(to_hex(remote.query.id), "05");
  for (const Buffer& two : {bare().ciaddr(1).option(61, {1, 2}).bytes(),
                            RequestBytes().type(14).option(61, {1, 2}).bytes(),
                            bare().option(82, {2, 1, 5, 12, 1, 5}).bytes()}) {
    EXPECT_EQ(Read(two).wrong, "a query asks for one thing");
  }
}

TEST(BulkQueryMessages, Times) {
  const Read both(bare().option(154, testing::be32(100)).option(155, testing::be32(200)).bytes());
  EXPECT_EQ(both.wrong, "");
  EXPECT_EQ(both.query.start, 100u);
  EXPECT_EQ(both.query.end, 200u);
  EXPECT_NE(Read(bare().option(154, {1, 2, 3}).bytes()).wrong, "");
  EXPECT_NE(Read(bare().option(154, testing::be32(2)).option(155, testing::be32(1)).bytes()).wrong,
            "");
}

// RFC 6607: 255 is the global one, 254 (RFC 6926) all of them.
TEST(BulkQueryMessages, VirtualSubnets) {
  EXPECT_TRUE(Read(bare().option(221, {0, 'a'}).bytes()).query.other_vpn);
  EXPECT_TRUE(Read(bare().option(82, {151, 2, 0, 'a'}).bytes()).query.other_vpn);
  EXPECT_FALSE(Read(bare().option(221, {255}).bytes()).query.other_vpn);
  EXPECT_FALSE(Read(bare().option(221, {254}).bytes()).query.other_vpn);
}

TEST(BulkQueryMessages, Active) {
  EXPECT_EQ(Read(bare(16).bytes()).query.type, QueryMessage::Active);
  EXPECT_EQ(Read(bare(16).option(154, testing::be32(9)).bytes()).query.start, 9u);
  EXPECT_NE(Read(bare(16).option(155, testing::be32(9)).bytes()).wrong, "");
  EXPECT_NE(Read(bare(16).ciaddr(9).bytes()).wrong, "");
}

TEST(BulkQueryMessages, WhatIsNoQuery) {
  EXPECT_NE(Read(Buffer(100)).wrong, "");
  EXPECT_NE(Read(bare().byte(0, 2).bytes()).wrong, "");
  EXPECT_NE(Read(bare().byte(2, 17).bytes()).wrong, "");
  EXPECT_NE(Read(bare().u32(236, 0).bytes()).wrong, "");
  for (const uint8_t type : {0, 1, 10, 13, 15, 17, 19, 255}) {
    EXPECT_NE(Read(bare(type).bytes()).wrong, "") << int{type};
  }
  EXPECT_EQ(Read(bare(18).bytes()).wrong, "");
}

TEST(BulkQueryMessages, AnAnswerWithEverything) {
  const Buffer full(255, 'x');
  const Buffer mac(16, 2);
  LeaseAnswer a;
  a.xid = 5;
  a.server_id = Ipv4{0x0A4D0001};
  a.now = 1000;
  a.type = MessageType::LeaseActive;
  a.state = QueryState::Active;
  a.since = 900;
  a.lease_s = 60;
  a.renew_s = 30;
  a.rebind_s = 50;
  a.record.address = Ipv4{0x0A4D0007};
  a.record.hardware_type = 1;
  a.record.hardware_address = mac;
  a.record.client_id = a.record.hostname = a.record.relay_info = full;
  a.record.last_transaction = 990;
  Buffer out(kAnswerBytesMax);
  out.resize(write_answer(a, {}, out.data()));
  Message m;
  Buffer room(out.size());
  ASSERT_TRUE(read_message(out, room, m));
  EXPECT_EQ(m.xid, 5u);
  EXPECT_EQ(m.ciaddr, a.record.address);
  EXPECT_TRUE(equal(m.hardware_address(), mac));
  const std::pair<uint8_t, uint32_t> numbers[] = {
      {51, 60}, {58, 30}, {59, 50}, {91, 10}, {152, 1000}, {153, 100}, {54, 0x0A4D0001}};
  for (const auto& [code, value] : numbers) EXPECT_EQ(m.options.u32(code), value) << int{code};
  for (const uint8_t code : {12, 61, 82}) EXPECT_TRUE(equal(m.options.find(code), full));
  EXPECT_EQ(to_hex(m.options.find(156)), "02");
  EXPECT_EQ(to_hex(m.options.find(157)), "00");
}

TEST(BulkQueryMessages, Statuses) {
  Buffer out(kAnswerBytesMax);
  out.resize(write_status(QueryMessage::Done, 9, {}, 1, QueryStatus::NotAllowed,
                          std::string(1000, 'x'), out.data()));
  Message m;
  Buffer room(out.size());
  ASSERT_TRUE(read_message(out, room, m));
  EXPECT_EQ(static_cast<int>(m.type), 15);
  ASSERT_FALSE(m.options.find(151).empty());
  EXPECT_EQ(m.options.find(151)[0], 4);
  EXPECT_EQ(query_status_name(QueryStatus::CatchUpComplete), "CatchUpComplete");
  EXPECT_EQ(query_status_name(static_cast<QueryStatus>(9)), "unknown status");
  EXPECT_EQ(query_state_name(QueryState::Abandoned), "abandoned");
  EXPECT_EQ(query_state_name(static_cast<QueryState>(99)), "unknown");
}

RC_GTEST_PROP(BulkQueryMessages, WhatIsWrittenIsRead, ()) {
  LeaseQuery query;
  query.xid = *rc::gen::arbitrary<uint32_t>();
  query.kind = static_cast<QueryKind>(*rc::gen::inRange(0, 6));
  query.address = Ipv4{*rc::gen::inRange(1u, 0xFFFFFFFFu)};
  query.hardware_type = 1;
  const size_t most = query.kind == QueryKind::Hardware ? 16 : 250;
  const Buffer id(*rc::gen::inRange<size_t>(1, most + 1), *rc::gen::arbitrary<uint8_t>());
  query.id = id;
  if (*rc::gen::arbitrary<bool>()) query.start = *rc::gen::inRange(0u, 1000u);
  if (*rc::gen::arbitrary<bool>()) query.end = *rc::gen::inRange(1000u, 2000u);
  Buffer bytes(kAnswerBytesMax);
  bytes.resize(write_query(query, bytes.data()));
  const Read read(bytes);
  RC_ASSERT(read.wrong.empty());
  RC_ASSERT(read.query.kind == query.kind);
  RC_ASSERT(read.query.xid == query.xid);
  RC_ASSERT(read.query.start == query.start);
  RC_ASSERT(read.query.end == query.end);
  if (query.kind == QueryKind::Address) RC_ASSERT(read.query.address == query.address);
  const bool has_id = query.kind != QueryKind::Address && query.kind != QueryKind::All;
  if (has_id) RC_ASSERT(equal(read.query.id, id));
}

RC_GTEST_PROP(BulkQueryMessages, AnyBytesAreReadOrRefused, (const Buffer& noise)) {
  const Read noisy(noise);
  Buffer more = bare().bytes();
  more.insert(more.end(), noise.begin(), noise.end());
  const Read read(more);
  if (read.wrong.empty()) RC_ASSERT(read.query.id.size() <= more.size());
}

}  // namespace
}  // namespace hookline::wire
