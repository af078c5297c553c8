#include "store/format.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "store/crc32c.h"
#include "store/testing.h"

namespace hookline::store {
namespace {

using testing::OwnedLease;
using testing::typical_lease;

TEST(Crc32c, KnownValues) {
  // RFC 3720 appendix B.4.
  std::vector<uint8_t> bytes(32, 0);
  EXPECT_EQ(crc32c(bytes), 0x8A9136AAu);
  bytes.assign(32, 0xFF);
  EXPECT_EQ(crc32c(bytes), 0x62A8AB43u);
  for (size_t i = 0; i < 32; ++i) bytes[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(crc32c(bytes), 0x46DD794Eu);
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c_portable(as_bytes("123456789")), 0xE3069283u);
}

RC_GTEST_PROP(Crc32c, BothImplementationsAgreeAndContinue,
              (std::vector<uint8_t> a, std::vector<uint8_t> b)) {
  std::vector<uint8_t> both = a;
  both.insert(both.end(), b.begin(), b.end());
  RC_ASSERT(crc32c(both) == crc32c_portable(both));
  RC_ASSERT(crc32c(b, crc32c(a)) == crc32c(both));
  RC_ASSERT(crc32c_portable(b, crc32c_portable(a)) == crc32c(both));
}

TEST(Format, FileNames) {
  EXPECT_EQ(file_name(FileKind::Segment, 7), "journal-0000000007.log");
  EXPECT_EQ(file_name(FileKind::Snapshot, 12345678901), "snapshot-12345678901.snap");
  for (const auto& [kind, number] : {std::pair{FileKind::Segment, uint64_t{1}},
                                     std::pair{FileKind::Snapshot, uint64_t{98765432109}}}) {
    const auto parsed = parse_file_name(file_name(kind, number));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->kind, kind);
    EXPECT_EQ(parsed->number, number);
  }
  for (const char* other :
       {"journal-1.log", "journal-0000000000.log", "journal-00000000x1.log", "lock", "",
        "journal-0000000001.log.damaged", "snapshot-0000000001.snap.part", "journal-.log",
        "journal-00000000001.log", "journal-99999999999999999999999.log"}) {
    EXPECT_FALSE(parse_file_name(other)) << other;
  }
}

rc::Gen<std::vector<uint8_t>> bytes_up_to(size_t most) {
  return rc::gen::mapcat(rc::gen::inRange<size_t>(0, most + 1), [](size_t n) {
    return rc::gen::container<std::vector<uint8_t>>(n, rc::gen::arbitrary<uint8_t>());
  });
}

RC_GTEST_PROP(Format, ALeaseComesBackAsItWas, ()) {
  OwnedLease in;
  in.fields.address = Ipv4{*rc::gen::inRange<uint32_t>(1, 0xFFFFFFFF)};
  in.fields.scope_key = *rc::gen::arbitrary<uint32_t>();
  in.fields.state = static_cast<LeaseState>(*rc::gen::inRange(0, 5));
  in.fields.bootp = *rc::gen::arbitrary<bool>();
  in.fields.hardware_type = *rc::gen::arbitrary<uint8_t>();
  const auto any_time = rc::gen::oneOf(rc::gen::arbitrary<uint32_t>(),
                                       rc::gen::element<uint32_t>(0, 1, 0xFFFFFFFE, 0xFFFFFFFF));
  in.fields.start = *any_time;
  in.fields.expiry = *any_time;
  in.fields.last_transaction = *any_time;
  in.fields.sequence = *rc::gen::inRange<uint64_t>(0, kSequenceMax + 1);
  in.hardware_address = *bytes_up_to(16);
  in.client_id = *bytes_up_to(255);
  in.hostname = *bytes_up_to(255);
  in.relay_info = *bytes_up_to(255);
  FrameHeader frame;
  frame.base_s = *any_time;
  frame.first_sequence = *rc::gen::arbitrary<uint64_t>();

  uint8_t buffer[kJournalRecordBytesMax];
  const uint8_t* end = encode_lease(buffer, in.view(), frame, true);
  RC_ASSERT(end <= buffer + sizeof buffer);
  RecordReader reader({buffer, end});
  RawRecord raw;
  RC_ASSERT(reader.next(&raw));
  RC_ASSERT(raw.kind == RecordKind::Lease);
  LeaseRecord out;
  RC_ASSERT(decode_lease(raw.body, frame, &out) == nullptr);
  RC_ASSERT(OwnedLease(out) == in);
  RC_ASSERT(!reader.next(&raw));
  RC_ASSERT(reader.error() == nullptr);
}

TEST(Format, UnknownFieldsArePassedOver) {
  const OwnedLease lease = typical_lease(1, 1000);
  uint8_t buffer[kJournalRecordBytesMax];
  FrameHeader frame;
  frame.base_s = 1000;
  const uint8_t* end = encode_lease(buffer, lease.view(), frame, false);
  std::vector<uint8_t> body(buffer + 2, buffer + (end - buffer));
  // Tags 50 to 53, one of each layout.
  for (uint8_t b : {200, 0x85, 0x01, 205, 1, 2, 3, 4, 210, 2, 9, 9, 215, 1, 2, 3, 4, 5, 6, 7, 8}) {
    body.push_back(b);
  }
  LeaseRecord out;
  ASSERT_EQ(decode_lease(body, frame, &out), nullptr);
  EXPECT_EQ(OwnedLease(out), lease);
  body.pop_back();
  EXPECT_NE(decode_lease(body, frame, &out), nullptr) << "the last field is cut";
}

TEST(Format, ATypicalLeaseIsSmall) {
  OwnedLease lease = typical_lease(70000, 1'700'000'000);
  lease.fields.sequence = 1'000'000;
  lease.fields.start -= 30 * 86400;
  uint8_t buffer[kJournalRecordBytesMax];
  FrameHeader frame;
  frame.base_s = 1'700'000'600;
  frame.first_sequence = 5'000'000;
  EXPECT_LE(encode_lease(buffer, lease.view(), frame, true) - buffer, 56);
}

TEST(Format, ShiftedTimesKeepNeverAndStayInRange) {
  LeaseRecord l;
  l.start = 0;
  l.expiry = kLeaseTimeInfinite;
  l.last_transaction = 100;
  shift_times(&l, 50);
  EXPECT_EQ(l.start, 0u);
  EXPECT_EQ(l.expiry, kLeaseTimeInfinite);
  EXPECT_EQ(l.last_transaction, 150u);
  shift_times(&l, -1000);
  EXPECT_EQ(l.last_transaction, 1u);
  shift_times(&l, INT64_MAX);
  EXPECT_EQ(l.last_transaction, kLeaseTimeInfinite - 1);
  shift_times(&l, INT64_MIN);
  EXPECT_EQ(l.last_transaction, 1u);
}

TEST(Format, AFrameLeftFromAnotherFileDoesNotCheck) {
  uint8_t frame[64] = {};
  FrameHeader header;
  uint8_t* end = encode_clock_step(frame + kFrameHeaderBytes, 5);
  header.size = static_cast<uint32_t>(pad_frame(frame, end) - frame);
  encode_frame_header(header, frame);
  seal_frame(frame, {FileKind::Segment, 3});
  EXPECT_TRUE(frame_checks(frame, 0, {FileKind::Segment, 3}));
  EXPECT_FALSE(frame_checks(frame, 0, {FileKind::Segment, 4}));
  EXPECT_FALSE(frame_checks(frame, 0, {FileKind::Snapshot, 3}));
}

// No sector's share of a frame reads as zeros, whatever a client puts into it: that is how a torn
// commit is told from one that rotted. The longest run of zeros is one value of 255 bytes.
TEST(Format, NoRunOfZerosIsLongerThanAValue) {
  OwnedLease lease = typical_lease(1, 0);
  lease.fields = {};
  lease.fields.address = Ipv4{1};
  lease.hardware_address.assign(16, 0);
  lease.client_id.assign(255, 0);
  lease.hostname.assign(255, 0);
  lease.relay_info.assign(255, 0);
  std::vector<uint8_t> frame(4096);
  uint8_t* end = frame.data() + kFrameHeaderBytes;
  for (int i = 0; i < 3; ++i) end = encode_lease(end, lease.view(), {}, false);
  end = pad_frame(frame.data(), end);
  EXPECT_NE(end[-1], 0);
  size_t run = 0, longest = 0;
  for (const uint8_t* p = frame.data() + kFrameHeaderBytes; p != end; ++p) {
    run = *p == 0 ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  EXPECT_LT(longest, kSectorBytes / 2 + 8);
}

}  // namespace
}  // namespace hookline::store
