// Bytes that check and make no sense: another program wrote them, or we had a bug. The journal says
// what is wrong and where, and repair keeps the rest.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "store/offline.h"
#include "store/testing.h"

namespace hookline::store {
namespace {

using testing::Bench;
using testing::OwnedLease;
using testing::typical_lease;

constexpr int64_t kShiftMax = kClockShiftSecondsMax;
constexpr int64_t kFarPast = std::numeric_limits<int64_t>::min();
constexpr int64_t kFarFuture = std::numeric_limits<int64_t>::max();
constexpr LeaseSeconds kBase_s = 1'700'000'000;

// A file of the journal, frame by frame, with right checksums whatever it holds.
class FileWriter {
 public:
  explicit FileWriter(FileName name, uint64_t first_sequence = 1) : name_(name) {
    bytes_.resize(kFileHeaderBytes);
    encode_header({name.kind, name.number, first_sequence, 0, 0, kBase_s}, bytes_.data());
    header_.first_sequence = first_sequence;
    header_.base_s = kBase_s;
  }

  FileWriter& leases(int64_t clock_shift_s, const std::vector<OwnedLease>& leases) {
    begin(clock_shift_s);
    for (const OwnedLease& lease : leases) {
      at_ = encode_lease(at_, lease.view(), header_, false);
      header_.leases++;
    }
    return seal();
  }
  FileWriter& steps(int64_t clock_shift_s, const std::vector<int64_t>& steps_s) {
    begin(clock_shift_s);
    for (int64_t step_s : steps_s) at_ = encode_clock_step(at_, step_s);
    return seal();
  }
  // Of the next frame, whatever came before.
  FileWriter& sequence(uint64_t first_sequence) {
    header_.first_sequence = first_sequence;
    return *this;
  }
  FileWriter& lease_of_sequence(uint64_t sequence) {
    begin(0);
    OwnedLease lease = typical_lease(9, kBase_s);
    lease.fields.sequence = sequence;
    at_ = encode_lease(at_, lease.view(), header_, true);
    header_.leases++;
    return seal();
  }
  FileWriter& end(uint64_t leases) {
    begin(0);
    at_ = encode_snapshot_end(at_, leases);
    return seal();
  }
  std::vector<uint8_t> bytes() const { return bytes_; }

 private:
  void begin(int64_t clock_shift_s) {
    header_.clock_shift_s = clock_shift_s;
    header_.leases = 0;
    at_ = frame_ + kFrameHeaderBytes;
  }
  FileWriter& seal() {
    uint8_t* const end = pad_frame(frame_, at_);
    header_.size = static_cast<uint32_t>(end - frame_);
    encode_frame_header(header_, frame_);
    seal_frame(frame_, name_);
    bytes_.insert(bytes_.end(), frame_, end);
    header_.first_sequence += header_.leases;
    return *this;
  }

  FileName name_;
  FrameHeader header_;
  std::vector<uint8_t> bytes_;
  uint8_t frame_[4096] = {};
  uint8_t* at_ = frame_;
};

FileWriter segment(uint64_t first_sequence = 1) {
  return FileWriter({FileKind::Segment, 1}, first_sequence);
}

// One damage, which names `what`; refused for it; repaired, `kept` leases are left.
void expect_refused(const std::vector<uint8_t>& bytes, const std::string& what, uint64_t kept,
                    FileKind kind = FileKind::Segment) {
  SCOPED_TRACE(what);
  Bench bench;
  bench.disk.put(file_name(kind, 1), bytes);
  if (kind == FileKind::Snapshot) {
    bench.disk.put(file_name(FileKind::Segment, 1), std::vector<uint8_t>(4096));
  }
  const auto report = verify(bench.disk);
  ASSERT_TRUE(report);
  EXPECT_FALSE(report->ok());
  EXPECT_NE(report->text().find(what), std::string::npos) << report->text();
  EXPECT_FALSE(bench.open());
  EXPECT_EQ(bench.error.kind, ErrorKind::Corrupt);
  EXPECT_NE(bench.error.text.find(what), std::string::npos) << bench.error.text;
  bench.disk.kill_process();
  const auto repaired = repair(bench.disk);
  ASSERT_TRUE(repaired) << repaired.error().text;
  EXPECT_TRUE(repaired->needed);
  EXPECT_EQ(repaired->leases, kept);
  bench.disk.kill_process();
  EXPECT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases.size(), kept);
}

TEST(Impossible, AClockShiftWithinItsBoundIsRead) {
  for (int64_t shift_s : {-kShiftMax, int64_t{-1}, int64_t{0}, kShiftMax}) {
    Bench bench;
    bench.disk.put(file_name(FileKind::Segment, 1),
                   segment().leases(shift_s, {typical_lease(1, kBase_s)}).bytes());
    EXPECT_TRUE(bench.open()) << bench.error.text;
    EXPECT_EQ(bench.recovered_leases[0x0A000002].fields.start, kBase_s);
  }
}

// The largest difference that two frames may have: times stay in their range.
TEST(Impossible, FromOneEndOfTheBoundToTheOther) {
  Bench bench;
  bench.disk.put(file_name(FileKind::Segment, 1),
                 segment()
                     .leases(-kShiftMax, {typical_lease(1, kBase_s)})
                     .leases(kShiftMax, {typical_lease(2, kBase_s)})
                     .bytes());
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases[0x0A000002].fields.start, kLeaseTimeInfinite - 1);
  EXPECT_EQ(bench.recovered_leases[0x0A000003].fields.start, kBase_s);
}

TEST(Impossible, AClockShiftBeyondItsBound) {
  const std::vector<OwnedLease> one{typical_lease(1, kBase_s)}, other{typical_lease(2, kBase_s)};
  for (int64_t shift_s : {kShiftMax + 1, -kShiftMax - 1, kFarPast, kFarFuture}) {
    const std::string what = "the clock shift of a commit is impossible";
    expect_refused(segment().leases(shift_s, one).bytes(), what, 0);
    expect_refused(segment().leases(5, other).leases(shift_s, one).bytes(), what, 1);
    expect_refused(segment().leases(shift_s, one).leases(5, other).bytes(), what, 1);
    expect_refused(segment().steps(shift_s, {3600}).bytes(), what, 0);
  }
  expect_refused(segment().leases(kFarPast, one).leases(kFarFuture, other).bytes(),
                 "the clock shift of a commit is impossible", 0);
}

TEST(Impossible, AClockStepBeyondItsBound) {
  const std::vector<OwnedLease> one{typical_lease(1, kBase_s)};
  for (int64_t step_s : {kShiftMax + 1, -kShiftMax - 1, kFarPast, kFarFuture}) {
    expect_refused(segment().leases(0, one).steps(0, {step_s}).bytes(), "clock step out of range",
                   1);
  }
}

TEST(Impossible, ClockStepsThatAddUpBeyondTheBound) {
  const std::vector<OwnedLease> one{typical_lease(1, kBase_s)};
  const std::string what = "the clock steps add up to an impossible shift";
  expect_refused(segment().leases(0, one).steps(0, {kShiftMax, 1}).bytes(), what, 1);
  expect_refused(segment().leases(0, one).steps(-2, {-kShiftMax + 1}).bytes(), what, 1);
  Bench bench;
  bench.disk.put(
      file_name(FileKind::Segment, 1),
      segment().leases(0, one).steps(0, {kShiftMax, -kShiftMax, -kShiftMax, 3600}).bytes());
  EXPECT_TRUE(bench.open()) << bench.error.text;
}

TEST(Impossible, SequenceNumbers) {
  expect_refused(segment(0).leases(0, {typical_lease(1, kBase_s)}).bytes(), "header is damaged", 0);
  expect_refused(segment(kSequenceMax + 1).leases(0, {typical_lease(1, kBase_s)}).bytes(),
                 "header is damaged", 0);
  const FileName name{FileKind::Snapshot, 1};
  expect_refused(FileWriter(name).lease_of_sequence(kSequenceMax + 1).sequence(1).end(1).bytes(),
                 "sequence number out of range", 0, FileKind::Snapshot);
  for (uint64_t sequence : {uint64_t{0}, kSequenceMax + 1}) {
    expect_refused(FileWriter(name).sequence(sequence).end(0).bytes(),
                   "the snapshot is damaged here", 0, FileKind::Snapshot);
  }
  Bench bench;
  bench.disk.put(
      file_name(FileKind::Snapshot, 1),
      FileWriter(name, kSequenceMax).lease_of_sequence(kSequenceMax).sequence(1).end(1).bytes());
  bench.disk.put(file_name(FileKind::Segment, 1), std::vector<uint8_t>(4096));
  EXPECT_TRUE(bench.open()) << bench.error.text;
}

// All that a field may hold is read; one byte more is refused.
TEST(Impossible, ValuesLongerThanTheirFields) {
  OwnedLease lease = typical_lease(1, kBase_s);
  lease.client_id.assign(kClientIdBytesMax, 1);
  lease.hostname.assign(kHostnameBytesMax, 2);
  lease.relay_info.assign(kRelayInfoBytesMax, 3);
  lease.fields.sequence = 1;
  Bench bench;
  bench.disk.put(file_name(FileKind::Segment, 1), segment().leases(0, {lease}).bytes());
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases[lease.fields.address.value], lease);

  const auto refused = [](OwnedLease longer, const char* what) {
    expect_refused(segment().leases(0, {std::move(longer)}).bytes(), what, 0);
  };
  OwnedLease longer = lease;
  longer.client_id.push_back(1);
  refused(longer, "a client identifier of more than 255 bytes");
  longer = lease;
  longer.hostname.push_back(2);
  refused(longer, "a hostname of more than 255 bytes");
  longer = lease;
  longer.relay_info.push_back(3);
  refused(longer, "relay information of more than 255 bytes");
}

TEST(Impossible, AFileNumberBeyondItsBoundIsNoFileOfTheJournal) {
  EXPECT_TRUE(parse_file_name(file_name(FileKind::Segment, kFileNumberMax)));
  EXPECT_FALSE(parse_file_name(file_name(FileKind::Segment, kFileNumberMax + 1)));
  EXPECT_FALSE(parse_file_name(file_name(FileKind::Snapshot, UINT64_MAX)));
}

// What would not be read is not written, and the journal goes on.
TEST(Impossible, AClockStepBeyondTheBoundIsNotTaken) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  ASSERT_TRUE(bench.ready());
  for (int64_t step_s : {kFarPast, kFarFuture, kShiftMax + 1, -kShiftMax - 1}) {
    const auto done = bench.journal->commit_clock_step(step_s, bench.now);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::Invalid) << done.error().text;
  }
  ASSERT_TRUE(bench.journal->commit_clock_step(kShiftMax, bench.now));
  EXPECT_FALSE(bench.journal->commit_clock_step(1, bench.now));
  ASSERT_TRUE(bench.journal->commit_clock_step(-kShiftMax, bench.now));
  EXPECT_FALSE(bench.journal->failed());
  OwnedLease lease = typical_lease(1, bench.now.lease_s);
  ASSERT_TRUE(bench.commit_one(&lease));
  bench.power_cut();
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases[0x0A000002], lease);
}

}  // namespace
}  // namespace hookline::store
