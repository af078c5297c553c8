// RFC 2131 section 4.1: where a reply goes.
#include <gtest/gtest.h>

#include "wire/encoder_fixture.h"

namespace hookline::wire {
namespace {

using testing::be32;
using testing::discover;
using testing::inform;
using testing::kAddress;
using testing::kRelay;
using testing::renewing;
using testing::RequestBytes;
using testing::selecting;

class DestinationTest : public testing::EncoderFixture {
 protected:
  void expect(Reach reach, uint32_t address, uint16_t port) {
    encode_reply(*packet_);
    const Destination& d = packet_->destination;
    EXPECT_EQ(d.reach, reach);
    EXPECT_EQ(d.address.text(), Ipv4{address}.text());
    EXPECT_EQ(d.port, port);
    if (reach == Reach::Broadcast) {
      EXPECT_EQ(d.mac, kBroadcastMac);
    }
  }
};

TEST_F(DestinationTest, ToTheRelayBeforeAllElse) {
  for (ReplyKind kind : {ReplyKind::Offer, ReplyKind::Ack, ReplyKind::Nak, ReplyKind::InformAck}) {
    grant(renewing().giaddr(kRelay).broadcast().end(), kind);
    expect(Reach::Routed, kRelay, 67);
  }
}

TEST_F(DestinationTest, ToCiaddrWhenRenewing) {
  grant(renewing().broadcast().end(), ReplyKind::Ack);
  expect(Reach::Routed, kAddress, 68);
}

TEST_F(DestinationTest, CiaddrIsIgnoredInDiscoverAndSelecting) {
  grant(discover().ciaddr(0x01020304).end(), ReplyKind::Offer);
  expect(Reach::Direct, kAddress, 68);
  grant(selecting().ciaddr(0x01020304).end(), ReplyKind::Ack);
  expect(Reach::Direct, kAddress, 68);
  grant(RequestBytes().type(3).option(50, be32(kAddress)).ciaddr(0x01020304).end(), ReplyKind::Ack);
  expect(Reach::Direct, kAddress, 68);
}

TEST_F(DestinationTest, CiaddrIsIgnoredWhereAServerIsNamed) {  // only SELECTING has option 54
  grant(renewing().option(54, testing::be32(testing::kServer)).end(), ReplyKind::Ack);
  expect(Reach::Direct, kAddress, 68);
}

TEST_F(DestinationTest, NakIsBroadcast) {
  grant(renewing().end(), ReplyKind::Nak);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
}

TEST_F(DestinationTest, NakIsBroadcastWhateverItsYiaddr) {  // a callout may have written one
  grant(renewing().end(), ReplyKind::Nak);
  EXPECT_EQ(reply_destination(*packet_, Ipv4{kAddress}).reach, Reach::Broadcast);
}

TEST_F(DestinationTest, InformToCiaddr) {  // section 4.3.5
  grant(inform().broadcast().end(), ReplyKind::InformAck);
  expect(Reach::Routed, kAddress, 68);
  grant(RequestBytes().type(8).end(), ReplyKind::InformAck).ingress.source = Ipv4{0x0A4D0050};
  expect(Reach::Routed, 0x0A4D0050, 68);
  grant(RequestBytes().type(8).end(), ReplyKind::InformAck);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
}

TEST_F(DestinationTest, BroadcastFlag) {
  grant(discover().broadcast().end(), ReplyKind::Offer);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
}

TEST_F(DestinationTest, ElseToTheHardwareAddressWithoutArp) {
  grant(discover().end(), ReplyKind::Offer);
  expect(Reach::Direct, kAddress, 68);
  EXPECT_EQ(packet_->destination.mac.text(), "02:00:00:00:00:07");
  grant(selecting().end(), ReplyKind::Ack);
  expect(Reach::Direct, kAddress, 68);
}

TEST_F(DestinationTest, OtherHardwareIsBroadcastTo) {
  grant(discover().byte(1, 6).end(), ReplyKind::Offer);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
  grant(discover().byte(2, 8).end(), ReplyKind::Offer);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
  grant(discover().byte(1, 32).byte(2, 0).option(61, {1, 2}).end(), ReplyKind::Offer);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
}

TEST_F(DestinationTest, Bootp) {  // RFC 1542 section 5.4
  const auto bootp = [] { return RequestBytes().end().resize(300); };
  grant(bootp().ciaddr(kAddress).giaddr(kRelay), ReplyKind::Bootp);
  expect(Reach::Routed, kAddress, 68);
  grant(bootp().giaddr(kRelay), ReplyKind::Bootp);
  expect(Reach::Routed, kRelay, 67);
  grant(bootp(), ReplyKind::Bootp);
  expect(Reach::Direct, kAddress, 68);
  grant(bootp().broadcast(), ReplyKind::Bootp);
  expect(Reach::Broadcast, 0xFFFFFFFF, 68);
}

TEST_F(DestinationTest, OfAnEditedReply) {
  grant(discover().end(), ReplyKind::Offer);
  EXPECT_EQ(reply_destination(*packet_, Ipv4{0x0A4D0077}).address.value, 0x0A4D0077u);
}

}  // namespace
}  // namespace hookline::wire
