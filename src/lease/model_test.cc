// The engine against a simple model: random clients, commits that fail, time, restarts, reloads.
// After each step: no address has two clients, what is offered or granted was free for that client,
// free addresses go longest unused first, and the counts are those of a recount.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "lease/testing.h"

namespace hookline::lease {
namespace {

using namespace testing;  // NOLINT: the tests' own words

constexpr uint32_t kClients = 14;

std::shared_ptr<Config> one_config() {
  Scope a = make_scope("a", "10.0.0.0/28", {range("10.0.0.2", "10.0.0.7")});
  Scope b = make_scope("b", "10.0.1.0/28", {range("10.0.1.2", "10.0.1.5")});
  a.superscope = b.superscope = "wire";
  a.reservations = {reserve_mac("02c100000003", "10.0.0.5"),
                    reserve_mac("02c100000004", "10.0.0.12")};
  return make_config({a, b});
}

// Other ranges, another client's reservation, and scope "b" gone.
std::shared_ptr<Config> other_config() {
  Scope a = make_scope("a", "10.0.0.0/28", {range("10.0.0.4", "10.0.0.11")});
  a.excluded = {range("10.0.0.8", "10.0.0.8")};
  a.reservations = {reserve_mac("02c100000006", "10.0.0.6")};
  return make_config({a});
}

struct Binding {
  uint32_t client = 0;
  LeaseState state = LeaseState::Free;
  LeaseSeconds expiry = 0;
  LeaseSeconds last = 0;
  uint64_t sequence = 0;
};

class Model {
 public:
  explicit Model(std::shared_ptr<const Config> c) : config(std::move(c)) {}

  bool leasable(Ipv4 a) const {
    const Scope* s = scope_of(a);
    if (s == nullptr || reserved_for(a) || a == ip("10.0.0.1")) return false;
    const auto has = [&](const auto& ranges) {
      return std::ranges::any_of(ranges, [&](const AddressRange& r) { return r.contains(a); });
    };
    return has(s->ranges) && !has(s->excluded);
  }
  const Scope* scope_of(Ipv4 a) const {
    for (const Scope& s : config->scopes) {
      if (s.subnet.contains(a)) return &s;
    }
    return nullptr;
  }
  std::optional<uint32_t> reserved_for(Ipv4 a) const {
    for (const Scope& s : config->scopes) {
      for (const Reservation& r : s.reservations) {
        if (r.address == a) return load_be32(&r.key[2]);
      }
    }
    return std::nullopt;
  }
  bool taken(Ipv4 a) const {
    const auto b = bindings.find(a);
    return pending.contains(a) ||
           (b != bindings.end() &&
            (b->second.state == LeaseState::Active || b->second.state == LeaseState::Declined));
  }
  bool offered(Ipv4 a) const {
    return std::ranges::any_of(offers, [&](const auto& o) { return o.address == a; });
  }
  bool is_free(Ipv4 a) const { return leasable(a) && !taken(a) && !offered(a); }
  bool never_used(Ipv4 a) const { return !bindings.contains(a); }

  // Becomes free now: last in the order of its scope.
  void came_free(Ipv4 a) {
    if (is_free(a) && !never_used(a) && std::ranges::find(order, a) == order.end()) {
      order.push_back(a);
    }
  }
  void went(Ipv4 a) { std::erase(order, a); }

  void drop_offer(uint32_t client) {
    const auto it = std::ranges::find(offers, client, &Offer::client);
    if (it == offers.end()) return;
    const Ipv4 a = it->address;
    offers.erase(it);
    came_free(a);
  }
  void drop_offers_over(LeaseSeconds now) {
    while (!offers.empty() && offers.front().until <= now) {
      const Ipv4 a = offers.front().address;
      offers.pop_front();
      came_free(a);
    }
  }
  void end_others(uint32_t client, Ipv4 but, LeaseSeconds now) {
    for (auto& [a, b] : bindings) {
      const Scope* s = scope_of(a);
      if (s != nullptr && a != but && b.client == client && b.state == LeaseState::Active) {
        b.expiry = std::min(b.expiry, now);
      }
    }
  }
  // After a restart: in order of the last use. What was freed by the end of a quarantine is as if
  // never used: nothing is written of it.
  void restart() {
    std::erase_if(bindings, [](const auto& e) { return e.second.state == LeaseState::Free; });
    offers.clear();
    order.clear();
    orphans.clear();
    for (const auto& [a, b] : bindings) {
      if (scope_of(a) == nullptr) orphans.insert(a);
    }
    came_free_by_last_use([](Ipv4) { return true; });
  }

  // After a reload: what stays free keeps its place; what came back is last, in the order that
  // LeaseTable::longest_unused() documents.
  void reload(std::shared_ptr<const Config> next) {
    const Model before = *this;
    config = std::move(next);
    std::erase_if(offers, [&](const Offer& o) {
      const bool stays =
          scope_of(o.address) != nullptr && leasable(o.address) == before.leasable(o.address);
      return !stays;
    });
    std::erase_if(order, [&](Ipv4 a) { return !is_free(a); });
    came_free_by_last_use([&](Ipv4 a) { return orphans.contains(a); });
    std::erase_if(orphans, [&](Ipv4 a) { return scope_of(a) != nullptr; });
    for (const auto& [a, b] : bindings) {
      if (!before.leasable(a)) came_free(a);
    }
  }
  // The end of a quarantine leaves nothing of an orphan: as if never used.
  void forget_orphan(Ipv4 a) {
    if (orphans.contains(a) && bindings.at(a).state == LeaseState::Free) bindings.erase(a);
  }
  template <class Predicate>  // bool(Ipv4)
  void came_free_by_last_use(Predicate&& which) {
    std::vector<std::pair<LeaseSeconds, Ipv4>> back;
    for (const auto& [a, b] : bindings) {
      if (which(a)) back.emplace_back(b.state == LeaseState::Expired ? b.expiry : b.last, a);
    }
    std::ranges::stable_sort(back, {}, &std::pair<LeaseSeconds, Ipv4>::first);
    for (const auto& [since, a] : back) came_free(a);
  }

  struct Offer {
    uint32_t client;
    Ipv4 address;
    LeaseSeconds until;
  };
  std::shared_ptr<const Config> config;
  std::map<Ipv4, Binding> bindings;
  std::map<Ipv4, uint32_t> pending;  // address to client
  std::deque<Offer> offers;          // oldest first
  std::set<Ipv4> orphans;            // their scope was gone at the restart, and is
  std::vector<Ipv4> order;           // free and used before, longest unused first
};

class Play {
 public:
  Play()
      : model_(one_config()),
        world_(std::make_unique<World>(one_config(), World::default_links(), 7, 64)) {
    world_->time_s = 1'800'000'000;
  }

  void step(uint8_t op, uint8_t client_number, uint8_t argument) {
    const uint32_t client = client_number % kClients;
    switch (op % 16) {
      case 0:
      case 1:
      case 2:
        discover(client, argument);
        break;
      case 3:
      case 4:
      case 5:
        select(client, argument);
        break;
      case 6:
      case 7:
        ask(Ask(MessageType::Request).ciaddr(address(argument)), client);
        break;
      case 8:
        ask(Ask(MessageType::Release).ciaddr(address(argument)), client);
        break;
      case 9:
        ask(Ask(MessageType::Decline).requested(address(argument)), client);
        break;
      case 10:
        commit(argument % 4 != 0);
        break;
      case 11:
        world_->time_s += argument % 64;
        break;
      case 12:
        world_->time_s += argument % 4 == 0 ? 3700 : 400;
        break;
      case 13:
        expire();
        break;
      case 14:
        leave_and_return(argument);
        break;
      case 15:
        refuse(client);
        break;
    }
    check();
  }

 private:
  // Mostly what the client has or was offered; else anything of the wire.
  Ipv4 address(uint8_t n) const {
    return n % 2 == 0 ? Ipv4{ip("10.0.0.0").value + n / 2 % 16}
                      : Ipv4{ip("10.0.1.0").value + n / 2 % 8};
  }
  Ipv4 own(uint32_t client, Ipv4 otherwise) const {
    for (const auto& o : model_.offers) {
      if (o.client == client) return o.address;
    }
    for (const auto& [a, b] : model_.bindings) {
      if (b.client == client && b.state == LeaseState::Active) return a;
    }
    return otherwise;
  }

  void discover(uint32_t client, uint8_t n) {
    Ask d(MessageType::Discover);
    if (n % 3 == 0) d.requested(address(n / 3));
    if (n % 7 == 0) d.option(option::kRapidCommit, std::vector<uint8_t>{});
    ask(d, client);
  }
  void select(uint32_t client, uint8_t n) {
    const Ipv4 wanted = n % 4 == 0 ? address(n) : own(client, address(n));
    ask(Ask(MessageType::Request).requested(wanted).server("10.0.0.1"), client);
  }
  void refuse(uint32_t client) {
    model_.drop_offers_over(world_->time_s);
    const Answer a = world_->propose(
        Ask(MessageType::Request).client(client).requested("10.0.0.2").server("10.0.0.77"));
    if (a.kind == Answer::Kind::Dropped) model_.drop_offer(client);
  }

  void ask(Ask what, uint32_t client) {
    what.client(client);
    const LeaseSeconds now = world_->time_s;
    model_.drop_offers_over(now);
    const Answer a = world_->propose(what);
    if (a.kind == Answer::Kind::Deferred) RC_ASSERT(!model_.pending.empty());
    if (a.kind == Answer::Kind::Dropped && a.drop == Drop::NoAddress) {
      for (const Ipv4 any : everything()) RC_ASSERT(!model_.is_free(any));
    }
    if (a.reply == ReplyKind::Offer || a.reply == ReplyKind::Ack) granted(a, client);
    if (a.kind == Answer::Kind::Durable) {
      model_.pending[a.address] = client;
      model_.went(a.address);
      records_[a.address] = {client, a.record.state, a.record.expiry, now, 0};
      std::erase_if(model_.offers,
                    [&](const auto& o) { return o.client == client && o.address == a.address; });
      model_.drop_offer(client);
    }
    if (a.reply == ReplyKind::Offer) offered(a, client, now);
  }

  void granted(const Answer& a, uint32_t client) {
    RC_ASSERT(!model_.pending.contains(a.address));
    const auto reserved = model_.reserved_for(a.address);
    RC_ASSERT((reserved ? *reserved == client : model_.leasable(a.address)));
    for (const auto& o : model_.offers) RC_ASSERT(o.address != a.address || o.client == client);
    const auto b = model_.bindings.find(a.address);
    if (b != model_.bindings.end()) {
      RC_ASSERT(b->second.state != LeaseState::Declined);
      RC_ASSERT(b->second.state != LeaseState::Active || b->second.client == client);
    }
    if (a.why == "longest unused") longest_unused(a.address);
  }

  void longest_unused(Ipv4 a) {
    const uint32_t scope = model_.scope_of(a)->index;
    for (const Ipv4 other : everything()) {
      if (!model_.is_free(other)) continue;
      RC_ASSERT(model_.scope_of(other)->index >= scope);
      if (model_.scope_of(other)->index == scope && model_.never_used(other)) {
        RC_ASSERT(model_.never_used(a));
      }
    }
    if (model_.never_used(a)) return;
    for (const Ipv4 other : model_.order) {
      if (model_.scope_of(other)->index != scope) continue;
      RC_ASSERT(other == a);
      break;
    }
  }

  void offered(const Answer& a, uint32_t client, LeaseSeconds now) {
    const auto same = std::ranges::find(model_.offers, client, &Model::Offer::client);
    if (same != model_.offers.end() && same->address == a.address) {
      model_.offers.erase(same);
    } else {
      model_.drop_offer(client);
    }
    const bool held = a.why != "reserved" && a.why != "current binding";
    if (!held) {
      model_.came_free(a.address);
      return;
    }
    model_.offers.push_back({client, a.address, now + 60});
    model_.went(a.address);
  }

  void commit(bool works) {
    // In the order of the proposals, as the engine sees them.
    std::vector<Ipv4> order;
    for (const Proposal& p : world_->uncommitted) order.push_back(p.grant().address);
    if (works) {
      world_->commit();
    } else {
      world_->fail_commit();
    }
    for (const Ipv4 a : order) {
      if (works) {
        Binding b = records_[a];
        b.sequence = world_->engine.find(a)->sequence;
        if (b.state == LeaseState::Active) model_.end_others(b.client, a, b.last);
        model_.bindings[a] = b;
      }
      model_.pending.erase(a);
      model_.came_free(a);
    }
  }

  void expire() {
    if (looked_at_s_ != world_->time_s) looked_at_.clear();
    looked_at_s_ = world_->time_s;
    std::vector<LeaseRecord> out(5);
    // A call may spend itself on leases that only move down the wheel.
    for (int idle = 0; idle < 8;) {
      const size_t n = world_->engine.take_expired(world_->now(), out);
      idle = n == 0 ? idle + 1 : 0;
      for (size_t i = 0; i < n; ++i) {
        Binding& b = model_.bindings.at(out[i].address);
        RC_ASSERT(b.expiry < world_->time_s);
        RC_ASSERT(!model_.pending.contains(out[i].address));
        RC_ASSERT(out[i].state ==
                  (b.state == LeaseState::Active ? LeaseState::Expired : LeaseState::Free));
        b.state = out[i].state;
        if (b.state == LeaseState::Free) b.last = world_->time_s;
        world_->apply(out[i]);
        model_.came_free(out[i].address);
        model_.forget_orphan(out[i].address);
      }
    }
    for (const auto& [a, client] : model_.pending) looked_at_.insert(a);
    for (const auto& [a, b] : model_.bindings) {
      const bool ends = b.state == LeaseState::Active || b.state == LeaseState::Declined;
      RC_ASSERT(!ends || b.expiry >= world_->time_s || model_.pending.contains(a) ||
                looked_at_.contains(a));
    }
  }

  // A restart (a new engine from what the old one shows) or a reload.
  void leave_and_return(uint8_t n) {
    commit(true);
    if (n % 2 == 0) {
      auto fresh = std::make_unique<World>(model_.config, World::default_links(), n, 64);
      world_->engine.scan(0, 1000, [&](const LeaseRecord& r) { fresh->engine.restore(r); });
      fresh->time_s = world_->time_s;
      fresh->sequence = world_->sequence;
      world_ = std::move(fresh);
    } else {
      const bool was_one = model_.config->scopes.size() == 2;
      auto config = was_one ? other_config() : one_config();
      if (n % 3 == 0) RC_ASSERT(world_->engine.prepare(config).has_value());
      RC_ASSERT(world_->engine.configure(config, world_->links).has_value());
      while (world_->engine.settle_some(3)) {
      }
      model_.reload(config);
    }
    settle_duplicates();
    if (n % 2 == 0) model_.restart();
  }

  // A client that has two bindings on a wire again, after a reload brought one back.
  void settle_duplicates() {
    std::map<uint32_t, const Binding*> latest;
    for (const auto& [a, b] : model_.bindings) {
      if (model_.scope_of(a) == nullptr || b.state != LeaseState::Active) continue;
      const Binding*& best = latest[b.client];
      if (best == nullptr || best->sequence < b.sequence) best = &b;
    }
    for (auto& [a, b] : model_.bindings) {
      if (model_.scope_of(a) == nullptr || b.state != LeaseState::Active) continue;
      if (const Binding* best = latest[b.client]; best != &b) {
        b.expiry = std::min(b.expiry, best->last);
      }
    }
  }

  std::vector<Ipv4> everything() const {
    std::vector<Ipv4> all;
    for (const Scope& s : model_.config->scopes) {
      for (uint32_t i = 0; i < s.subnet.size(); ++i) all.push_back({s.subnet.base.value + i});
    }
    return all;
  }

  void check() {
    const Engine& engine = world_->engine;
    std::map<Ipv4, Binding> seen;
    engine.scan(0, 1000, [&](const LeaseRecord& r) {
      const uint32_t client = load_be32(&r.hardware_address[2]);
      RC_ASSERT(seen.emplace(r.address, Binding{client, r.state, r.expiry, 0, 0}).second);
    });
    size_t known = 0;
    for (const auto& [a, b] : model_.bindings) {
      if (b.state == LeaseState::Free) continue;
      ++known;
      RC_ASSERT(seen.contains(a));
      RC_ASSERT(seen[a].client == b.client);
      RC_ASSERT(seen[a].state == b.state);
      RC_ASSERT(seen[a].expiry == b.expiry);
    }
    RC_ASSERT(seen.size() == known);
    RC_ASSERT(engine.lease_count() == known);
    check_finds(seen);
    RC_ASSERT(engine.offer_count() == model_.offers.size());
    for (const Scope& s : model_.config->scopes) check_use(s);
  }

  // The index by hardware address has all leases of every client whose address is in a slot.
  void check_finds(const std::map<Ipv4, Binding>& seen) {
    for (uint32_t client = 0; client < kClients; ++client) {
      const std::vector<uint8_t> mac = Ask(MessageType::Discover).client(client).hardware;
      std::set<Ipv4> found, want;
      const auto add = [&](const LeaseRecord& r) { found.insert(r.address); };
      if (!world_->engine.visit_hardware(mac, 1000, add)) return;  // there are orphans
      for (const auto& [a, b] : seen) {
        if (b.client == client) want.insert(a);
      }
      RC_ASSERT(found == want);
    }
  }

  void check_use(const Scope& s) {
    ScopeUse want;
    for (uint32_t i = 0; i < s.subnet.size(); ++i) {
      const Ipv4 a{s.subnet.base.value + i};
      const auto b = model_.bindings.find(a);
      const LeaseState state = b == model_.bindings.end() ? LeaseState::Free : b->second.state;
      // The server's own address is a matter of links, not of ranges; none is in these.
      const bool inside = model_.reserved_for(a) || model_.leasable(a);
      if (state == LeaseState::Active) {
        ++(inside ? want.active : want.outside);
      } else if (state == LeaseState::Declined) {
        ++(inside ? want.declined : want.outside);
      } else if (model_.reserved_for(a)) {
        ++want.reserved;
      } else if (model_.leasable(a)) {
        const bool held = model_.pending.contains(a) || model_.offered(a);
        ++(held                            ? want.offered
           : state == LeaseState::Free     ? want.free_
           : state == LeaseState::Released ? want.released
                                           : want.expired);
      }
    }
    const ScopeUse is = world_->engine.use(s.index);
    RC_ASSERT(is.active == want.active);
    RC_ASSERT(is.declined == want.declined);
    RC_ASSERT(is.reserved == want.reserved);
    RC_ASSERT(is.offered == want.offered);
    RC_ASSERT(is.free_ == want.free_);
    RC_ASSERT(is.released == want.released);
    RC_ASSERT(is.expired == want.expired);
    RC_ASSERT(is.outside == want.outside);
    RC_ASSERT(is.total == want.active + want.declined + want.reserved + want.offered + want.free_ +
                              want.released + want.expired);
  }

  Model model_;
  std::unique_ptr<World> world_;
  std::map<Ipv4, Binding> records_;  // of pending proposals
  // Due while a proposal for them was pending: they come up again in the next second.
  std::set<Ipv4> looked_at_;
  LeaseSeconds looked_at_s_ = 0;
};

using Step = std::tuple<uint8_t, uint8_t, uint8_t>;

// A scope that is gone over a restart comes back with what ran out meanwhile.
RC_GTEST_PROP(Engine, IsTheModelWhereOrphansComeBack, ()) {
  constexpr Step kSteps[] = {{3, 0, 7},  {11, 0, 1}, {3, 1, 5},  {14, 0, 1}, {14, 0, 1},
                             {0, 0, 1},  {12, 0, 0}, {3, 2, 4},  {0, 13, 0}, {0, 0, 1},
                             {14, 0, 1}, {14, 0, 0}, {13, 0, 0}, {14, 0, 1}, {0, 6, 0},
                             {0, 9, 0},  {0, 7, 0},  {0, 10, 0}, {0, 8, 0},  {0, 5, 0}};
  Play play;
  for (const auto& [op, client, argument] : kSteps) play.step(op, client, argument);
}

RC_GTEST_PROP(Engine, IsTheModelWhereAnOrphansQuarantineEnds, ()) {
  constexpr Step kSteps[] = {{3, 0, 7},  {10, 0, 1}, {9, 0, 7},  {14, 0, 1}, {14, 0, 0},
                             {12, 0, 0}, {13, 0, 0}, {14, 0, 1}, {0, 1, 1},  {0, 2, 1},
                             {0, 5, 1},  {0, 6, 1},  {0, 7, 1},  {0, 8, 1},  {0, 9, 1}};
  Play play;
  for (const auto& [op, client, argument] : kSteps) play.step(op, client, argument);
}

RC_GTEST_PROP(Engine, IsTheModel, ()) {
  const auto steps = *rc::gen::resize(400, rc::gen::arbitrary<std::vector<Step>>());
  Play play;
  for (const auto& [op, client, argument] : steps) play.step(op, client, argument);
}

}  // namespace
}  // namespace hookline::lease
