#include "wire/decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "wire/testing.h"

namespace hookline::wire {
namespace {

using testing::Buffer;
using testing::packet_with;
using testing::RequestBytes;

struct Decoded {
  std::unique_ptr<Packet> packet;
  std::optional<Drop> drop;

  const Message& message() const { return packet->message; }
  Bytes option(uint8_t code) const { return packet->message.options.find(code); }
  bool has(uint8_t code) const { return packet->message.options.has(code); }
};

Decoded decode(Bytes bytes) {
  Decoded out;
  out.packet = packet_with(bytes);
  out.drop = decode_message(*out.packet);
  return out;
}
Decoded decode(const RequestBytes& request) { return decode(request.bytes()); }

RequestBytes discover() { return RequestBytes().type(1); }

Buffer bytes_of(Bytes b) { return {b.begin(), b.end()}; }

TEST(Decoder, ReadsTheFixedFields) {  // RFC 2131 section 2, figure 1
  RequestBytes r = discover().end();
  r.byte(3, 4).byte(8, 0x01).byte(9, 0x02).broadcast();
  r.u32(12, 0x0A000001).u32(16, 0x0A000002).u32(20, 0x0A000003).u32(24, 0x0A000004);
  const Decoded d = decode(r);
  ASSERT_EQ(d.drop, std::nullopt);
  const Message& m = d.message();
  EXPECT_EQ(m.op, 1);
  EXPECT_EQ(m.hardware_type, 1);
  EXPECT_EQ(m.hardware_size, 6);
  EXPECT_EQ(m.hops, 4);
  EXPECT_EQ(m.xid, 0x12345678u);
  EXPECT_EQ(m.secs, 0x0102);
  EXPECT_TRUE(m.wants_broadcast());
  EXPECT_EQ(m.ciaddr.text(), "10.0.0.1");
  EXPECT_EQ(m.yiaddr.text(), "10.0.0.2");
  EXPECT_EQ(m.siaddr.text(), "10.0.0.3");
  EXPECT_EQ(m.giaddr.text(), "10.0.0.4");
  EXPECT_EQ(to_hex(m.hardware_address(), ':'), "02:00:00:00:00:07");
  EXPECT_EQ(m.type, MessageType::Discover);
}

TEST(Decoder, TooShort) {
  for (size_t size : {0u, 1u, 235u}) {
    EXPECT_EQ(decode(discover().resize(size)).drop, Drop::TooShort) << size;
  }
}

TEST(Decoder, OnlyRequests) {  // RFC 2131 section 2: op 1 is BOOTREQUEST
  for (uint8_t op : {0, 2, 3, 255}) {
    EXPECT_EQ(decode(discover().end().byte(0, op)).drop, Drop::NotARequest) << int{op};
  }
}

TEST(Decoder, HardwareOutOfRange) {
  EXPECT_EQ(decode(discover().end().byte(2, 17)).drop, Drop::BadHardware);
  EXPECT_EQ(decode(discover().end().byte(2, 255)).drop, Drop::BadHardware);
  EXPECT_EQ(decode(discover().end().byte(1, 0)).drop, Drop::BadHardware);
  EXPECT_EQ(decode(discover().end().byte(2, 16)).drop, std::nullopt);
}

TEST(Decoder, CookieAndBootp) {
  // RFC 951 has no cookie; RFC 1497 defines one; another vendor's is not ours to guess.
  EXPECT_EQ(decode(discover().end().u32(236, 0x63825364)).drop, Drop::BadCookie);
  const Decoded zero = decode(discover().end().u32(236, 0).resize(300));
  EXPECT_EQ(zero.drop, std::nullopt);
  EXPECT_EQ(zero.message().type, MessageType::None);
  EXPECT_FALSE(zero.has(53));
  for (size_t size : {236u, 239u}) {
    const Decoded d = decode(RequestBytes().resize(size));
    EXPECT_EQ(d.drop, std::nullopt);
    EXPECT_EQ(d.message().type, MessageType::None);
  }
  const Decoded vendor = decode(RequestBytes().option(12, {'h'}).end().resize(300));
  EXPECT_EQ(vendor.drop, std::nullopt);
  EXPECT_EQ(vendor.message().type, MessageType::None);
  EXPECT_TRUE(vendor.has(12));
}

TEST(Decoder, PadAndEnd) {  // RFC 2132 sections 3.1 and 3.2
  const Decoded d =
      decode(RequestBytes().raw({0, 0}).type(1).raw({0}).option(12, {'a'}).end().raw({99, 200}));
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_TRUE(d.has(12));
  EXPECT_FALSE(d.has(99));
  EXPECT_FALSE(d.has(0));
  EXPECT_FALSE(d.has(255));
}

TEST(Decoder, MissingEndIsToleratedAtAnOptionsEnd) {
  EXPECT_EQ(decode(discover().option(12, {'a', 'b'})).drop, std::nullopt);
  EXPECT_EQ(decode(discover().option(12, {})).drop, std::nullopt);
}

TEST(Decoder, OptionsThatRunPastTheEnd) {
  EXPECT_EQ(decode(discover().raw({12})).drop, Drop::BadOptions);
  EXPECT_EQ(decode(discover().raw({12, 1})).drop, Drop::BadOptions);
  EXPECT_EQ(decode(discover().raw({12, 255, 1, 2, 3})).drop, Drop::BadOptions);
}

TEST(Decoder, MessageTypes) {  // RFC 2132 section 9.6, RFC 4388 section 6.1
  for (unsigned t = 0; t < 256; ++t) {
    const bool client = t == 1 || t == 3 || t == 4 || t == 7 || t == 8 || t == 10;
    const Decoded d = decode(RequestBytes().type(static_cast<uint8_t>(t)).end());
    EXPECT_EQ(d.drop, client ? std::nullopt : std::optional(Drop::BadMessageType)) << t;
  }
  EXPECT_EQ(decode(RequestBytes().option(53, {}).end()).drop, Drop::BadMessageType);
  EXPECT_EQ(decode(RequestBytes().option(53, {1, 1}).end()).drop, Drop::BadMessageType);
}

TEST(Decoder, ClientIdentity) {  // RFC 2131 section 4.2, RFC 4390 for hlen 0
  const auto nobody = [] { return discover().byte(2, 0); };
  EXPECT_EQ(decode(nobody().end()).drop, Drop::NoClientIdentity);
  EXPECT_EQ(decode(nobody().option(61, {}).end()).drop, Drop::NoClientIdentity);
  EXPECT_EQ(decode(nobody().byte(1, 32).option(61, {0, 1}).end()).drop, std::nullopt);
  EXPECT_EQ(decode(RequestBytes().byte(2, 0).resize(236)).drop, Drop::NoClientIdentity);
  const Decoded empty = decode(discover().option(61, {}).end());
  ASSERT_EQ(empty.drop, std::nullopt);
  EXPECT_FALSE(empty.message().identity().from_client_id);
  const Decoded longest = decode(discover().option(61, Buffer(255, 7)).end());
  EXPECT_EQ(longest.message().identity().id.size(), 255u);
}

TEST(Decoder, OverloadFileThenSname) {  // RFC 2131 section 4.1, RFC 2132 section 9.3
  RequestBytes r = discover().option(52, {3}).option(77, {1}).end();
  r.at(108, {77, 1, 2, 12, 1, 'f', 255}).at(44, {77, 1, 3, 60, 1, 's', 255});
  const Decoded d = decode(r);
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_EQ(bytes_of(d.option(77)), (Buffer{1, 2, 3}));
  EXPECT_EQ(as_text(d.option(12)), "f");
  EXPECT_EQ(as_text(d.option(60)), "s");
}

TEST(Decoder, OverloadOfOneFieldOnly) {
  for (uint8_t overload : {1, 2}) {
    RequestBytes r = discover().option(52, {overload}).end();
    r.at(108, {12, 1, 'f', 255}).at(44, {60, 1, 's', 255});
    const Decoded d = decode(r);
    ASSERT_EQ(d.drop, std::nullopt);
    EXPECT_EQ(d.has(12), overload == 1);
    EXPECT_EQ(d.has(60), overload == 2);
  }
}

TEST(Decoder, OverloadIsNotRecursiveAndNotGuessed) {
  // An overload option inside an overloaded field means nothing.
  RequestBytes loop = discover().option(52, {1}).end();
  loop.at(108, {52, 1, 3, 255}).at(44, {60, 1, 's', 255});
  const Decoded d = decode(loop);
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_FALSE(d.has(60));
  for (const Buffer& value : {Buffer{0}, Buffer{4}, Buffer{255}, Buffer{}, Buffer{1, 1}}) {
    RequestBytes r = discover().option(52, value).end();
    r.at(108, {12, 200}).at(44, {12, 200});
    EXPECT_EQ(decode(r).drop, std::nullopt);
  }
}

TEST(Decoder, OverloadedFieldsAreCheckedToo) {
  RequestBytes r = discover().option(52, {1}).end();
  EXPECT_EQ(decode(r.at(108, {12, 127})).drop, Drop::BadOptions);
  Buffer full = {12, 126};
  full.resize(128, 'x');
  const Decoded d = decode(r.at(108, full));  // no end option: the field ends with the option
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_EQ(d.option(12).size(), 126u);
}

TEST(Decoder, JoinsRepeatedOptions) {  // RFC 3396 section 7
  const Decoded d = decode(discover()
                               .option(61, {1, 2})
                               .option(55, {3})
                               .option(61, {3})
                               .option(55, {6})
                               .option(61, Buffer(255, 4))
                               .end());
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_EQ(d.option(61).size(), 258u);
  EXPECT_EQ(d.option(61)[2], 3);
  EXPECT_EQ(bytes_of(d.option(55)), (Buffer{3, 6}));
}

TEST(Decoder, DuplicatesOfOneSizeAreNotJoined) {
  const Decoded d = decode(discover()
                               .type(1)
                               .option(50, {10, 0, 0, 1})
                               .option(50, {10, 0, 0, 2})
                               .option(54, {10, 0})
                               .option(54, {0, 9})
                               .end());
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_EQ(d.message().options.ipv4(50)->text(), "10.0.0.1");
  EXPECT_EQ(d.message().options.ipv4(54)->text(), "10.0.0.9");  // a split one has the size: joined
}

TEST(Decoder, TheLargestMessageOfRepeatedOptionsFits) {  // the bound of Packet::joined
  RequestBytes r = discover();
  while (r.bytes().size() + 3 <= kPacketBytesMax) r.option(61, {0xAA});
  const Decoded d = decode(r.resize(kPacketBytesMax));
  ASSERT_EQ(d.drop, std::nullopt);
  EXPECT_EQ(d.option(61).size(), (kPacketBytesMax - 243) / 3);
}

TEST(Decoder, DecodesAnewWhenTheBytesHaveChanged) {
  Decoded d = decode(discover().option(12, {'a'}).end());
  ASSERT_TRUE(d.has(12));
  d.packet->request_data()[243] = 13;
  EXPECT_EQ(decode_message(*d.packet), std::nullopt);
  EXPECT_FALSE(d.has(12));
}

RC_GTEST_PROP(Decoder, TakesAnyOptionsThatItsReaderWrites, ()) {
  const auto options = *rc::gen::container<std::vector<std::pair<uint8_t, Buffer>>>(rc::gen::pair(
      rc::gen::inRange<uint8_t>(60, 255), rc::gen::resize(40, rc::gen::arbitrary<Buffer>())));
  RequestBytes r = discover();
  std::map<uint8_t, Buffer> expected;
  std::map<uint8_t, Buffer> first;
  for (const auto& [code, value] : options) {
    if (r.bytes().size() + 3 + value.size() > kPacketBytesMax) break;
    r.option(code, value);
    if (expected.count(code) == 0) first[code] = value;
    expected[code].insert(expected[code].end(), value.begin(), value.end());
  }
  const Decoded d = decode(r.end());
  RC_ASSERT(d.drop == std::nullopt);
  for (const auto& [code, value] : expected) {
    RC_ASSERT(d.has(code));
    const Buffer got = bytes_of(d.option(code));
    RC_ASSERT(got == value || got == first[code]);
  }
}

RC_GTEST_PROP(Decoder, NoBytesBreakIt, ()) {
  auto bytes = *rc::gen::resize(600, rc::gen::arbitrary<Buffer>());
  RequestBytes r = discover();
  r.raw(bytes);
  const auto at = *rc::gen::inRange<size_t>(0, r.bytes().size());
  r.byte(at, *rc::gen::arbitrary<uint8_t>());
  const Decoded d = decode(r);
  if (d.drop) return;
  for (unsigned code = 0; code < 256; ++code) {  // every view is readable
    for (uint8_t b : d.option(static_cast<uint8_t>(code))) RC_ASSERT(b <= 255);
  }
}

}  // namespace
}  // namespace hookline::wire
