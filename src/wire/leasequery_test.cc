// The answers to LEASEQUERY: RFC 4388 section 6.4.
#include <gtest/gtest.h>

#include "wire/encoder_fixture.h"

namespace hookline::wire {
namespace {

using testing::be32;
using testing::Buffer;
using testing::kAddress;
using testing::kRelay;
using testing::kServer;
using testing::ParsedReply;
using testing::RequestBytes;

constexpr LeaseSeconds kNow = 1'800'000'000;

class LeaseQueryTest : public testing::EncoderFixture {
 protected:
  static RequestBytes query() { return RequestBytes().type(10).giaddr(kRelay); }

  ParsedReply answer(const RequestBytes& request, MessageType reply) {
    Grant& g = grant(request, ReplyKind::LeaseQuery).grant;
    g.found.reply = reply;
    g.found.now = kNow;
    if (reply == MessageType::LeaseActive) {
      g.lease_s = 3000;
      g.renew_s = 1200;
      g.rebind_s = 2550;
      g.record.address = Ipv4{kAddress};
      g.record.state = LeaseState::Active;
      g.record.hardware_type = 6;
      g.record.hardware_address = hardware_;
      g.record.client_id = client_id_;
      g.record.relay_info = relay_info_;
      g.record.hostname = as_bytes("printer");
      g.record.start = kNow - 5000;
      g.record.last_transaction = kNow - 600;
      g.found.address_count = 2;
      Ipv4{kAddress}.store(&g.found.addresses[0]);
      Ipv4{kServer}.store(&g.found.addresses[4]);
    }
    return encode();
  }

  Buffer hardware_ = {2, 0, 0, 0, 0, 9};
  Buffer client_id_ = {0, 1, 2};
  Buffer relay_info_ = {1, 1, 7};
};

TEST_F(LeaseQueryTest, ActiveFields) {
  answer(query().ciaddr(kAddress).end(), MessageType::LeaseActive);
  const Bytes b = packet_->reply();
  EXPECT_EQ(b[0], 2);
  EXPECT_EQ(b[1], 6);  // the lease's hardware, not the query's
  EXPECT_EQ(b[2], 6);
  EXPECT_EQ(field(4), 0x12345678u);
  EXPECT_EQ(field(12), kAddress);
  EXPECT_EQ(field(16), 0u);  // yiaddr
  EXPECT_EQ(field(24), kRelay);
  EXPECT_EQ(to_hex(b.subspan(28, 16)), "02000000000900000000000000000000");
  EXPECT_EQ(packet_->reply_type, MessageType::LeaseActive);
  EXPECT_EQ(packet_->destination.reach, Reach::Routed);
  EXPECT_EQ(packet_->destination.address.value, kRelay);
  EXPECT_EQ(packet_->destination.port, 67);
}

TEST_F(LeaseQueryTest, ActiveWithoutAListTellsAllOfTheRfc) {
  const ParsedReply r = answer(query().ciaddr(kAddress).end(), MessageType::LeaseActive);
  EXPECT_EQ(r.order, (Buffer{53, 54, 61, 51, 58, 59, 12, 91, 92, 82}));
  EXPECT_EQ(r.options.at(53), Buffer{13});
  EXPECT_EQ(r.options.at(54), be32(kServer));
  EXPECT_EQ(r.options.at(61), client_id_);
  EXPECT_EQ(r.options.at(51), be32(3000));
  EXPECT_EQ(r.options.at(58), be32(1200));
  EXPECT_EQ(r.options.at(59), be32(2550));
  EXPECT_EQ(r.options.at(91), be32(600));
  EXPECT_EQ(r.options.at(92), (Buffer{10, 77, 0, 100, 10, 77, 0, 1}));
  EXPECT_EQ(r.options.at(82), relay_info_);
}

// The query's own option 82 is the asking relay's, and no part of the answer.
TEST_F(LeaseQueryTest, TheListDecides) {
  const ParsedReply r = answer(
      query().ciaddr(kAddress).option(82, {1, 1, 9}).option(55, {156, 51, 153, 152, 3, 51}).end(),
      MessageType::LeaseActive);
  EXPECT_EQ(r.order, (Buffer{53, 54, 61, 156, 51, 153, 152}));
  EXPECT_EQ(r.options.at(156), Buffer{2});
  EXPECT_EQ(r.options.at(153), be32(5000));
  EXPECT_EQ(r.options.at(152), be32(kNow));
}

TEST_F(LeaseQueryTest, OneAddressIsNotAssociatedWithItself) {
  Grant& g = grant(query().ciaddr(kAddress).option(55, {92}).end(), ReplyKind::LeaseQuery).grant;
  g.found.reply = MessageType::LeaseActive;
  g.found.address_count = 1;
  EXPECT_FALSE(encode().has(92));
}

TEST_F(LeaseQueryTest, UnassignedAndUnknownEchoTheQuestion) {
  for (const auto type : {MessageType::LeaseUnassigned, MessageType::LeaseUnknown}) {
    const ParsedReply r = answer(query().ciaddr(kAddress).option(55, {51, 82}).end(), type);
    EXPECT_EQ(r.order, (Buffer{53, 54}));
    EXPECT_EQ(r.options.at(53), Buffer{static_cast<uint8_t>(type)});
    EXPECT_EQ(field(12), kAddress);
    EXPECT_EQ(packet_->reply_type, type);
  }
  const ParsedReply r = answer(query().option(61, {5, 6}).end(), MessageType::LeaseUnknown);
  EXPECT_EQ(r.order, (Buffer{53, 54, 61}));
  EXPECT_EQ(r.options.at(61), (Buffer{5, 6}));
}

}  // namespace
}  // namespace hookline::wire
