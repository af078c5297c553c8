#include "wire/encoder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "wire/encoder_fixture.h"

namespace hookline::wire {
namespace {

using testing::be32;
using testing::Buffer;
using testing::discover;
using testing::inform;
using testing::kAddress;
using testing::kMask;
using testing::kRelay;
using testing::kServer;
using testing::parse_reply;
using testing::ParsedReply;
using testing::renewing;
using testing::RequestBytes;
using testing::selecting;

class EncoderTest : public testing::EncoderFixture {};

// --- RFC 2131 table 3: fields --------------------------------------------------------------------

TEST_F(EncoderTest, OfferFields) {
  RequestBytes r = discover().end();
  r.byte(3, 2).byte(9, 7).broadcast().ciaddr(0x01020304).giaddr(kRelay);
  encode(r, ReplyKind::Offer);
  const Bytes b = packet_->reply();
  EXPECT_EQ(b[0], 2);
  EXPECT_EQ(b[1], 1);
  EXPECT_EQ(b[2], 6);
  EXPECT_EQ(b[3], 0);                    // hops
  EXPECT_EQ(field(4), 0x12345678u);      // xid
  EXPECT_EQ(load_be16(&b[8]), 0);        // secs
  EXPECT_EQ(load_be16(&b[10]), 0x8000);  // flags from the DISCOVER
  EXPECT_EQ(field(12), 0u);              // ciaddr
  EXPECT_EQ(field(16), kAddress);
  EXPECT_EQ(field(20), 0u);
  EXPECT_EQ(field(24), kRelay);
  EXPECT_EQ(to_hex(b.subspan(28, 16)), "02000000000700000000000000000000");
  EXPECT_EQ(packet_->reply_type, MessageType::Offer);
}

TEST_F(EncoderTest, CiaddrComesBackOnlyWhereTheClientHasTheAddress) {
  encode(renewing().end(), ReplyKind::Ack);
  EXPECT_EQ(field(12), kAddress);
  encode(selecting().ciaddr(0x01020304).end(), ReplyKind::Ack);
  EXPECT_EQ(field(12), 0u);
  encode(inform().end(), ReplyKind::InformAck);
  EXPECT_EQ(field(12), kAddress);
  grant(discover().option(80, {}).ciaddr(kAddress).end(), ReplyKind::Ack).grant.rapid_commit = true;
  encode();
  EXPECT_EQ(field(12), 0u);
}

TEST_F(EncoderTest, InformHasNoYiaddrAndNoTimes) {  // RFC 2131 section 4.3.5
  const ParsedReply r = encode(inform().option(55, {51, 58, 6}).end(), ReplyKind::InformAck);
  EXPECT_EQ(r.options.at(53), Buffer{5});
  EXPECT_EQ(field(16), 0u);
  for (uint8_t code : {51, 58, 59}) EXPECT_FALSE(r.has(code)) << int{code};
  EXPECT_TRUE(r.has(54));
  EXPECT_TRUE(r.has(6));
  EXPECT_EQ(packet_->reply_type, MessageType::Ack);
}

TEST_F(EncoderTest, NakHasOnlyWhatTable3Allows) {
  scope_.boot.fields = {Ipv4{0x0A4D0009}, "boot", "file"};
  set(80, {});
  grant(selecting().option(61, {1, 2}).option(55, {1, 3, 6}).option(82, {1, 1, 9}).end(),
        ReplyKind::Nak)
      .grant.why = "wrong network";
  const ParsedReply r = encode();
  EXPECT_EQ(r.order, (Buffer{53, 54, 56, 61, 82}));
  EXPECT_EQ(r.options.at(53), Buffer{6});
  EXPECT_EQ(r.options.at(56), text("wrong network"));
  for (size_t at : {12u, 16u, 20u}) EXPECT_EQ(field(at), 0u);
  EXPECT_EQ(packet_->reply()[44], 0);
  EXPECT_EQ(packet_->reply()[108], 0);
  packet_->grant.scope = nullptr;
  packet_->grant.why = "";
  EXPECT_EQ(encode().order, (Buffer{53, 54, 61, 82}));
}

TEST_F(EncoderTest, NakThroughARelayHasTheBroadcastBit) {  // RFC 2131 section 4.3.2
  encode(selecting().giaddr(kRelay).end(), ReplyKind::Nak);
  EXPECT_EQ(load_be16(&packet_->reply()[10]), 0x8000);
  encode(selecting().end(), ReplyKind::Nak);
  EXPECT_EQ(load_be16(&packet_->reply()[10]), 0);
  encode(selecting().giaddr(kRelay).end(), ReplyKind::Ack);
  EXPECT_EQ(load_be16(&packet_->reply()[10]), 0);
}

TEST_F(EncoderTest, RepliesHaveAtLeast300BytesAndNoOldOnes) {  // RFC 951 section 3
  encode(discover().end(), ReplyKind::Offer);
  EXPECT_EQ(packet_->reply_size, 300);  // parse_reply() has checked that what pads it is zero
}

// --- options: which, and in which order
// -----------------------------------------------------------

TEST_F(EncoderTest, GrantsCarryTypeServerAndTimesFirst) {  // RFC 2131 section 4.3.1
  const ParsedReply r = encode(discover().option(55, {15, 6, 3, 1}).end(), ReplyKind::Offer);
  // The list decides; RFC 2132 section 3.3: the mask stands before the routers.
  EXPECT_EQ(r.order, (Buffer{53, 54, 51, 58, 59, 1, 15, 6, 3}));
  EXPECT_EQ(r.u32(54), kServer);
  EXPECT_EQ(r.u32(51), 3600u);
  EXPECT_EQ(r.u32(58), 1800u);
  EXPECT_EQ(r.u32(59), 3150u);
  EXPECT_EQ(r.u32(1), kMask);
}

TEST_F(EncoderTest, TheRequestListSelects) {  // RFC 2131 section 4.3.1, RFC 2132 section 9.8
  set(42, be32(kServer));
  const ParsedReply r =
      encode(discover().option(55, {6, 6, 99, 0, 255, 53, 82, 51, 50}).end(), ReplyKind::Offer);
  EXPECT_EQ(r.order, (Buffer{53, 54, 51, 58, 59, 1, 6}));
}

TEST_F(EncoderTest, WithoutARequestListAllThatIsConfigured) {
  set(224, {1, 2});
  set(108, be32(300));
  set(116, {1});
  const ParsedReply r = encode(discover().end(), ReplyKind::Offer);
  EXPECT_EQ(r.order, (Buffer{53, 54, 51, 58, 59, 1, 3, 6, 15, 224}));
}

TEST_F(EncoderTest, AConfiguredMaskWins) {
  set(1, be32(0xFFFF0000));
  EXPECT_EQ(encode(discover().end(), ReplyKind::Offer).u32(1), 0xFFFF0000u);
}

TEST_F(EncoderTest, BroadcastAddressWhenAskedForOrConfigured) {  // RFC 2132 section 5.3
  EXPECT_EQ(encode(discover().option(55, {28}).end(), ReplyKind::Offer).u32(28), 0x0A4D00FFu);
  EXPECT_FALSE(encode(discover().end(), ReplyKind::Offer).has(28));
  set(28, be32(0xFFFFFFFF));
  EXPECT_EQ(encode(discover().end(), ReplyKind::Offer).u32(28), 0xFFFFFFFFu);
  EXPECT_EQ(encode(discover().option(55, {28}).end(), ReplyKind::Offer).u32(28), 0xFFFFFFFFu);
}

TEST_F(EncoderTest, AReservationsOptionsAndBootReplaceTheScopes) {
  Reservation reservation;
  reservation.options.set(3, be32(kServer + 1));
  reservation.options.set(12, text("printer"));
  reservation.boot.fields.file = "mine";
  scope_.boot.fields.file = "scopes";
  grant(discover().option(55, {3, 12, 6}).end(), ReplyKind::Offer).grant.reservation = &reservation;
  const ParsedReply r = encode();
  EXPECT_EQ(r.u32(3), kServer + 1);
  EXPECT_EQ(r.options.at(12), text("printer"));
  EXPECT_FALSE(r.has(6));
  EXPECT_EQ(text_at(108), "mine");
}

TEST_F(EncoderTest, ClientIdentifierComesBack) {  // RFC 6842 section 3
  const Buffer id(255, 0xAB);
  for (ReplyKind kind : {ReplyKind::Offer, ReplyKind::Ack, ReplyKind::Nak}) {
    EXPECT_EQ(encode(selecting().option(61, id).end(), kind).options.at(61), id);
  }
  EXPECT_EQ(encode(inform().option(61, id).end(), ReplyKind::InformAck).options.at(61), id);
  EXPECT_FALSE(encode(discover().end(), ReplyKind::Offer).has(61));
  EXPECT_FALSE(encode(discover().option(61, {}).end(), ReplyKind::Offer).has(61));
}

TEST_F(EncoderTest, RelayInformationComesBackWholeAndLast) {  // RFC 3046 section 2.2
  Buffer info = {1, 253};
  info.resize(255, 0x5A);
  const Buffer id(255, 0xAB);
  const auto with_both = [&](RequestBytes r) {
    return r.option(82, info).option(61, id).giaddr(kRelay).end();
  };
  for (ReplyKind kind : {ReplyKind::Offer, ReplyKind::Ack, ReplyKind::Nak, ReplyKind::InformAck}) {
    const ParsedReply r = encode(with_both(discover()), kind);
    EXPECT_EQ(r.options.at(82), info);
    EXPECT_EQ(r.options.at(61), id);
    EXPECT_EQ(r.order.back(), 82);
  }
}

TEST_F(EncoderTest, ServerIdentifierOverride) {  // RFC 5107 section 4
  const Buffer override = {11, 4, 192, 0, 2, 1};
  for (ReplyKind kind : {ReplyKind::Offer, ReplyKind::Ack, ReplyKind::Nak}) {
    EXPECT_EQ(encode(selecting().option(82, override).end(), kind).u32(54), kRelay);
  }
  EXPECT_EQ(encode(selecting().option(82, {11, 3, 1, 2, 3}).end(), ReplyKind::Ack).u32(54),
            kServer);
  EXPECT_EQ(encode(selecting().option(82, {11, 4, 0, 0, 0, 0}).end(), ReplyKind::Ack).u32(54),
            kServer);
}

TEST_F(EncoderTest, RapidCommit) {  // RFC 4039 section 3.1
  grant(discover().option(80, {}).end(), ReplyKind::Ack).grant.rapid_commit = true;
  const ParsedReply r = encode();
  EXPECT_EQ(r.options.at(53), Buffer{5});
  EXPECT_EQ(r.options.at(80), Buffer{});
  EXPECT_FALSE(encode(discover().option(80, {}).end(), ReplyKind::Offer).has(80));
}

TEST_F(EncoderTest, SubnetSelectionComesBackWhereItWasFollowed) {  // RFC 3011 section 2
  EXPECT_EQ(encode(discover().option(118, be32(0x0A4D0000)).end(), ReplyKind::Offer).u32(118),
            0x0A4D0000u);
  EXPECT_FALSE(encode(discover().option(118, be32(0x0A4E0000)).end(), ReplyKind::Offer).has(118));
}

TEST_F(EncoderTest, AutoConfigure) {  // RFC 2563 section 2
  EXPECT_FALSE(encode(discover().option(116, {1}).end(), ReplyKind::Offer).has(116));
  set(116, {0});
  EXPECT_EQ(encode(discover().option(116, {1}).end(), ReplyKind::Offer).options.at(116), Buffer{0});
  EXPECT_FALSE(encode(discover().option(55, {116}).end(), ReplyKind::Offer).has(116));
  grant(discover().option(116, {1}).end(), ReplyKind::Offer).grant.address = Ipv4{};
  const ParsedReply none = encode();
  EXPECT_TRUE(none.has(116));
  EXPECT_FALSE(none.has(51));
  EXPECT_FALSE(none.has(1));
}

TEST_F(EncoderTest, Ipv6OnlyPreferredOnlyOnRequest) {  // RFC 8925 section 3.3
  set(108, be32(1800));
  EXPECT_EQ(encode(discover().option(55, {108}).end(), ReplyKind::Offer).u32(108), 1800u);
  EXPECT_FALSE(encode(discover().option(55, {1, 3}).end(), ReplyKind::Offer).has(108));
  EXPECT_FALSE(encode(discover().end(), ReplyKind::Offer).has(108));
}

// RFC 4702 section 4: the flags of a server that updates nothing, both result codes 255, the name
// and its encoding (E) as the client has them.
TEST_F(EncoderTest, AnFqdnComesBackAndNothingIsUpdated) {
  const Buffer name = {2, 'p', 'c', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};
  const std::pair<uint8_t, uint8_t> flags[] = {{0x04, 0x0C}, {0x05, 0x0E}, {0x00, 0x08},
                                               {0x01, 0x0A}, {0x0C, 0x0C}, {0xF5, 0x0E}};
  for (const auto& [asked, answered] : flags) {
    Buffer option = {asked, 0, 0}, expected = {answered, 255, 255};
    option.insert(option.end(), name.begin(), name.end());
    expected.insert(expected.end(), name.begin(), name.end());
    for (const ReplyKind kind : {ReplyKind::Offer, ReplyKind::Ack, ReplyKind::InformAck}) {
      const auto request = kind == ReplyKind::Offer ? discover() : selecting();
      auto message = request;
      const ParsedReply r = encode(message.option(81, option).option(55, {81, 3}).end(), kind);
      ASSERT_TRUE(r.has(81)) << int{asked};
      EXPECT_EQ(r.options.at(81), expected) << int{asked};
    }
  }
}

TEST_F(EncoderTest, NoFqdnWithoutAGoodOne) {
  EXPECT_FALSE(encode(discover().option(55, {81}).end(), ReplyKind::Offer).has(81));
  EXPECT_FALSE(encode(discover().option(81, {1, 0}).end(), ReplyKind::Offer).has(81));
  EXPECT_FALSE(encode(selecting().option(81, {1, 0, 0, 'x'}).end(), ReplyKind::Nak).has(81));
  EXPECT_TRUE(encode(discover().option(81, {1, 0, 0}).end(), ReplyKind::Offer).has(81));
  const Buffer longest(255, 'x'), half(130, 'x'), roomy = {0x05, 0xDC};
  RequestBytes request = discover().option(57, roomy);
  EXPECT_TRUE(encode(request.option(81, longest).end(), ReplyKind::Offer).has(81));
  request = discover().option(57, roomy);
  EXPECT_FALSE(encode(request.option(81, half).option(81, half).end(), ReplyKind::Offer).has(81));
}

// --- boot ----------------------------------------------------------------------------------------

TEST_F(EncoderTest, BootFieldsByArchitecture) {  // RFC 2131 table 3, RFC 4578 section 2.1
  scope_.boot.fields = {Ipv4{0x0A4D0009}, "boot.example.org", "undionly.kpxe"};
  scope_.boot.matches.push_back({{7, 9}, {Ipv4{0x0A4D000A}, "uefi.example.org", "ipxe.efi"}});
  encode(discover().end(), ReplyKind::Offer);
  EXPECT_EQ(field(20), 0x0A4D0009u);
  EXPECT_EQ(text_at(44), "boot.example.org");
  EXPECT_EQ(text_at(108), "undionly.kpxe");
  encode(discover().option(93, {0, 9}).end(), ReplyKind::Offer);
  EXPECT_EQ(field(20), 0x0A4D000Au);
  EXPECT_EQ(text_at(44), "uefi.example.org");
  EXPECT_EQ(text_at(108), "ipxe.efi");
  encode(discover().option(93, {0, 0}).end(), ReplyKind::Offer);
  EXPECT_EQ(text_at(108), "undionly.kpxe");
}

TEST_F(EncoderTest, BootFieldsAsOptionsWhenAskedFor) {  // RFC 2132 sections 9.4 and 9.5
  scope_.boot.fields = {Ipv4{0x0A4D0009}, "boot.example.org", "undionly.kpxe"};
  ParsedReply r = encode(discover().option(55, {66, 67}).end(), ReplyKind::Offer);
  EXPECT_EQ(r.options.at(66), text("boot.example.org"));
  EXPECT_EQ(r.options.at(67), text("undionly.kpxe"));
  EXPECT_EQ(text_at(108), "undionly.kpxe");
  set(67, text("other"));
  EXPECT_EQ(encode(discover().option(55, {67}).end(), ReplyKind::Offer).options.at(67),
            text("other"));
}

TEST_F(EncoderTest, BootFieldsAreCutToTheirFields) {
  scope_.boot.fields = {{}, std::string(80, 's'), std::string(200, 'f')};
  encode(discover().end(), ReplyKind::Offer);
  EXPECT_EQ(text_at(44).size(), 63u);
  EXPECT_EQ(text_at(108).size(), 127u);
}

// --- size ----------------------------------------------------------------------------------------

TEST_F(EncoderTest, LongOptionsAreSplit) {  // RFC 3396 section 5
  const Buffer value(600, 0x77);
  set(121, value);
  const ParsedReply r =
      encode(discover().option(57, {0x05, 0xDC}).option(55, {121, 3}).end(), ReplyKind::Offer);
  EXPECT_EQ(r.options.at(121), value);
  EXPECT_EQ(r.u32(3), kServer);
  const Bytes b = packet_->reply();
  const size_t at = 240 + 3 + 6 * 5;  // behind 53 54 51 58 59 1
  EXPECT_EQ(b[at], 121);
  EXPECT_EQ(b[at + 1], 255);
  EXPECT_EQ(b[at + 257], 121);
  EXPECT_EQ(b[at + 258], 255);
  EXPECT_EQ(b[at + 514], 121);
  EXPECT_EQ(b[at + 515], 90);
}

TEST_F(EncoderTest, NeverLargerThanTheClientTakes) {  // RFC 2132 section 9.10
  set(43, Buffer(200, 1));
  set(125, Buffer(200, 2));
  set(224, Buffer(600, 3));
  for (unsigned said : {0u, 1u, 575u, 576u, 700u, 1000u, 1500u, 9000u, 65535u}) {
    RequestBytes request =
        discover().option(57, {static_cast<uint8_t>(said >> 8), static_cast<uint8_t>(said)});
    const ParsedReply r = encode(request.option(55, {43, 125, 224}).end(), ReplyKind::Offer);
    const unsigned takes = std::min(std::max(said, 576u), 1500u);
    EXPECT_LE(packet_->reply_size + 28u, takes) << said;
    EXPECT_TRUE(r.has(43));
    EXPECT_EQ(r.has(224), takes >= 1500u) << said;
  }
}

TEST_F(EncoderTest, NeverLargerThanTheLink) {
  set(224, Buffer(3000, 3));
  const RequestBytes request = discover().option(57, {0x23, 0x28}).option(55, {224}).end();
  EXPECT_FALSE(encode(request, ReplyKind::Offer).has(224));
  link_.mtu = 9000;
  EXPECT_TRUE(encode(request, ReplyKind::Offer).has(224));
  set(225, Buffer(3000, 3));
  encode(discover().option(57, {0x23, 0x28}).end(), ReplyKind::Offer);
  EXPECT_LE(packet_->reply_size, kPacketBytesMax);
}

TEST_F(EncoderTest, OverloadsFileThenSname) {  // RFC 2131 section 4.1, RFC 2132 section 9.3
  set(43, Buffer(250, 1));
  set(17, Buffer(100, 2));
  set(125, Buffer(50, 3));
  const ParsedReply r = encode(discover().option(55, {43, 17, 125}).end(), ReplyKind::Offer);
  EXPECT_EQ(r.overload, 3);
  EXPECT_EQ(r.options.at(43), Buffer(250, 1));
  EXPECT_EQ(r.options.at(17), Buffer(100, 2));
  EXPECT_EQ(r.options.at(125), Buffer(50, 3));
  EXPECT_EQ(packet_->reply()[108], 17);
  EXPECT_EQ(packet_->reply()[44], 125);
  EXPECT_EQ(r.order[0], 53);
  EXPECT_EQ(r.order[1], 52);
}

TEST_F(EncoderTest, OverloadStaysWithinTheLimitAtEverySize) {
  set(17, Buffer(60, 2));
  for (size_t size = 1; size < 300; ++size) {
    set(43, Buffer(size, 1));
    const ParsedReply r = encode(discover().option(55, {43, 17}).end(), ReplyKind::Offer);
    EXPECT_LE(packet_->reply_size + 28, 576) << size;
    EXPECT_TRUE(r.has(17)) << size;
  }
}

TEST_F(EncoderTest, BootFieldsAreNotOverloaded) {
  scope_.boot.fields = {{}, "server", "file"};
  set(43, Buffer(250, 1));
  set(17, Buffer(100, 2));
  set(125, Buffer(50, 3));
  const ParsedReply r = encode(discover().option(55, {43, 17, 125}).end(), ReplyKind::Offer);
  EXPECT_EQ(r.overload, 0);
  EXPECT_EQ(text_at(44), "server");
  EXPECT_EQ(text_at(108), "file");
  EXPECT_TRUE(r.has(43));
  EXPECT_FALSE(r.has(17));
  EXPECT_FALSE(r.has(125));
}

TEST_F(EncoderTest, BootFieldsMoveToOptionsToMakeRoom) {
  scope_.boot.fields = {{}, "server", std::string(120, 'f')};
  set(43, Buffer(100, 1));
  set(17, Buffer(100, 2));
  set(125, Buffer(50, 3));
  const ParsedReply r = encode(discover().option(55, {43, 17, 125, 67}).end(), ReplyKind::Offer);
  EXPECT_EQ(r.overload, 1);
  EXPECT_EQ(r.options.at(67), Buffer(120, 'f'));
  EXPECT_EQ(text_at(44), "server");
  EXPECT_TRUE(r.has(43));
  EXPECT_TRUE(r.has(17));
}

TEST_F(EncoderTest, ABootFieldThatCannotMoveStays) {
  scope_.boot.fields = {{}, "", std::string(120, 'f')};
  Buffer info = {1, 248};
  info.resize(250, 1);
  link_.mtu = 576;
  set(17, Buffer(100, 2));
  const RequestBytes request =
      discover().option(55, {17, 67}).option(82, info).option(61, {1, 2}).end();
  const ParsedReply r = encode(request, ReplyKind::Offer);
  EXPECT_EQ(r.overload & 1, 0);
  EXPECT_EQ(text_at(108).size(), 120u);
  EXPECT_EQ(r.options.at(82), info);
}

TEST_F(EncoderTest, LeavesOutTheLastWishesFirst) {  // RFC 2131 section 4.3.1
  for (uint8_t code = 200; code < 210; ++code) set(code, Buffer(98, code));
  const ParsedReply r =
      encode(discover().option(55, {205, 204, 203, 202, 201}).end(), ReplyKind::Offer);
  EXPECT_TRUE(r.has(205));
  EXPECT_TRUE(r.has(204));
  EXPECT_TRUE(r.has(203));  // in file
  EXPECT_FALSE(r.has(202));
  EXPECT_FALSE(r.has(201));
}

TEST_F(EncoderTest, MandatoryOptionsThatDoNotFitDropTheReply) {
  link_.mtu = 576;
  grant(selecting().option(61, Buffer(255, 1)).option(82, Buffer(255, 1)).end(), ReplyKind::Ack);
  EXPECT_EQ(encode_reply(*packet_), Drop::ReplyTooLarge);
  link_.mtu = 0;
  grant(discover().end(), ReplyKind::Offer);
  EXPECT_EQ(encode_reply(*packet_), Drop::ReplyTooLarge);
}

// --- BOOTP ---------------------------------------------------------------------------------------

TEST_F(EncoderTest, BootpReply) {  // RFC 1497, RFC 1534 section 2: no DHCP options
  scope_.boot.fields.file = "vmunix";
  const ParsedReply r = encode(RequestBytes().end().resize(300), ReplyKind::Bootp);
  EXPECT_EQ(packet_->reply_size, 300);
  EXPECT_EQ(r.order, (Buffer{1, 3, 6, 15}));
  EXPECT_EQ(field(16), kAddress);
  EXPECT_EQ(text_at(108), "vmunix");
  EXPECT_EQ(packet_->reply_type, MessageType::None);
}

TEST_F(EncoderTest, BootpVendorFieldHas64Bytes) {  // RFC 951 section 3
  set(17, Buffer(40, 'p'));
  const ParsedReply r = encode(RequestBytes().end().resize(300), ReplyKind::Bootp);
  EXPECT_EQ(packet_->reply_size, 300);
  EXPECT_EQ(r.overload, 0);
  EXPECT_FALSE(r.has(17));
  Buffer info = {1, 200};
  info.resize(202, 9);
  const ParsedReply relayed =
      encode(RequestBytes().option(82, info).end().giaddr(kRelay), ReplyKind::Bootp);
  EXPECT_EQ(relayed.options.at(82), info);
}

TEST_F(EncoderTest, BootpWithoutCookieGetsNone) {  // RFC 951 section 3
  grant(RequestBytes().u32(236, 0).resize(300), ReplyKind::Bootp);
  EXPECT_EQ(encode_reply(*packet_), std::nullopt);
  EXPECT_EQ(packet_->reply_size, 300);
  for (size_t at = 236; at < 300; ++at) EXPECT_EQ(packet_->reply()[at], 0);
}

// --- properties ----------------------------------------------------------------------------------

RC_GTEST_FIXTURE_PROP(EncoderTest, EveryReplyIsWellFormedAndKeepsItsPromises, ()) {
  scope_.options = OptionSet();
  const auto configured = *rc::gen::container<std::map<uint8_t, Buffer>>(
      rc::gen::inRange<uint8_t>(1, 255),
      rc::gen::mapcat(rc::gen::element<size_t>(0, 4, 40, 255, 256, 600), [](size_t size) {
        return rc::gen::container<Buffer>(size, rc::gen::arbitrary<uint8_t>());
      }));
  for (const auto& [code, value] : configured) set(code, value);
  if (*rc::gen::arbitrary<bool>()) scope_.boot.fields.file = std::string(100, 'f');
  if (*rc::gen::arbitrary<bool>()) scope_.boot.fields.server_name = "boot";
  const auto asked = *rc::gen::arbitrary<Buffer>();
  const auto id = *rc::gen::resize(255, rc::gen::arbitrary<Buffer>());
  const auto size_max = *rc::gen::element<unsigned>(0, 576, 590, 700, 1200, 1500);
  RequestBytes request = discover().option(55, asked).option(61, id);
  request.option(57, {static_cast<uint8_t>(size_max >> 8), static_cast<uint8_t>(size_max)});
  request.option(82, {1, 2, 3, 4}).end();

  grant(request, *rc::gen::element(ReplyKind::Offer, ReplyKind::Ack, ReplyKind::InformAck));
  RC_ASSERT(encode_reply(*packet_) == std::nullopt);
  const ParsedReply r = parse_reply(packet_->reply());
  RC_ASSERT(r.good);
  RC_ASSERT(packet_->reply_size + 28u <= std::max(576u, size_max) + 6u);
  RC_ASSERT(r.order.front() == 53);
  RC_ASSERT(r.order.back() == 82);
  RC_ASSERT(r.has(54));
  RC_ASSERT((id.empty() ? !r.has(61) : r.options.at(61) == id));
  for (const auto& [code, value] : r.options) {
    if (code == 1 || (code >= 50 && code <= 61) || code == 82 || configured.count(code) == 0)
      continue;
    if (code == 108) RC_ASSERT(std::count(asked.begin(), asked.end(), 108) != 0);
    RC_ASSERT(value == configured.at(code));
  }
}

}  // namespace
}  // namespace hookline::wire
