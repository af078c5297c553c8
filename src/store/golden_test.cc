// Files of every released format version, byte by byte: they open forever. The same bytes are the
// worked example of docs/lease_journal_format.md.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "store/journal.h"
#include "store/testing.h"

namespace hookline::store {
namespace {

using testing::Bench;
using testing::LeaseMap;
using testing::OwnedLease;

// Lines of 16 bytes of hex, as in the document; zeros to the end of the file are left out.
constexpr const char* kSegmentV1[] = {
#include "store/golden_v1_segment.inc"
};
constexpr const char* kSnapshotV1[] = {
#include "store/golden_v1_snapshot.inc"
};
constexpr size_t kSegmentBytes = 12288;

template <size_t N>
std::vector<uint8_t> bytes_of(const char* const (&lines)[N]) {
  std::vector<uint8_t> bytes;
  for (const char* line : lines) {
    const auto part = from_hex(line);
    EXPECT_TRUE(part) << line;
    bytes.insert(bytes.end(), part->begin(), part->end());
  }
  return bytes;
}

// As lines for the lists above.
std::string lines_of(Bytes bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 16) {
    out += "\"" + to_hex(bytes.subspan(at, std::min<size_t>(16, bytes.size() - at)), ' ') + "\",\n";
  }
  return out;
}

std::vector<OwnedLease> example_leases() {
  OwnedLease a;
  a.fields.address = Ipv4{0x0A000001};
  a.fields.state = LeaseState::Active;
  a.fields.hardware_type = 1;
  a.fields.scope_key = 0x9E3779B9;
  a.fields.start = 1'700'000'000;
  a.fields.expiry = 1'700'003'600;
  a.fields.last_transaction = 1'700'000'000;
  a.fields.sequence = 1;
  a.hardware_address = {2, 0, 0, 0, 0, 1};
  a.client_id = {1, 2, 0, 0, 0, 0, 1};
  OwnedLease b = a;
  b.fields.address = Ipv4{0x0A000002};
  b.fields.state = LeaseState::Released;
  b.fields.bootp = true;
  b.fields.hardware_type = 6;
  b.fields.start = 1'699'990'000;
  b.fields.expiry = kLeaseTimeInfinite;
  b.fields.sequence = 2;
  b.hardware_address = {2, 0, 0, 0, 0, 2};
  b.client_id.clear();
  b.hostname = {'p', 'c', '2'};
  b.relay_info = {1, 2, 'e', '0'};
  return {a, b};
}

LeaseMap expected_after_step(int64_t delta_s) {
  LeaseMap map;
  for (OwnedLease& lease : example_leases()) {
    shift_times(&lease.fields, delta_s);
    map[lease.fields.address.value] = lease;
  }
  return map;
}

// Commits the example; returns the segment without the zeros behind it.
std::vector<uint8_t> write_segment(Bench* bench) {
  Journal::Options options = testing::small_options();
  options.segment_bytes = kSegmentBytes;
  EXPECT_TRUE(bench->open(options));
  bench->journal->name_scopes({{0x9E3779B9, "office"}});
  std::vector<OwnedLease> leases = example_leases();
  EXPECT_TRUE(bench->commit(&leases));
  EXPECT_TRUE(bench->journal->commit_clock_step(3600, bench->now));
  std::vector<uint8_t> bytes = *bench->disk.get(file_name(FileKind::Segment, 1));
  EXPECT_EQ(bytes.size(), kSegmentBytes);
  while (bytes.back() == 0) bytes.pop_back();
  return bytes;
}

std::vector<uint8_t> write_snapshot(Bench* bench) {
  bench->now = {1, 1'700'003'600};
  bench->journal->ready(bench->now);
  bench->background.run_all();
  bench->journal->ready(bench->now);
  bench->journal->ask_for_snapshot();
  bench->journal->begin_snapshot();
  for (const auto& [address, lease] : expected_after_step(3600)) {
    bench->journal->add_to_snapshot(lease.view());
  }
  bench->journal->end_snapshot();
  bench->background.run_all();
  return *bench->disk.get(file_name(FileKind::Snapshot, 2));
}

TEST(GoldenV1, ASegmentOpens) {
  Bench bench;
  std::vector<uint8_t> bytes = bytes_of(kSegmentV1);
  bytes.resize(kSegmentBytes);
  bench.disk.put(file_name(FileKind::Segment, 1), bytes);
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases, expected_after_step(3600));
  EXPECT_EQ(bench.recovered.sequence, 2u);
  EXPECT_EQ(bench.recovered.newest_s, 1'700'003'600u);
}

TEST(GoldenV1, ASnapshotOpens) {
  Bench bench;
  bench.disk.put(file_name(FileKind::Snapshot, 2), bytes_of(kSnapshotV1));
  bench.disk.put(file_name(FileKind::Segment, 2), std::vector<uint8_t>(kSegmentBytes));
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_TRUE(bench.recovered.had_snapshot);
  EXPECT_EQ(bench.recovered_leases, expected_after_step(3600));
  EXPECT_EQ(bench.recovered.sequence, 2u);
}

// When this fails because the format was changed, that is a new version: keep these files, write
// new ones beside them.
TEST(GoldenV1, TheSameBytesAreWrittenToday) {
  Bench bench;
  const auto segment = write_segment(&bench);
  EXPECT_EQ(segment, bytes_of(kSegmentV1)) << lines_of(segment);
  const auto snapshot = write_snapshot(&bench);
  EXPECT_EQ(snapshot, bytes_of(kSnapshotV1)) << lines_of(snapshot);
}

TEST(GoldenV1, TheDocumentShowsThem) {
  const auto path =
      std::filesystem::path(__FILE__).parent_path() / "../../docs/lease_journal_format.md";
  std::ifstream in(path);
  ASSERT_TRUE(in) << path;
  std::stringstream text;
  text << in.rdbuf();
  // Its lines are annotated: what stands before a '|' is hex.
  std::vector<uint8_t> shown;
  std::string line;
  bool inside = false;
  while (std::getline(text, line)) {
    if (line == "```hex") {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      const std::string_view left = std::string_view(line).substr(0, line.find('|'));
      const auto part = from_hex(left.substr(0, left.find_last_not_of(' ') + 1));
      ASSERT_TRUE(part) << line;
      shown.insert(shown.end(), part->begin(), part->end());
    }
  }
  EXPECT_EQ(shown, bytes_of(kSegmentV1));
}

}  // namespace
}  // namespace hookline::store
