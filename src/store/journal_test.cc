#include "store/journal.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "store/scan.h"
#include "store/testing.h"

// Tests of a stage know no other folder's library: the simulated disk is compiled in here.
#include "../../tests/sim/disk.cc"  // NOLINT(bugprone-suspicious-include)

namespace hookline::store {
namespace {

using testing::Bench;
using testing::LeaseMap;
using testing::OwnedLease;
using testing::small_options;
using testing::typical_lease;
using Cut = sim::SimDisk::Cut;

// Commits `count` leases, one by one, from address number `first` on.
void commit_some(Bench* bench, LeaseMap* acked, uint32_t first, uint32_t count) {
  for (uint32_t n = first; n < first + count; ++n) {
    bench->background.run_all();
    ASSERT_TRUE(bench->ready());
    OwnedLease lease = typical_lease(n, bench->now.lease_s);
    ASSERT_TRUE(bench->commit_one(&lease));
    (*acked)[lease.fields.address.value] = lease;
  }
}

TEST(Journal, AnEmptyDirectoryIsANewJournal) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.recovered.records, 0u);
  EXPECT_EQ(bench.recovered.newest_s, 0u);
  EXPECT_EQ(bench.journal->sequence(), 0u);
  EXPECT_TRUE(bench.ready());
  EXPECT_FALSE(bench.journal->wants_snapshot());
}

TEST(Journal, WhatWasCommittedIsThereAfterAPowerCut) {
  for (Cut cut : {Cut::Forget, Cut::Keep, Cut::Tear}) {
    Bench bench;
    LeaseMap acked;
    ASSERT_TRUE(bench.open());
    commit_some(&bench, &acked, 0, 1000);
    EXPECT_GT(bench.journal->stats().segments, 2u);
    bench.power_cut(cut);
    ASSERT_TRUE(bench.open()) << bench.error.text;
    EXPECT_EQ(bench.recovered_leases, acked);
    EXPECT_EQ(bench.recovered.sequence, 1000u);
    EXPECT_EQ(bench.recovered.newest_s, bench.now.lease_s);
    EXPECT_EQ(bench.recovered.torn_bytes, 0u);
  }
}

TEST(Journal, ACommitIsOneWriteAndOneSyncAndGrowsNothing) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  bench.background.run_all();
  ASSERT_TRUE(bench.ready());
  const std::string name = file_name(FileKind::Segment, 1);
  const size_t size = bench.disk.get(name)->size();
  for (int i = 0; i < 3; ++i) {
    const uint64_t writes = bench.disk.file_writes(), syncs = bench.disk.file_syncs();
    std::vector<OwnedLease> leases, others;
    for (uint32_t n = 0; n < 4; ++n) leases.push_back(typical_lease(n, bench.now.lease_s));
    for (uint32_t n = 4; n < 8; ++n) others.push_back(typical_lease(n, bench.now.lease_s));
    ASSERT_TRUE(bench.commit(&leases, &others));
    EXPECT_EQ(bench.disk.file_writes(), writes + 1);
    EXPECT_EQ(bench.disk.file_syncs(), syncs + 1);
    EXPECT_EQ(others[3].fields.sequence, 8u * (i + 1));
  }
  EXPECT_EQ(bench.disk.get(name)->size(), size);
}

TEST(Journal, ANewerRecordOfAnAddressReplacesTheOlder) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  LeaseMap acked;
  for (int round = 0; round < 3; ++round) commit_some(&bench, &acked, 0, 5);
  bench.power_cut();
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.recovered_leases, acked);
  EXPECT_EQ(bench.recovered.records, 15u);
}

TEST(Journal, SequenceNumbersGoOnAfterARestart) {
  Bench bench;
  LeaseMap acked;
  for (int life = 0; life < 4; ++life) {
    ASSERT_TRUE(bench.open()) << bench.error.text;
    EXPECT_EQ(bench.recovered_leases, acked);
    EXPECT_EQ(bench.journal->sequence(), acked.size());
    commit_some(&bench, &acked, static_cast<uint32_t>(acked.size()), 7);
    bench.power_cut();
  }
}

TEST(Journal, TwoServersOnOneDirectoryAreRefused) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  Bench other;
  auto second = Journal::open(
      bench.disk, other.background, other.log, small_options(), [](const LeaseRecord&) {}, nullptr);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Busy);
}

TEST(Journal, ASnapshotReplacesOlderSegments) {
  Bench bench;
  LeaseMap acked;
  ASSERT_TRUE(bench.open());
  commit_some(&bench, &acked, 0, 800);
  bench.snapshot(acked);
  EXPECT_EQ(bench.journal->stats().snapshots, 1u);
  EXPECT_EQ(bench.journal->stats().segments, 2u);
  const auto names = *bench.disk.list();
  ASSERT_EQ(names.size(), 3u);
  EXPECT_TRUE(names[2].starts_with("snapshot-"));
  EXPECT_LE(static_cast<double>(bench.disk.get(names[2])->size()) / 800, 64);
  commit_some(&bench, &acked, 700, 200);
  bench.power_cut();
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_TRUE(bench.recovered.had_snapshot);
  EXPECT_EQ(bench.recovered_leases, acked);
  EXPECT_EQ(bench.journal->sequence(), 1000u);
}

TEST(Journal, ASnapshotIsWantedAfterEnoughBytesAndAfterARestart) {
  Bench bench;
  LeaseMap acked;
  auto options = small_options();
  options.snapshot_after_bytes = 4096;
  ASSERT_TRUE(bench.open(options));
  commit_some(&bench, &acked, 0, 10);
  EXPECT_FALSE(bench.journal->wants_snapshot());
  commit_some(&bench, &acked, 10, 60);
  EXPECT_TRUE(bench.journal->wants_snapshot());
  bench.power_cut();
  ASSERT_TRUE(bench.open());
  bench.background.run_all();
  bench.ready();
  // "A failed write or sync is final until a restart, whose recovery writes a fresh snapshot."
  EXPECT_TRUE(bench.journal->wants_snapshot());
  bench.snapshot(acked);
  bench.power_cut();
  ASSERT_TRUE(bench.open());
  bench.background.run_all();
  bench.ready();
  EXPECT_FALSE(bench.journal->wants_snapshot()) << "nothing was committed since the last one";
}

TEST(Journal, ChangesDuringASnapshotWin) {
  Bench bench;
  LeaseMap acked;
  ASSERT_TRUE(bench.open());
  commit_some(&bench, &acked, 0, 100);
  const LeaseMap old = acked;
  bench.journal->ask_for_snapshot();
  bench.background.run_all();
  ASSERT_TRUE(bench.ready());
  ASSERT_TRUE(bench.journal->wants_snapshot());
  bench.journal->begin_snapshot();
  commit_some(&bench, &acked, 0, 50);
  OwnedLease gone = acked.begin()->second;
  gone.fields.state = LeaseState::Free;
  ASSERT_TRUE(bench.commit_one(&gone));
  acked[gone.fields.address.value] = gone;
  for (const auto& [address, lease] : old) bench.journal->add_to_snapshot(lease.view());
  bench.journal->end_snapshot();
  bench.background.run_all();
  bench.ready();
  EXPECT_EQ(bench.journal->stats().snapshots, 1u);
  bench.power_cut();
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.recovered_leases, acked);
}

TEST(Journal, AFullDiskStopsAndResumesByItself) {
  Bench bench;
  LeaseMap acked;
  ASSERT_TRUE(bench.open());
  bench.background.run_all();
  bench.disk.set_full(true);
  uint32_t n = 0;
  for (; bench.ready() && n < 10000; ++n) {
    bench.background.run_all();
    OwnedLease lease = typical_lease(n, bench.now.lease_s);
    ASSERT_TRUE(bench.commit_one(&lease));
    acked[lease.fields.address.value] = lease;
  }
  ASSERT_LT(n, 10000u);
  EXPECT_GT(n, 100u) << "the segments in hand were used";
  EXPECT_FALSE(bench.journal->failed());
  EXPECT_GT(bench.journal->stats().space_failures, 0u);
  // A commit now may still fit; when it does not, it says so and nothing is lost.
  for (int i = 0; i < 1000; ++i) {
    OwnedLease lease = typical_lease(n, bench.now.lease_s);
    auto done = bench.commit_one(&lease);
    if (!done) {
      EXPECT_EQ(done.error().kind, ErrorKind::NoSpace);
      break;
    }
    acked[lease.fields.address.value] = lease;
    ++n;
  }
  EXPECT_FALSE(bench.journal->failed());
  bench.disk.set_full(false);
  for (int i = 0; i < 5 && !bench.ready(); ++i) bench.background.run_all();
  EXPECT_TRUE(bench.ready());
  commit_some(&bench, &acked, n + 1, 10);
  bench.power_cut();
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases, acked);
}

TEST(Journal, TriesForRoomAreRateLimited) {
  Bench bench;
  bench.disk.set_full(true);
  ASSERT_TRUE(bench.open()) << "a full disk stops granting, not the server";
  EXPECT_FALSE(bench.journal->ready(bench.now));
  for (int i = 0; i < 100; ++i) {
    bench.now.boot_ns += kNsPerSecond / 100;
    bench.journal->ready(bench.now);
    bench.background.run_all();
  }
  EXPECT_LE(bench.journal->stats().space_failures, 3u);
  bench.disk.set_full(false);
  for (int i = 0; i < 3; ++i) {
    bench.ready();
    bench.background.run_all();
  }
  EXPECT_TRUE(bench.ready());
}

TEST(Journal, AFailedWriteOrSyncIsFinal) {
  for (uint64_t good : {0u, 1u}) {  // the write fails, or the sync behind it
    Bench bench;
    LeaseMap acked;
    ASSERT_TRUE(bench.open());
    commit_some(&bench, &acked, 0, 5);
    bench.background.run_all();
    ASSERT_TRUE(bench.ready());
    bench.disk.fail_after(good);
    OwnedLease lost = typical_lease(5, bench.now.lease_s);
    ASSERT_FALSE(bench.commit_one(&lost));
    bench.disk.heal();
    EXPECT_TRUE(bench.journal->failed());
    EXPECT_NE(bench.journal->failure(), "");
    EXPECT_FALSE(bench.ready());
    EXPECT_FALSE(bench.journal->wants_snapshot());
    ASSERT_FALSE(bench.commit_one(&lost));
    EXPECT_EQ(bench.journal->sequence(), 5u);
    bench.close();
    ASSERT_TRUE(bench.open()) << bench.error.text;
    bench.recovered_leases.erase(lost.fields.address.value);
    EXPECT_EQ(bench.recovered_leases, acked);
  }
}

// After a failed sync Linux shows in the page cache what the disk does not have. What recovery
// found there is on the disk before anything builds on it.
TEST(Journal, WhatRecoveryReadIsDurableBeforeItGoesOn) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Bench bench(seed);
    LeaseMap acked;
    ASSERT_TRUE(bench.open());
    commit_some(&bench, &acked, 0, 5);
    bench.background.run_all();
    ASSERT_TRUE(bench.ready());
    bench.disk.fail_after(1);
    OwnedLease lost = typical_lease(5, bench.now.lease_s);
    ASSERT_FALSE(bench.commit_one(&lost));
    bench.disk.heal();
    bench.close();  // the process dies, the machine does not
    ASSERT_TRUE(bench.open()) << bench.error.text;
    acked = bench.recovered_leases;
    EXPECT_EQ(acked.size(), 6u);
    commit_some(&bench, &acked, 10, 3);
    bench.power_cut(Cut::Forget);
    ASSERT_TRUE(bench.open()) << "seed " << seed << ": " << bench.error.text;
    EXPECT_EQ(bench.recovered_leases, acked) << "seed " << seed;
  }
}

TEST(Journal, TimesBeforeAClockStepAreReadLater) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  LeaseMap acked;
  commit_some(&bench, &acked, 0, 2);
  OwnedLease forever = typical_lease(7, bench.now.lease_s);
  forever.fields.expiry = kLeaseTimeInfinite;
  forever.fields.start = 0;
  ASSERT_TRUE(bench.commit_one(&forever));
  ASSERT_TRUE(bench.journal->commit_clock_step(3600, bench.now));
  bench.now.lease_s += 3600;
  LeaseMap after;
  commit_some(&bench, &after, 10, 2);
  ASSERT_TRUE(bench.journal->commit_clock_step(-600, bench.now));
  bench.now.lease_s -= 600;
  for (auto& [address, lease] : acked) {
    lease.fields.start += 3000;
    lease.fields.expiry += 3000;
    lease.fields.last_transaction += 3000;
  }
  for (auto& [address, lease] : after) {
    lease.fields.start -= 600;
    lease.fields.expiry -= 600;
    lease.fields.last_transaction -= 600;
    acked[address] = lease;
  }
  forever.fields.last_transaction += 3000;
  acked[forever.fields.address.value] = forever;
  bench.power_cut();
  for (int life = 0; life < 2; ++life) {
    ASSERT_TRUE(bench.open()) << bench.error.text;
    EXPECT_EQ(bench.recovered_leases, acked);
    bench.snapshot(acked);
    EXPECT_EQ(bench.journal->stats().snapshots, 1u);
    bench.power_cut();
  }
}

TEST(Journal, AClockStepDuringASnapshotShiftsWhatWasGivenBefore) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  LeaseMap acked;
  commit_some(&bench, &acked, 0, 4);
  bench.journal->ask_for_snapshot();
  bench.background.run_all();
  ASSERT_TRUE(bench.ready());
  bench.journal->begin_snapshot();
  auto it = acked.begin();
  for (int i = 0; i < 2; ++i) bench.journal->add_to_snapshot((it++)->second.view());
  ASSERT_TRUE(bench.journal->commit_clock_step(100, bench.now));
  for (auto& [address, lease] : acked) {
    lease.fields.start += 100;
    lease.fields.expiry += 100;
    lease.fields.last_transaction += 100;
  }
  for (; it != acked.end(); ++it) bench.journal->add_to_snapshot(it->second.view());
  bench.journal->end_snapshot();
  bench.background.run_all();
  bench.power_cut();
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_TRUE(bench.recovered.had_snapshot);
  EXPECT_EQ(bench.recovered_leases, acked);
}

TEST(Journal, AFailedSnapshotLeavesTheJournalWholeAndIsTriedAgainLater) {
  Bench bench;
  LeaseMap acked;
  ASSERT_TRUE(bench.open());
  commit_some(&bench, &acked, 0, 100);
  bench.journal->ask_for_snapshot();
  bench.background.run_all();
  ASSERT_TRUE(bench.ready());
  bench.journal->begin_snapshot();
  for (const auto& [address, lease] : acked) bench.journal->add_to_snapshot(lease.view());
  bench.ready();  // the next segment is asked for,
  bench.background.run_all();
  bench.ready();  // and there
  bench.journal->end_snapshot();
  bench.disk.fail_after(0);
  bench.background.run_all();
  bench.disk.heal();
  bench.ready();
  EXPECT_EQ(bench.journal->stats().snapshot_failures, 1u);
  EXPECT_FALSE(bench.journal->failed());
  EXPECT_FALSE(bench.journal->wants_snapshot());
  bench.pass(61);
  bench.ready();
  EXPECT_TRUE(bench.journal->wants_snapshot());
  commit_some(&bench, &acked, 200, 5);
  bench.power_cut();
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.recovered_leases, acked);
}

TEST(Journal, ASlowSnapshotWriterBoundsWhatIsTaken) {
  Bench bench;
  LeaseMap acked;
  ASSERT_TRUE(bench.open());
  commit_some(&bench, &acked, 0, 1);
  bench.journal->ask_for_snapshot();
  bench.background.run_all();
  ASSERT_TRUE(bench.ready());
  bench.journal->begin_snapshot();
  OwnedLease longest = typical_lease(0, bench.now.lease_s);
  longest.hardware_address.assign(16, 1);
  longest.client_id.assign(255, 2);
  longest.hostname.assign(255, 3);
  longest.relay_info.assign(255, 4);
  size_t slices = 0;
  for (; bench.journal->snapshot_has_room(); ++slices) {
    ASSERT_LT(slices, 100u);
    for (size_t i = 0; i < kSnapshotLeasesPerTurn; ++i) {
      longest.fields.address.value++;
      bench.journal->add_to_snapshot(longest.view());
    }
  }
  EXPECT_GT(slices, 0u);
  bench.journal->end_snapshot();
  bench.background.run_all();
  bench.ready();
  EXPECT_EQ(bench.journal->stats().snapshots, 1u);
  bench.power_cut();
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered.records, slices * kSnapshotLeasesPerTurn);
}

TEST(Journal, AFullCommitOfTheLongestRecordsFits) {
  Bench bench;
  ASSERT_TRUE(bench.open());
  LeaseMap acked;
  for (int round = 0; round < 10; ++round) {
    bench.background.run_all();
    ASSERT_TRUE(bench.ready());
    std::vector<OwnedLease> leases(8, typical_lease(1, bench.now.lease_s));
    for (uint32_t i = 0; i < 8; ++i) {
      leases[i].fields.address.value += i;
      leases[i].fields.start = 0;
      leases[i].fields.expiry = kLeaseTimeInfinite;
      leases[i].fields.last_transaction = 1;
      leases[i].fields.bootp = true;
      leases[i].fields.hardware_type = 255;
      leases[i].hardware_address.assign(16, 1);
      leases[i].client_id.assign(255, 2);
      leases[i].hostname.assign(255, 0);
      leases[i].relay_info.assign(255, 0);
    }
    ASSERT_TRUE(bench.commit(&leases));
    for (const OwnedLease& l : leases) acked[l.fields.address.value] = l;
  }
  bench.power_cut();
  ASSERT_TRUE(bench.open());
  EXPECT_EQ(bench.recovered_leases, acked);
}

// With the server's own options: a segment takes kJournalSegmentBytes and not a byte more, then the
// next one is taken.
TEST(Journal, ASegmentIsFilledToItsLimit) {
  Bench bench;
  Journal::Options options;
  ASSERT_TRUE(bench.open(options));
  const std::string first = file_name(FileKind::Segment, 1);
  ASSERT_EQ(bench.disk.get(first)->size(), kJournalSegmentBytes);
  std::vector<OwnedLease> leases;
  for (uint32_t n = 0; n < bench.pool.size(); ++n) {
    leases.push_back(typical_lease(n, bench.now.lease_s));
    leases.back().client_id.assign(kClientIdBytesMax, 1);
    leases.back().hostname.assign(kHostnameBytesMax, 2);
    leases.back().relay_info.assign(kRelayInfoBytesMax, 3);
  }
  uint64_t frame_bytes = 0;
  while (bench.journal->stats().bytes_written <= kJournalSegmentBytes) {
    bench.background.run_all();
    ASSERT_TRUE(bench.ready());
    const uint64_t before = bench.journal->stats().bytes_written;
    ASSERT_TRUE(bench.commit(&leases));
    frame_bytes = bench.journal->stats().bytes_written - before;
  }
  ASSERT_EQ(bench.disk.get(first)->size(), kJournalSegmentBytes);
  bench.power_cut();
  const auto image = load_image(bench.disk);
  ASSERT_TRUE(image);
  ASSERT_EQ(image->used, 2u);
  // As full as frames of that size make it.
  EXPECT_GT(image->segments[0].scan.end + frame_bytes, kJournalSegmentBytes);
  EXPECT_LE(image->segments[0].scan.end, kJournalSegmentBytes);
  ASSERT_TRUE(bench.open(options)) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases.size(), leases.size());
}

// A background thread that is one, for the thread sanitizer.
class ThreadBackground final : public io::Background {
 public:
  ThreadBackground() : thread_([this] { run(); }) {}
  ~ThreadBackground() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    posted_.notify_one();
    thread_.join();
  }
  void post(std::function<void()> job) override {
    {
      std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    posted_.notify_one();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      posted_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

TEST(Journal, WorksBesideARealBackgroundThread) {
  Bench bench;
  LeaseMap acked;
  ThreadBackground thread;
  auto opened = Journal::open(
      bench.disk, thread, bench.log, small_options(), [](const LeaseRecord&) {}, nullptr);
  ASSERT_TRUE(opened);
  bench.journal = std::move(*opened);
  for (uint32_t n = 0; n < 3000; ++n) {
    while (!bench.ready()) std::this_thread::yield();
    OwnedLease lease = typical_lease(n % 500, bench.now.lease_s);
    ASSERT_TRUE(bench.commit_one(&lease));
    acked[lease.fields.address.value] = lease;
    if (n % 700 == 0) bench.journal->ask_for_snapshot();
    if (!bench.journal->wants_snapshot()) continue;
    bench.journal->begin_snapshot();
    for (const auto& [address, kept] : acked) {
      while (!bench.journal->snapshot_has_room()) std::this_thread::yield();
      bench.journal->add_to_snapshot(kept.view());
    }
    bench.journal->end_snapshot();
  }
  EXPECT_GE(bench.journal->stats().snapshots, 1u);
  bench.power_cut();  // with jobs under way
  ASSERT_TRUE(bench.open()) << bench.error.text;
  EXPECT_EQ(bench.recovered_leases, acked);
}

}  // namespace
}  // namespace hookline::store
