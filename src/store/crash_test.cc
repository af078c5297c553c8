// Power cuts, dying processes, full and failing disks at every moment: what was acknowledged is
// there afterwards, what was not is there whole or not at all.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "store/crc32c.h"
#include "store/journal.h"
#include "store/offline.h"
#include "store/scan.h"
#include "store/testing.h"

namespace hookline::store {
namespace {

using testing::Bench;
using testing::keep_newest;
using testing::LeaseMap;
using testing::OwnedLease;
using testing::typical_lease;
using Cut = sim::SimDisk::Cut;

constexpr uint32_t kAddresses = 40;

std::vector<uint8_t> random_bytes(std::mt19937_64& random, size_t most) {
  std::vector<uint8_t> bytes(random() % (most + 1));
  const uint8_t mask = random() % 2 == 0 ? 0 : 0xFF;  // runs of zeros look like missing sectors
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(random() & mask);
  return bytes;
}

OwnedLease random_lease(std::mt19937_64& random, LeaseSeconds now_s) {
  OwnedLease l;
  l.fields.address = Ipv4{0x0A000001 + static_cast<uint32_t>(random() % kAddresses)};
  l.fields.state = static_cast<LeaseState>(random() % kLeaseStateCount);
  l.fields.bootp = random() % 8 == 0;
  l.fields.hardware_type = static_cast<uint8_t>(random() % 3);
  l.fields.scope_key = static_cast<uint32_t>(random());
  l.fields.start = now_s - static_cast<LeaseSeconds>(random() % 100000);
  l.fields.expiry =
      random() % 5 == 0 ? kLeaseTimeInfinite : now_s + static_cast<LeaseSeconds>(random() % 100000);
  l.fields.last_transaction = now_s;
  l.hardware_address = random_bytes(random, 16);
  const size_t most = random() % 4 == 0 ? 255 : 8;
  l.client_id = random_bytes(random, most);
  l.hostname = random_bytes(random, most);
  l.relay_info = random_bytes(random, most);
  return l;
}

void shift_all(LeaseMap* map, int64_t delta_s) {
  for (auto& [address, lease] : *map) shift_times(&lease.fields, delta_s);
}

// Free leases need not be remembered: a snapshot leaves them out.
LeaseMap without_free(LeaseMap map) {
  std::erase_if(map, [](const auto& e) { return e.second.fields.state == LeaseState::Free; });
  return map;
}

// One server after the other on the same disk, with a model of what must be there.
class Story {
 public:
  explicit Story(uint64_t seed) : random_(seed), bench_(seed) {
    options_ = testing::small_options();
    options_.segment_bytes = 12288;
  }

  // Empty: all held.
  std::string run(int lives) {
    for (int life = 0; life < lives && wrong_.empty(); ++life) {
      if (!start()) continue;
      live();
      die();
    }
    bench_.disk.heal();
    bench_.disk.set_full(false);
    if (wrong_.empty()) start();
    return wrong_;
  }

 private:
  bool start() {
    // Recovery itself may die.
    if (random_() % 4 == 0) bench_.disk.fail_after(random_() % 12);
    if (!bench_.open(options_)) {
      const bool excused = bench_.disk.failing();
      if (!excused) wrong_ = "open: " + bench_.error.text;
      if (bench_.error.kind == ErrorKind::Corrupt) wrong_ = "corrupt: " + bench_.error.text;
      die();
      return false;
    }
    check();
    bench_.journal->name_scopes({{1, "one"}, {2, "two"}});
    return true;
  }

  void check() {
    const LeaseMap found = without_free(bench_.recovered_leases);
    if (found != without_free(acked_) && (!pending_ || found != without_free(*pending_))) {
      wrong_ = "what was recovered is neither what was acknowledged nor that and the last commit";
    }
    if (bench_.recovered.sequence < sequence_) wrong_ = "sequence numbers went back";
    acked_ = bench_.recovered_leases;
    pending_.reset();
    sequence_ = bench_.recovered.sequence;
  }

  void live() {
    const uint64_t steps = random_() % 120;
    if (random_() % 2 == 0) bench_.disk.fail_after(random_() % 150);
    for (uint64_t i = 0; i < steps && !pending_ && !bench_.journal->failed(); ++i) step();
  }

  void step() {
    const bool ready = bench_.ready();
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2:
        bench_.background.run_one();
        break;
      case 3:
        bench_.disk.set_full(random_() % 3 == 0);
        break;
      case 4:
        if (ready) clock_step();
        break;
      case 5:
      case 6:
        snapshot_step();
        break;
      default:
        if (ready) commit();
    }
  }

  void commit() {
    std::vector<OwnedLease> leases(random_() % 5), others(random_() % 4);
    for (OwnedLease& l : leases) l = random_lease(random_, bench_.now.lease_s);
    for (OwnedLease& l : others) l = random_lease(random_, bench_.now.lease_s);
    LeaseMap after = acked_;
    uint64_t sequence = bench_.journal->sequence();
    for (auto* list : {&leases, &others}) {
      for (OwnedLease& l : *list) {
        l.fields.sequence = ++sequence;
        keep_newest(&after, l.view());
      }
    }
    settle(bench_.commit(&leases, &others), std::move(after), sequence);
  }

  void clock_step() {
    const int64_t delta_s = static_cast<int64_t>(random_() % 20000) - 10000;
    LeaseMap after = acked_;
    shift_all(&after, delta_s);
    settle(bench_.journal->commit_clock_step(delta_s, bench_.now), std::move(after), sequence_);
    bench_.now.lease_s += static_cast<LeaseSeconds>(delta_s);
  }

  void settle(Result<void> done, LeaseMap after, uint64_t sequence) {
    if (done) {
      acked_ = std::move(after);
      sequence_ = sequence;
    } else {
      pending_ = std::move(after);
      if (!bench_.disk.failing()) wrong_ = "commit: " + done.error().text;
    }
  }

  void snapshot_step() {
    Journal& journal = *bench_.journal;
    if (!journal.snapshot_open()) {
      journal.ask_for_snapshot();
      if (!journal.wants_snapshot()) return;
      journal.begin_snapshot();
      given_ = 0;
      return;
    }
    // In the order of addresses, a slice at a time, as they are by then.
    for (int i = 0; i < 10 && given_ < kAddresses; ++i, ++given_) {
      if (!journal.snapshot_has_room()) return;
      const auto it = acked_.find(0x0A000001 + given_);
      if (it != acked_.end()) journal.add_to_snapshot(it->second.view());
    }
    if (given_ == kAddresses) journal.end_snapshot();
  }

  void die() {
    if (random_() % 3 == 0) {
      bench_.close();
      bench_.disk.heal();
    } else {
      bench_.power_cut();
    }
    if (random_() % 2 == 0) bench_.disk.set_full(false);
  }

  std::mt19937_64 random_;
  Bench bench_;
  Journal::Options options_;
  LeaseMap acked_;
  std::optional<LeaseMap> pending_;  // if the commit that failed made it to the disk
  uint64_t sequence_ = 0;
  uint32_t given_ = 0;
  std::string wrong_;
};

RC_GTEST_PROP(JournalCrash, AcknowledgedLeasesSurviveEverything, (uint64_t seed)) {
  const std::string wrong = Story(seed).run(6);
  if (!wrong.empty()) RC_LOG() << "story seed " << seed << ": ";
  RC_ASSERT(wrong == "");
}

// A fixed set that always runs, many short lives.
TEST(JournalCrash, FixedSeeds) {
  for (uint64_t seed = 1; seed <= 1500; ++seed) {
    ASSERT_EQ(Story(seed).run(5), "") << "seed " << seed;
  }
}

// The testing is tested: on a disk that only pretends to sync, leases get lost.
TEST(JournalCrash, ALyingDiskIsNoticed) {
  Bench bench;
  bench.disk.set_lying(true);
  ASSERT_TRUE(bench.open());
  OwnedLease lease = typical_lease(1, bench.now.lease_s);
  ASSERT_TRUE(bench.commit_one(&lease));
  bench.power_cut(Cut::Forget);
  bench.disk.set_lying(false);
  ASSERT_TRUE(bench.open());
  EXPECT_TRUE(bench.recovered_leases.empty());
}

// At every single operation of a snapshot, with every kind of power cut.
TEST(JournalCrash, DuringASnapshotAtEveryStep) {
  for (Cut cut : {Cut::Forget, Cut::Keep, Cut::Tear}) {
    bool finished = false;
    for (uint64_t step = 0; !finished; ++step) {
      ASSERT_LT(step, 200u);
      Bench bench(step + 1);
      ASSERT_TRUE(bench.open());
      LeaseMap acked;
      for (uint32_t n = 0; n < 400; ++n) {
        bench.background.run_all();
        ASSERT_TRUE(bench.ready());
        OwnedLease lease = typical_lease(n % 100, bench.now.lease_s);
        ASSERT_TRUE(bench.commit_one(&lease));
        acked[lease.fields.address.value] = lease;
      }
      bench.background.run_all();
      bench.ready();
      bench.disk.fail_after(step);
      bench.snapshot(acked);
      finished = !bench.disk.failing();
      bench.power_cut(cut);
      ASSERT_TRUE(bench.open()) << "step " << step << ": " << bench.error.text;
      EXPECT_EQ(bench.recovered_leases, acked) << "step " << step;
    }
  }
}

// --- damage ----------------------------------------------------------------------------------

// A snapshot, two full segments and one in use.
LeaseMap build(Bench* bench) {
  LeaseMap acked;
  EXPECT_TRUE(bench->open());
  bench->journal->name_scopes({{0x9E3779B9, "office"}});
  for (uint32_t n = 0; n < 500; ++n) {
    bench->background.run_all();
    EXPECT_TRUE(bench->ready());
    OwnedLease lease = typical_lease(n, bench->now.lease_s);
    EXPECT_TRUE(bench->commit_one(&lease));
    acked[lease.fields.address.value] = lease;
    if (n == 99) bench->snapshot(acked);
  }
  bench->power_cut(Cut::Forget);
  return acked;
}

struct Content {
  std::string name;
  std::vector<uint8_t> bytes;
  uint64_t used = 0;
};

std::vector<Content> contents_of(Bench& bench) {
  std::vector<Content> files;
  for (const std::string& name : bench.names()) {
    Content c{name, *bench.disk.get(name), 0};
    c.used = c.bytes.size();
    while (c.used > 0 && c.bytes[c.used - 1] == 0) --c.used;
    files.push_back(std::move(c));
  }
  return files;
}

TEST(JournalDamage, AFlippedBitAnywhereIsFoundAndRepairLosesOnlyItsCommit) {
  Bench bench;
  const LeaseMap acked = build(&bench);
  const std::vector<Content> files = contents_of(bench);
  ASSERT_GE(files.size(), 4u);
  std::mt19937_64 random(7);
  for (const Content& file : files) {
    for (uint64_t at = 0; at < file.used; at += 1 + random() % 37) {
      for (const Content& f : files) bench.disk.put(f.name, f.bytes);
      auto bytes = file.bytes;
      bytes[at] ^= static_cast<uint8_t>(1u << (random() % 8));
      bench.disk.put(file.name, bytes);
      SCOPED_TRACE(file.name + " byte " + std::to_string(at));

      auto report = verify(bench.disk);
      ASSERT_TRUE(report);
      ASSERT_FALSE(report->ok());
      ASSERT_FALSE(bench.open());
      ASSERT_EQ(bench.error.kind, ErrorKind::Corrupt);
      ASSERT_NE(bench.error.text.find("hookline journal repair /sim"), std::string::npos);
      bench.close();

      auto repaired = repair(bench.disk);
      bench.disk.kill_process();
      ASSERT_TRUE(repaired) << repaired.error().text;
      ASSERT_TRUE(repaired->needed);
      ASSERT_TRUE(bench.open()) << bench.error.text;
      // Each commit held one lease; a snapshot's frame all of its 100.
      const size_t lost = file.name.starts_with("snapshot") ? 100 : 1;
      ASSERT_GE(bench.recovered_leases.size() + lost, acked.size());
      for (const auto& [address, lease] : bench.recovered_leases) {
        ASSERT_EQ(lease, acked.at(address));
      }
      bench.close();
      // Nothing was deleted by the repair: the damaged file is there, byte by byte.
      for (const std::string& moved : repaired->moved) {
        ASSERT_EQ(*bench.disk.get(moved),
                  moved == file.name + ".damaged" ? bytes : *bench.disk.get(moved));
      }
      for (const std::string& name : bench.names()) (void)bench.disk.remove(name);
    }
  }
}

TEST(JournalDamage, AMissingFileIsFound) {
  Bench bench;
  build(&bench);
  const std::vector<Content> files = contents_of(bench);
  std::string last_used;
  for (const Content& file : files) {
    if (file.used != 0 && file.name.starts_with("journal")) last_used = file.name;
  }
  for (const Content& file : files) {
    if (file.used == 0) continue;  // a prepared segment: nothing is in it
    for (const Content& f : files) bench.disk.put(f.name, f.bytes);
    ASSERT_TRUE(bench.disk.remove(file.name));
    const bool opened = bench.open();
    // Of the last segment nobody else knows, unless a prepared one stands behind it.
    EXPECT_FALSE(opened) << file.name << " of " << last_used;
    EXPECT_TRUE(opened || bench.error.kind == ErrorKind::Corrupt);
    bench.close();
  }
}

TEST(JournalDamage, ACutFileIsFound) {
  Bench bench;
  build(&bench);
  for (const Content& file : contents_of(bench)) {
    if (file.used == 0) continue;
    for (uint64_t size :
         {file.used - 1, file.used / 2, uint64_t{100}, uint64_t{64}, uint64_t{10}}) {
      auto bytes = file.bytes;
      bytes.resize(size);
      bench.disk.put(file.name, bytes);
      EXPECT_FALSE(bench.open()) << file.name << " cut to " << size;
      EXPECT_EQ(bench.error.kind, ErrorKind::Corrupt);
      bench.close();
      bench.disk.put(file.name, file.bytes);
    }
  }
  EXPECT_TRUE(bench.open()) << bench.error.text;
}

// The last commit with some of its sectors unwritten: torn. The same with all written: damage.
TEST(JournalDamage, ATornTailIsCutAndALastCommitThatRottedIsNot) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  LeaseMap acked;
  for (uint32_t n = 0; n < 3; ++n) {
    ASSERT_TRUE(bench.ready());
    bench.background.run_all();
    std::vector<OwnedLease> leases;
    for (uint32_t i = 0; i < 4; ++i) {
      leases.push_back(typical_lease(n * 4 + i, bench.now.lease_s));
      leases.back().hostname.assign(255, 'h');
    }
    ASSERT_TRUE(bench.commit(&leases));
    if (n == 2) break;
    for (const OwnedLease& l : leases) acked[l.fields.address.value] = l;
  }
  bench.close();
  const std::string name = file_name(FileKind::Segment, 1);
  const std::vector<uint8_t> whole = *bench.disk.get(name);
  auto image = load_image(bench.disk);
  ASSERT_TRUE(image && image->damage.empty());
  const FileScan scan = image->last_used()->scan;
  size_t tears = 0;
  for (uint64_t sector = scan.last_frame / kSectorBytes; sector * kSectorBytes < scan.end;
       ++sector) {
    auto bytes = whole;
    const uint64_t from = std::max(scan.last_frame, sector * kSectorBytes);
    const uint64_t to = std::min(scan.end, (sector + 1) * kSectorBytes);
    std::fill(bytes.begin() + from, bytes.begin() + to, 0);
    bench.disk.put(name, bytes);
    ASSERT_TRUE(bench.open()) << "sector " << sector << ": " << bench.error.text;
    EXPECT_GT(bench.recovered.torn_bytes, 0u);
    EXPECT_EQ(bench.recovered_leases, acked);
    bench.close();
    (void)bench.disk.remove(file_name(FileKind::Segment, 2));
    ++tears;
  }
  EXPECT_GT(tears, 2u);
  auto bytes = whole;
  bytes[scan.end - 20] ^= 1;
  bench.disk.put(name, bytes);
  EXPECT_FALSE(bench.open());
  EXPECT_EQ(bench.error.kind, ErrorKind::Corrupt);
}

TEST(JournalDamage, ATornTailOfAnEarlierLifeStaysCut) {
  Bench bench(3);
  LeaseMap acked;
  for (int life = 0; life < 5; ++life) {
    ASSERT_TRUE(bench.open()) << bench.error.text;
    EXPECT_EQ(bench.recovered_leases, acked);
    for (uint32_t n = 0; n < 3; ++n) {
      bench.background.run_all();
      ASSERT_TRUE(bench.ready());
      OwnedLease lease = typical_lease(n, bench.now.lease_s);
      lease.hostname.assign(255, 'h');
      lease.relay_info.assign(255, 'r');
      ASSERT_TRUE(bench.commit_one(&lease));
      acked[lease.fields.address.value] = lease;
    }
    bench.close();
    // Half a commit behind the last one.
    auto image = load_image(bench.disk);
    const LoadedFile& last = *image->last_used();
    auto bytes = *bench.disk.get(last.text_name);
    const uint64_t at = (last.scan.end / kSectorBytes + 1) * kSectorBytes;
    std::fill_n(bytes.begin() + at, 300, 0xAA);
    bench.disk.put(last.text_name, bytes);
  }
}

TEST(JournalDamage, AFileOfALaterReleaseIsRefused) {
  Bench bench;
  build(&bench);
  for (const Content& file : contents_of(bench)) {
    if (file.used == 0) continue;
    auto bytes = file.bytes;
    bytes[8] = 2;
    const uint32_t crc = crc32c({bytes.data(), 60});
    std::memcpy(bytes.data() + 60, &crc, 4);
    bench.disk.put(file.name, bytes);
    EXPECT_FALSE(bench.open());
    EXPECT_NE(bench.error.text.find("later release"), std::string::npos);
    bench.close();
    EXPECT_FALSE(repair(bench.disk)) << "it is not ours to judge";
    bench.disk.kill_process();
    bench.disk.put(file.name, file.bytes);
  }
}

TEST(JournalOffline, DumpGivesEveryRecordWithItsScope) {
  Bench bench;
  const LeaseMap acked = build(&bench);
  LeaseMap dumped;
  size_t snapshot_leases = 0;
  auto done = dump(bench.disk, [&](const DumpedRecord& record) {
    if (record.kind != "lease") return;
    EXPECT_EQ(record.scope, "office");
    snapshot_leases += record.from_snapshot;
    keep_newest(&dumped, record.lease);
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(dumped, acked);
  EXPECT_EQ(snapshot_leases, 100u);
}

TEST(JournalOffline, ASoundJournalIsVerifiedAndNotRepaired) {
  Bench bench;
  build(&bench);
  auto report = verify(bench.disk);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->sequence, 500u);
  EXPECT_EQ(report->records, 500u);
  EXPECT_NE(report->text().find("ok: 500 lease records"), std::string::npos) << report->text();
  const auto before = bench.names();
  auto repaired = repair(bench.disk);
  ASSERT_TRUE(repaired);
  EXPECT_FALSE(repaired->needed);
  EXPECT_EQ(bench.names(), before);
}

}  // namespace
}  // namespace hookline::store
