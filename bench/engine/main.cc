// What the lease engine costs by itself, without a wire or a disk: an exchange, and a reload.
//
//   bench_engine [LEASES [BATCH [ROUNDS]]]     medians of ROUNDS rounds; pin it to a core
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "lease/testing.h"

using namespace hookline;
using namespace hookline::lease;
using namespace hookline::lease::testing;

namespace {

// Of this thread only: what else the machine does costs nothing but cache.
struct Clock {
  using time_point = int64_t;
  static time_point now() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
};

double ns_since(Clock::time_point start) { return static_cast<double>(Clock::now() - start); }

std::shared_ptr<Config> pool(const char* last = "10.127.255.250") {
  return make_config({make_scope("pool", "10.64.0.0/10", {range("10.64.0.10", last)}),
                      make_scope("other", "10.0.0.0/16", {range("10.0.0.10", "10.0.255.250")})});
}

// A hardware address and the client identifier that most clients make of it.
Ask ask_of(uint32_t client, MessageType type) {
  Ask ask = Ask(type).client(client).giaddr("10.64.0.1");
  std::vector<uint8_t> id = {1};
  id.insert(id.end(), ask.hardware.begin(), ask.hardware.end());
  return ask.option(option::kClientIdentifier, id);
}

// Batches through propose() and apply(); only those are timed.
class Lane {
 public:
  Lane(World& world, size_t batch) : world_(world), batch_(batch) {}

  // MakeAsk: client number → Ask. Adds to *ns; fills `given` by place in the run.
  template <class MakeAsk>
  void run(const std::vector<uint32_t>& clients, double* ns, MakeAsk make_ask) {
    for (size_t done = 0; done < clients.size(); done += batch_) {
      const size_t n = std::min(batch_, clients.size() - done);
      Batch<Request> batch;
      for (size_t i = 0; i < n; ++i) batch.push(world_.request(make_ask(clients[done + i])));
      const auto start = Clock::now();
      Proposed proposed = world_.engine.propose(std::move(batch), world_.now());
      *ns += ns_since(start);
      Batch<Committed> committed;
      for (Proposal& p : proposed.durable) {
        p.packet().grant.record.sequence = ++world_.sequence;
        committed.push(store::Journal::make(std::move(p)));
      }
      const auto apply = Clock::now();
      for (const Committed& c : committed) world_.engine.apply(c);
      *ns += ns_since(apply);
      granted += committed.size();
      for (Committed& c : committed) keep(std::move(c).release());
      for (Immediate& i : proposed.immediate) keep(std::move(i).release());
      for (Request& r : proposed.deferred) keep(std::move(r).release());
    }
  }

  std::vector<Ipv4> given;  // by client number
  size_t granted = 0;

 private:
  void keep(PacketHandle packet) {
    const uint32_t client = load_be32(&packet->message.chaddr[2]);
    if (client < given.size()) given[client] = packet->grant.address;
    world_.complete(std::move(packet));
  }
  World& world_;
  size_t batch_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void print(const char* what, const std::vector<double>& ns, const char* unit, double per) {
  fmt::print("{:<44}{:10.1f} {}  ({:.1f} to {:.1f})\n", what, median(ns) / per, unit,
             *std::min_element(ns.begin(), ns.end()) / per,
             *std::max_element(ns.begin(), ns.end()) / per);
}

void exchanges(World& world, uint32_t leases, size_t batch, int rounds) {
  constexpr uint32_t kPerRound = 16384;
  Lane lane(world, batch);
  lane.given.resize(leases + kPerRound * static_cast<uint32_t>(rounds + 1));
  std::vector<double> discover, request, renew;
  uint32_t next = leases;
  uint64_t random = 88172645463325252ull;
  for (int round = 0; round < rounds; ++round) {
    double d = 0, r = 0, n = 0;
    std::vector<uint32_t> fresh(kPerRound), some(kPerRound);
    for (uint32_t& c : fresh) c = next++;
    for (size_t i = 0; i < kPerRound; i += batch) {
      const std::vector<uint32_t> part(fresh.begin() + i,
                                       fresh.begin() + std::min<size_t>(i + batch, kPerRound));
      lane.run(part, &d, [](uint32_t c) { return ask_of(c, MessageType::Discover); });
      lane.run(part, &r, [&](uint32_t c) {
        return ask_of(c, MessageType::Request).requested(lane.given[c]).server("10.0.0.1");
      });
    }
    for (uint32_t& c : some) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      c = static_cast<uint32_t>(random % leases);
    }
    std::sort(some.begin(), some.end());
    some.erase(std::unique(some.begin(), some.end()), some.end());
    for (size_t i = some.size(); i > 1; --i) {
      random ^= random << 13, random ^= random >> 7, random ^= random << 17;
      std::swap(some[i - 1], some[random % i]);
    }
    lane.run(some, &n, [&](uint32_t c) {
      return ask_of(c, MessageType::Request).ciaddr(Ipv4{ip("10.64.0.10").value + c});
    });
    discover.push_back(d / kPerRound);
    request.push_back(r / kPerRound);
    renew.push_back(n / static_cast<double>(some.size()));
  }
  if (lane.granted < size_t{kPerRound} * static_cast<size_t>(rounds)) fmt::print("NOT GRANTED\n");
  print("DISCOVER of a new client", discover, "ns", 1);
  print("its REQUEST", request, "ns", 1);
  print("a renewal", renew, "ns", 1);
}

void fill(World& world, uint32_t leases) {
  const auto start = Clock::now();
  for (uint32_t c = 0; c < leases; ++c) {
    uint8_t ids[13] = {2, 0xC1, 0, 0, 0, 0, 1, 2, 0xC1};
    store_be32(ids + 2, c);
    store_be32(ids + 9, c);
    LeaseRecord r;
    r.address = {ip("10.64.0.10").value + c};
    r.state = LeaseState::Active;
    r.hardware_type = 1;
    r.hardware_address = {ids, 6};
    r.client_id = {ids + 6, 7};
    r.start = r.last_transaction = world.time_s;
    r.expiry = world.time_s + 80'000 + c % 3600;
    r.sequence = ++world.sequence;
    world.engine.restore(r);
  }
  std::vector<uint32_t> none;
  double ns = 0;
  Lane(world, 1).run({leases + 10'000'000}, &ns,
                     [](uint32_t c) { return ask_of(c, MessageType::Discover); });
  fmt::print("{:<44}{:10.1f} ms\n", "recovery of the leases, and the first answer",
             ns_since(start) / 1e6);
}

void reload(World& world, const char* what, std::shared_ptr<const Config> config) {
  auto start = Clock::now();
  if (!world.engine.prepare(config)) std::abort();
  const double ahead = ns_since(start);
  start = Clock::now();
  if (!world.engine.configure(config, world.links)) std::abort();
  const double stall = ns_since(start);
  double longest = 0;
  int slices = 0;
  for (bool more = true; more; ++slices) {
    start = Clock::now();
    more = world.engine.settle_some(16384);
    longest = std::max(longest, ns_since(start));
  }
  fmt::print("reload: {:<36}{:10.3f} ms  (ahead {:.3f} ms, {} slices of at most {:.3f} ms)\n", what,
             stall / 1e6, ahead / 1e6, slices, longest / 1e6);
  world.engine.discard_old();
}

void reloads(World& world) {
  reload(world, "nothing changed", pool());
  reload(world, "nothing changed", pool());
  auto more = pool();
  auto scopes = more->scopes;
  scopes.insert(scopes.begin(),
                make_scope("new", "172.16.0.0/16", {range("172.16.0.9", "172.16.9.9")}));
  reload(world, "a scope came", make_config(scopes));
  reload(world, "a scope went", pool());
  reload(world, "half of the leases outside of the range", pool("10.71.161.10"));
  reload(world, "and inside again", pool());
  auto without = make_config({pool()->scopes[1]});
  reload(world, "the scope of a million went", without);
  reload(world, "and came back", pool());
  scopes = pool()->scopes;
  scopes[0].superscope = scopes[1].superscope = "wire";
  reload(world, "into a superscope", make_config(scopes));
  scopes = pool()->scopes;
  scopes[0].subnet = Prefix::parse("10.64.0.0/11").value();
  scopes[0].ranges = {range("10.64.0.10", "10.95.0.10")};
  reload(world, "another subnet", make_config(scopes));
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int i, long otherwise) {
    return argc > i ? std::strtol(argv[i], nullptr, 10) : otherwise;
  };
  const auto leases = static_cast<uint32_t>(number(1, 1'000'000));
  const auto batch = std::min<size_t>(static_cast<size_t>(number(2, 64)), kTurnPacketsMax);
  World world(pool());
  world.time_s = 1'800'000'000;
  fill(world, leases);
  exchanges(world, leases, batch, static_cast<int>(number(3, 9)));
  fmt::print("{:<44}{:10.1f} bytes a lease\n", "memory",
             static_cast<double>(world.engine.memory_bytes()) /
                 static_cast<double>(world.engine.lease_count()));
  if (argc > 4) reloads(world);
  return 0;
}
