#include "load/packet.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace hookline::load {
namespace {

constexpr size_t kDhcp = 42;
const MacAddress kServerMac{{2, 0xFF, 0, 0, 0, 1}};
const MacAddress kOwnMac{{2, 0xFF, 0, 0, 0, 2}};
constexpr Ipv4 kServer{0x0A400001};
constexpr Ipv4 kRelay{0x0A400002};
constexpr Ipv4 kAddress{0x0A400107};

Addressing direct() { return {kOwnMac, {}, {}, false, false, false}; }
Addressing relayed() { return {kOwnMac, kServer, kRelay, false, false, false}; }

std::vector<uint8_t> frame_of(Form form, const Addressing& addressing, Fill fill) {
  std::vector<uint8_t> frame(kFrameMax);
  frame.resize(FrameTemplate(form, addressing).write(fill, frame));
  return frame;
}

Fill fill_of(uint32_t xid) { return {xid, client_mac(9, 3), kServerMac, kAddress, kServer}; }

Bytes option(const std::vector<uint8_t>& frame, uint8_t code) {
  for (size_t at = kDhcp + 240; at < frame.size() && frame[at] != 255; at += 2u + frame[at + 1]) {
    if (frame[at] == code) return Bytes(frame).subspan(at + 2, frame[at + 1]);
  }
  return {};
}

bool sums_hold(const std::vector<uint8_t>& frame) {
  const Bytes bytes(frame);
  const uint64_t ip = sum_words(bytes.subspan(14, 20), 0);
  uint64_t udp = sum_words(bytes.subspan(26, 8), 0);
  udp += __builtin_bswap16(17);
  udp += __builtin_bswap16(static_cast<uint16_t>(frame.size() - 34));
  udp = sum_words(bytes.subspan(34), udp);
  return fold_checksum(ip) == 0xFFFF && fold_checksum(udp) == 0xFFFF;
}

// RFC 1071 section 3: the example.
TEST(Checksum, OfTheRfcsExample) {
  const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(__builtin_bswap16(fold_checksum(sum_words(bytes, 0))), 0xddf2);
}

TEST(FrameTemplate, DirectDiscoverIsABroadcastFromNobody) {
  const auto frame = frame_of(Form::Discover, direct(), fill_of(0x11223344));
  EXPECT_TRUE(std::all_of(frame.begin(), frame.begin() + 6, [](uint8_t b) { return b == 0xFF; }));
  EXPECT_TRUE(equal(Bytes(frame).subspan(6, 6), client_mac(9, 3).view()));
  EXPECT_EQ(load_be32(&frame[26]), 0u);
  EXPECT_EQ(load_be32(&frame[30]), 0xFFFFFFFFu);
  EXPECT_EQ(load_be16(&frame[34]), 68);
  EXPECT_EQ(load_be16(&frame[36]), 67);
  EXPECT_EQ(load_be32(&frame[kDhcp + 4]), 0x11223344u);
  EXPECT_TRUE(equal(Bytes(frame).subspan(kDhcp + 28, 6), client_mac(9, 3).view()));
  EXPECT_EQ(option(frame, 53)[0], 1);
  EXPECT_TRUE(option(frame, 61).empty());
  EXPECT_GE(frame.size() - kDhcp, 300u);
  EXPECT_TRUE(sums_hold(frame));
}

TEST(FrameTemplate, RelayedGoesFromRelayToServer) {
  const auto frame = frame_of(Form::Discover, relayed(), fill_of(1));
  EXPECT_TRUE(equal(Bytes(frame).first(6), kServerMac.view()));
  EXPECT_TRUE(equal(Bytes(frame).subspan(6, 6), kOwnMac.view()));
  EXPECT_EQ(load_be32(&frame[26]), kRelay.value);
  EXPECT_EQ(load_be32(&frame[30]), kServer.value);
  EXPECT_EQ(load_be16(&frame[34]), 67);
  EXPECT_EQ(load_be32(&frame[kDhcp + 24]), kRelay.value);
  EXPECT_EQ(frame[kDhcp + 3], 1);
  EXPECT_TRUE(sums_hold(frame));
}

// RFC 2131 table 5: requested address and server identifier, ciaddr zero.
TEST(FrameTemplate, SelectingRequestNamesAddressAndServer) {
  const auto frame = frame_of(Form::Select, direct(), fill_of(1));
  EXPECT_EQ(option(frame, 53)[0], 3);
  EXPECT_EQ(load_be32(option(frame, 50).data()), kAddress.value);
  EXPECT_EQ(load_be32(option(frame, 54).data()), kServer.value);
  EXPECT_EQ(load_be32(&frame[kDhcp + 12]), 0u);
  EXPECT_TRUE(sums_hold(frame));
}

// RFC 2131 table 5: ciaddr, neither requested address nor server identifier; section 4.4.5:
// unicast.
TEST(FrameTemplate, RenewingRequestIsUnicastWithCiaddr) {
  const auto frame = frame_of(Form::Renew, direct(), fill_of(1));
  EXPECT_EQ(option(frame, 53)[0], 3);
  EXPECT_TRUE(option(frame, 50).empty());
  EXPECT_TRUE(option(frame, 54).empty());
  EXPECT_EQ(load_be32(&frame[kDhcp + 12]), kAddress.value);
  EXPECT_EQ(load_be32(&frame[26]), kAddress.value);
  EXPECT_EQ(load_be32(&frame[30]), kServer.value);
  EXPECT_TRUE(equal(Bytes(frame).first(6), kServerMac.view()));
  EXPECT_TRUE(sums_hold(frame));
}

TEST(FrameTemplate, IdentifiersAreFilledIn) {
  Addressing addressing = relayed();
  addressing.client_id = addressing.option82 = addressing.broadcast = true;
  const auto frame = frame_of(Form::Select, addressing, fill_of(1));
  const Bytes client_id = option(frame, 61);
  ASSERT_EQ(client_id.size(), 7u);
  EXPECT_EQ(client_id[0], 1);
  EXPECT_TRUE(equal(client_id.subspan(1), client_mac(9, 3).view()));
  const Bytes relay_info = option(frame, 82);
  ASSERT_EQ(relay_info.size(), 14u);
  EXPECT_TRUE(equal(relay_info.subspan(8), client_mac(9, 3).view()));
  EXPECT_EQ(load_be16(&frame[kDhcp + 10]), 0x8000);
  EXPECT_TRUE(sums_hold(frame));
}

RC_GTEST_PROP(FrameTemplate, ChecksumsHoldForAllForms,
              (uint32_t xid, uint32_t client, uint32_t address, bool is_relayed, bool ids)) {
  Addressing addressing = is_relayed ? relayed() : direct();
  addressing.client_id = addressing.option82 = ids;
  Fill fill = fill_of(xid);
  fill.mac = client_mac(client, xid);
  fill.address = Ipv4{address};
  for (size_t form = 0; form < kForms; ++form) {
    RC_ASSERT(sums_hold(frame_of(static_cast<Form>(form), addressing, fill)));
  }
}

// A correct ACK to a relay, made from the request's frame.
std::vector<uint8_t> reply_frame() {
  auto frame = frame_of(Form::Discover, relayed(), fill_of(0xABCD0001));
  frame.resize(kDhcp + 240);
  frame[kDhcp] = 2;
  kAddress.store(&frame[kDhcp + 16]);
  const uint8_t options[] = {53, 1, 5,  54, 4, 10, 64, 0, 1, 51, 4,
                             0,  0, 14, 16, 0, 61, 2,  9, 8, 255};
  frame.insert(frame.end(), std::begin(options), std::end(options));
  store_be16(&frame[16], static_cast<uint16_t>(frame.size() - 14));
  store_be16(&frame[38], static_cast<uint16_t>(frame.size() - 34));
  store_be16(&frame[40], 0);  // no UDP checksum
  store_be16(&frame[24], 0);
  const uint16_t sum = ~fold_checksum(sum_words(Bytes(frame).subspan(14, 20), 0));
  std::memcpy(&frame[24], &sum, 2);
  return frame;
}

TEST(ReadReply, TakesACorrectAck) {
  const auto frame = reply_frame();
  Reply reply;
  ASSERT_EQ(read_reply(frame, false, reply), "");
  EXPECT_EQ(reply.type, MessageType::Ack);
  EXPECT_EQ(reply.xid, 0xABCD0001u);
  EXPECT_EQ(reply.yiaddr, kAddress);
  EXPECT_EQ(reply.giaddr, kRelay);
  EXPECT_EQ(reply.chaddr, client_mac(9, 3));
  EXPECT_EQ(reply.server_id, kServer);
  EXPECT_EQ(reply.lease_s, 3600u);
  EXPECT_EQ(reply.client_id.size(), 2u);
}

TEST(ReadReply, NamesTheFault) {
  const auto fault = [](size_t at, uint8_t value) {
    auto frame = reply_frame();
    frame[at] = value;
    Reply reply;
    return read_reply(frame, false, reply);
  };
  EXPECT_EQ(fault(kDhcp, 1), "op is not BOOTREPLY");
  EXPECT_EQ(fault(kDhcp + 2, 16), "htype or hlen is not that of the request");
  EXPECT_EQ(fault(kDhcp + 236, 0), "magic cookie wrong");
  EXPECT_EQ(fault(22, 1), "IP checksum wrong");
  EXPECT_EQ(fault(40, 1), "UDP checksum wrong");
  EXPECT_EQ(fault(35, 66), "source port is not 67");
  EXPECT_EQ(fault(kDhcp + 240 + 1, 2), "option 53 is not 1 byte");
  EXPECT_EQ(fault(kDhcp + 240 + 4, 200), "option cut short");
  EXPECT_EQ(fault(reply_frame().size() - 1, 0), "no end option");
}

RC_GTEST_PROP(ReadReply, NeverReadsOutside, ()) {
  auto frame = reply_frame();
  frame.resize(*rc::gen::inRange<size_t>(0, frame.size() + 1));
  const auto flips = *rc::gen::arbitrary<std::vector<std::pair<uint16_t, uint8_t>>>();
  for (const auto& [at, value] : flips) {
    if (!frame.empty()) frame[at % frame.size()] = value;
  }
  const std::vector<uint8_t> exact(frame);  // so that the sanitizer sees its end
  Reply reply;
  (void)read_reply(exact, true, reply);
  if (!reply.client_id.empty())
    RC_ASSERT(reply.client_id.data() + reply.client_id.size() <= exact.data() + exact.size());
}

}  // namespace
}  // namespace hookline::load
