// What the lease journal costs: commits made durable, bytes of disk a lease, time to recover.
//
//   bench_recovery DIR [LEASES]     DIR must be empty; it is left with the journal in it
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "io/linux/background.h"
#include "io/linux/clock.h"
#include "io/linux/directory.h"
#include "store/format.h"
#include "store/journal.h"

using namespace hookline;

namespace {

constexpr LeaseSeconds kStart = 1'700'000'000;
constexpr size_t kPerCommit = 256;

io::LinuxClock g_clock;

double seconds_now() { return static_cast<double>(g_clock.read().boot_ns) / 1e9; }

Now now() {
  const int64_t boot_ns = g_clock.read().boot_ns;
  return {boot_ns, kStart + static_cast<LeaseSeconds>(boot_ns / kNsPerSecond % 100000)};
}

[[noreturn]] void give_up(const Error& error) {
  fmt::print(stderr, "{}\n", error.text);
  std::exit(1);
}

// A typical lease: hardware address and client identifier, no hostname. The bytes stay in `ids`.
struct Leases {
  explicit Leases(size_t count) : ids(count * 13), count_(count) {
    for (size_t n = 0; n < count; ++n) {
      uint8_t* p = &ids[n * 13];
      const uint8_t mac[6] = {2,
                              0,
                              static_cast<uint8_t>(n >> 24),
                              static_cast<uint8_t>(n >> 16),
                              static_cast<uint8_t>(n >> 8),
                              static_cast<uint8_t>(n)};
      std::copy(mac, mac + 6, p);
      p[6] = 1;
      std::copy(mac, mac + 6, p + 7);
    }
  }
  LeaseRecord at(size_t n, LeaseSeconds now_s) const {
    LeaseRecord r;
    r.address = Ipv4{0x0A000000 + static_cast<uint32_t>(n)};
    r.state = LeaseState::Active;
    r.hardware_type = 1;
    r.scope_key = 0x1234ABCD;
    r.start = now_s - static_cast<LeaseSeconds>(n % 86400);
    r.last_transaction = now_s - static_cast<LeaseSeconds>(n % 3600);
    r.expiry = r.last_transaction + 86400;
    r.sequence = n + 1;
    r.hardware_address = {&ids[n * 13], 6};
    r.client_id = {&ids[n * 13 + 6], 7};
    return r;
  }
  std::vector<uint8_t> ids;
  size_t count_;
};

void print_times(const char* what, std::vector<double> us) {
  std::sort(us.begin(), us.end());
  const auto at = [&us](double q) {
    return us[static_cast<size_t>(q * static_cast<double>(us.size() - 1))];
  };
  fmt::print("{}: p50 {:.0f} us, p99 {:.0f} us, p99.9 {:.0f} us, max {:.0f} us\n", what, at(0.5),
             at(0.99), at(0.999), us.back());
}

std::unique_ptr<store::Journal> open_journal(io::Directory& directory, io::Background& background,
                                             Logger& log) {
  uint64_t seen = 0;
  store::Recovered found;
  const double begin = seconds_now();
  auto journal = store::Journal::open(
      directory, background, log, {}, [&seen](const LeaseRecord& r) { seen += r.address.value; },
      &found);
  const double took = seconds_now() - begin;
  if (!journal) give_up(journal.error());
  fmt::print("open: {} records from {}{} segments in {:.3f} s\n", found.records,
             found.had_snapshot ? "a snapshot and " : "", found.segments, took);
  return std::move(*journal);
}

void wait_ready(store::Journal& journal) {
  while (!journal.ready(now())) {
    if (journal.failed()) give_up({ErrorKind::Io, journal.failure()});
  }
}

void commit(store::Journal& journal, const Leases& leases, size_t first, size_t count) {
  std::array<LeaseRecord, kPerCommit> records;
  const Now at = now();
  for (size_t i = 0; i < count; ++i) records[i] = leases.at(first + i, at.lease_s);
  Batch<Proposal> none;
  auto done = journal.commit(none, {records.data(), count}, at);
  if (!done) give_up(done.error());
}

void commit_all(store::Journal& journal, const Leases& leases) {
  std::vector<double> us;
  const double begin = seconds_now();
  for (size_t n = 0; n < leases.count_; n += kPerCommit) {
    wait_ready(journal);
    const double before = seconds_now();
    commit(journal, leases, n, std::min(kPerCommit, leases.count_ - n));
    us.push_back((seconds_now() - before) * 1e6);
  }
  const double took = seconds_now() - begin;
  fmt::print("commit: {} leases, {} a commit: {:.2f} s, {:.0f} k leases/s durable, {} segments\n",
             leases.count_, kPerCommit, took, static_cast<double>(leases.count_) / took / 1e3,
             journal.stats().segments);
  print_times("  one commit of 256", us);
  us.clear();
  for (size_t n = 0; n < std::min<size_t>(2000, leases.count_); ++n) {
    wait_ready(journal);
    const double before = seconds_now();
    commit(journal, leases, n, 1);
    us.push_back((seconds_now() - before) * 1e6);
  }
  print_times("  one commit of 1", us);
}

void snapshot(store::Journal& journal, const Leases& leases) {
  journal.ask_for_snapshot();
  do wait_ready(journal);
  while (!journal.wants_snapshot());
  const double begin = seconds_now();
  journal.begin_snapshot();
  double fed = 0;
  for (size_t n = 0; n < leases.count_;) {
    if (!journal.snapshot_has_room()) continue;
    const double before = seconds_now();
    for (size_t i = 0; i < kSnapshotLeasesPerTurn && n < leases.count_; ++i, ++n) {
      journal.add_to_snapshot(leases.at(n, kStart));
    }
    fed += seconds_now() - before;
  }
  journal.end_snapshot();
  while (journal.stats().snapshots == 0) wait_ready(journal);
  fmt::print("snapshot: {:.3f} s, of which {:.3f} s on the packet thread, {:.1f} bytes a lease\n",
             seconds_now() - begin, fed,
             static_cast<double>(journal.stats().last_snapshot_bytes) /
                 static_cast<double>(leases.count_));
}

void time_encoding(const Leases& leases) {
  std::vector<uint8_t> out(kPerCommit * kJournalRecordBytesMax);
  store::FrameHeader header;
  header.base_s = kStart;
  const double begin = seconds_now();
  for (size_t n = 0; n + kPerCommit <= leases.count_; n += kPerCommit) {
    uint8_t* p = out.data();
    for (size_t i = 0; i < kPerCommit; ++i) {
      p = store::encode_lease(p, leases.at(n + i, kStart), header, false);
    }
  }
  fmt::print("encode: {:.0f} ns a record\n",
             (seconds_now() - begin) * 1e9 / static_cast<double>(leases.count_));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "bench_recovery DIR [LEASES]\n");
    return 2;
  }
  const Leases leases(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000);
  const std::string path = argv[1];
  Logger log(stderr, LogLevel::Warning);
  io::LinuxBackground background;
  time_encoding(leases);
  {
    auto directory = io::LinuxDirectory::open(path);
    if (!directory) give_up(directory.error());
    auto journal = open_journal(**directory, background, log);
    commit_all(*journal, leases);
  }
  {
    auto directory = io::LinuxDirectory::open(path);
    auto journal = open_journal(**directory, background, log);
    snapshot(*journal, leases);
  }
  for (int i = 0; i < 2; ++i) {
    auto directory = io::LinuxDirectory::open(path);
    auto journal = open_journal(**directory, background, log);
  }
  return 0;
}
