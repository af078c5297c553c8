// What the tests of the journal share: proposals made without the stages before, leases that own
// their bytes, a background thread that runs when told.
#pragma once

#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <vector>

#include "../../tests/sim/disk.h"
#include "line/stages.h"
#include "store/journal.h"

// The real stages are not linked here: these stand-ins hold their pass-keys.
namespace hookline::receive {
class Receiver {
 public:
  static Frame make(PacketHandle p) { return Frame(PassKey<Receiver>{}, std::move(p)); }
};
}  // namespace hookline::receive
namespace hookline::filter {
class FilterEngine {
 public:
  static Admitted make(Frame f) { return Admitted(PassKey<FilterEngine>{}, std::move(f)); }
};
}  // namespace hookline::filter
namespace hookline::wire {
class Decoder {
 public:
  static Request make(Admitted a) { return Request(PassKey<Decoder>{}, std::move(a)); }
};
}  // namespace hookline::wire
namespace hookline::lease {
class Engine {
 public:
  static Proposal make(Request r) { return Proposal(PassKey<Engine>{}, std::move(r)); }
};
}  // namespace hookline::lease

namespace hookline::store::testing {

// A lease with its own bytes.
struct OwnedLease {
  LeaseRecord fields;  // its views are not used
  std::vector<uint8_t> hardware_address, client_id, hostname, relay_info;

  OwnedLease() = default;
  explicit OwnedLease(const LeaseRecord& r)
      : fields(r),
        hardware_address(r.hardware_address.begin(), r.hardware_address.end()),
        client_id(r.client_id.begin(), r.client_id.end()),
        hostname(r.hostname.begin(), r.hostname.end()),
        relay_info(r.relay_info.begin(), r.relay_info.end()) {}

  LeaseRecord view() const {
    LeaseRecord r = fields;
    r.hardware_address = hardware_address;
    r.client_id = client_id;
    r.hostname = hostname;
    r.relay_info = relay_info;
    return r;
  }
  bool operator==(const OwnedLease& o) const {
    const LeaseRecord &a = fields, &b = o.fields;
    return a.address == b.address && a.state == b.state && a.bootp == b.bootp &&
           a.hardware_type == b.hardware_type && a.scope_key == b.scope_key && a.start == b.start &&
           a.expiry == b.expiry && a.last_transaction == b.last_transaction &&
           a.sequence == b.sequence && hardware_address == o.hardware_address &&
           client_id == o.client_id && hostname == o.hostname && relay_info == o.relay_info;
  }
};

inline std::ostream& operator<<(std::ostream& out, const OwnedLease& l) {
  return out << l.fields.address.text() << " #" << l.fields.sequence << " state "
             << static_cast<int>(l.fields.state) << " start " << l.fields.start << " expiry "
             << l.fields.expiry << " cltt " << l.fields.last_transaction;
}

// The newest record of each address.
using LeaseMap = std::map<uint32_t, OwnedLease>;

inline void keep_newest(LeaseMap* map, const LeaseRecord& record) {
  OwnedLease& kept = (*map)[record.address.value];
  if (kept.fields.sequence <= record.sequence) kept = OwnedLease(record);
}

// Of a typical client: hardware address and client identifier, no hostname.
inline OwnedLease typical_lease(uint32_t n, LeaseSeconds now_s) {
  OwnedLease l;
  l.fields.address = Ipv4{0x0A000001 + n};
  l.fields.state = LeaseState::Active;
  l.fields.hardware_type = 1;
  l.fields.scope_key = 0x9E3779B9;
  l.fields.start = now_s;
  l.fields.expiry = now_s + 86400;
  l.fields.last_transaction = now_s;
  const auto b = [n](int shift) { return static_cast<uint8_t>(n >> shift); };
  l.hardware_address = {2, 0, b(24), b(16), b(8), b(0)};
  l.client_id = {1, 2, 0, b(24), b(16), b(8), b(0)};
  return l;
}

class ManualBackground final : public io::Background {
 public:
  void post(std::function<void()> job) override { jobs.push_back(std::move(job)); }
  bool run_one() {
    if (jobs.empty()) return false;
    auto job = std::move(jobs.front());
    jobs.pop_front();
    job();
    return true;
  }
  void run_all() {
    while (run_one()) {
    }
  }
  std::deque<std::function<void()>> jobs;
};

// Small, so that tests see many segments and snapshots.
inline Journal::Options small_options() {
  Journal::Options options;
  options.commit_records_max = 8;
  options.segment_bytes = 16384;
  options.snapshot_after_bytes = 1 << 30;
  return options;
}

// A journal on a simulated disk, and the life around it.
class Bench {
 public:
  explicit Bench(uint64_t seed = 1) : disk(seed), quiet(std::fopen("/dev/null", "w")), log(quiet) {
    now.lease_s = 1'700'000'000;
  }
  ~Bench() {
    close();
    std::fclose(quiet);
  }

  // False: `error` says why.
  bool open(Journal::Options options = small_options()) {
    recovered_leases.clear();
    auto opened = Journal::open(
        disk, background, log, options,
        [this](const LeaseRecord& r) { keep_newest(&recovered_leases, r); }, &recovered);
    if (!opened) {
      error = opened.error();
      return false;
    }
    journal = std::move(*opened);
    return true;
  }
  // Ends the process: what the background had not done stays undone.
  void close() {
    journal.reset();
    background.jobs.clear();
    disk.kill_process();
  }
  void power_cut(sim::SimDisk::Cut cut = sim::SimDisk::Cut::Random) {
    close();
    disk.power_cut(cut);
  }
  bool ready() {
    pass();
    return journal->ready(now);
  }
  void pass(int64_t seconds = 1) {
    now.boot_ns += seconds * kNsPerSecond;
    now.lease_s += static_cast<LeaseSeconds>(seconds);
  }

  // Commits leases as proposals; on success their sequence numbers are set.
  Result<void> commit(std::vector<OwnedLease>* leases, std::vector<OwnedLease>* others = nullptr) {
    Batch<Proposal> proposals;
    for (OwnedLease& lease : *leases) proposals.push(propose(lease));
    std::vector<LeaseRecord> other_views;
    if (others != nullptr) {
      for (OwnedLease& o : *others) other_views.push_back(o.view());
    }
    const uint64_t before = journal->sequence();
    auto done = journal->commit(proposals, other_views, now);
    give_back(proposals);
    if (!done) return tl::unexpected(done.error());
    for (size_t i = 0; i < done->size(); ++i) {
      (*leases)[i].fields.sequence = (*done)[i].grant().record.sequence;
    }
    give_back(*done);
    for (size_t i = 0; others != nullptr && i < others->size(); ++i) {
      (*others)[i].fields.sequence = before + leases->size() + i + 1;
    }
    return {};
  }
  Result<void> commit_one(OwnedLease* lease) {
    std::vector<OwnedLease> one{*lease};
    auto done = commit(&one);
    *lease = one[0];
    return done;
  }

  Proposal propose(const OwnedLease& lease) {
    PacketHandle packet = pool.take();
    packet->grant.reply = ReplyKind::Ack;
    packet->grant.record = lease.view();
    return lease::Engine::make(wire::Decoder::make(
        filter::FilterEngine::make(receive::Receiver::make(std::move(packet)))));
  }
  template <class Products>
  void give_back(Products& products) {
    for (auto& product : products) pool.give_back(std::move(product).release());
    products.clear();
  }

  std::vector<std::string> names() { return disk.list().value(); }

  // Gives all of `leases` to a snapshot and lets it be finished.
  void snapshot(const LeaseMap& leases) {
    journal->ask_for_snapshot();
    background.run_all();
    ready();
    background.run_all();
    ready();
    if (!journal->wants_snapshot()) return;
    journal->begin_snapshot();
    for (const auto& [address, lease] : leases) {
      while (!journal->snapshot_has_room()) background.run_all();
      journal->add_to_snapshot(lease.view());
    }
    journal->end_snapshot();
    background.run_all();
    ready();
    background.run_all();
    ready();
  }

  sim::SimDisk disk;
  ManualBackground background;
  std::FILE* quiet;
  Logger log;
  PacketPool pool{64};
  Now now{1, 0};
  std::unique_ptr<Journal> journal;
  Recovered recovered;
  LeaseMap recovered_leases;
  Error error;
};

}  // namespace hookline::store::testing
