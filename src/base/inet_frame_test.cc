#include "base/inet_frame.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace hookline {
namespace {

// RFC 1071 as it is written, without a thought for speed.
uint16_t plain_checksum(Bytes bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

TEST(Checksum, TheExampleOfRfc1071) {
  const std::vector<uint8_t> bytes = *from_hex("0001f203f4f5f6f7");
  EXPECT_EQ(checksum_add(bytes), 0xDDF2u);
  EXPECT_EQ(checksum_finish(0xDDF2), 0x220D);
}

RC_GTEST_PROP(Checksum, EqualsThePlainOne, (std::vector<uint8_t> bytes)) {
  RC_ASSERT(checksum_finish(checksum_add(bytes)) == plain_checksum(bytes));
}

TEST(Checksum, OfTheLargestPacketDoesNotOverflow) {
  const std::vector<uint8_t> bytes(65535, 0xFF);
  EXPECT_EQ(checksum_finish(checksum_add(bytes)), plain_checksum(bytes));
}

// What was written is what is read, for every size, odd ones too.
RC_GTEST_PROP(UdpFrame, ReadsWhatWasWritten, ()) {
  const auto payload = *rc::gen::container<std::vector<uint8_t>>(rc::gen::arbitrary<uint8_t>());
  const UdpHeaders headers{{{2, 0, 0, 0, 0, *rc::gen::arbitrary<uint8_t>()}},
                           {{2, 0, 0, 0, 1, *rc::gen::arbitrary<uint8_t>()}},
                           *rc::gen::inRange<uint16_t>(0, 4095),
                           {*rc::gen::arbitrary<uint32_t>()},
                           {*rc::gen::arbitrary<uint32_t>()},
                           *rc::gen::arbitrary<uint16_t>(),
                           *rc::gen::arbitrary<uint16_t>()};
  std::vector<uint8_t> storage(kUdpFrameHeaderBytesMax);
  storage.insert(storage.end(), payload.begin(), payload.end());
  const Bytes frame =
      write_udp_headers(headers, MutableBytes(storage).subspan(kUdpFrameHeaderBytesMax));
  UdpFrame read;
  RC_ASSERT(parse_udp_frame(frame, read) == FrameFault::None);
  RC_ASSERT(udp_checksum_is_right(read));
  RC_ASSERT(read.udp_checksum != 0);
  RC_ASSERT(read.source_mac == headers.source_mac);
  RC_ASSERT(read.destination_mac == headers.destination_mac);
  RC_ASSERT(read.vlan == headers.vlan);
  RC_ASSERT(read.source == headers.source);
  RC_ASSERT(read.destination == headers.destination);
  RC_ASSERT(read.source_port == headers.source_port);
  RC_ASSERT(read.destination_port == headers.destination_port);
  RC_ASSERT(equal(frame.subspan(read.payload_offset, read.payload_size), payload));
}

// A sum of zero is sent as its other form: zero on the wire means "none" (RFC 768).
TEST(UdpFrame, AChecksumOfZeroIsWrittenAsOnes) {
  size_t found = 0;
  for (uint32_t i = 0; i < 0x10000; ++i) {
    std::vector<uint8_t> storage(kUdpFrameHeaderBytesMax + 2);
    store_be16(&storage[kUdpFrameHeaderBytesMax], static_cast<uint16_t>(i));
    const Bytes frame =
        write_udp_headers({}, MutableBytes(storage).subspan(kUdpFrameHeaderBytesMax));
    const uint16_t sum = load_be16(&frame[frame.size() - 4]);
    ASSERT_NE(sum, 0);
    found += sum == 0xFFFF;
  }
  EXPECT_EQ(found, 1u);
}

}  // namespace
}  // namespace hookline
