// The table and the plan: how a configuration comes into force without moving what stays.
#include <algorithm>
#include <numeric>
#include <set>

#include "lease/table_change.h"

namespace hookline::lease {

// Reserved, not touched: half a kilobyte of strings for every address, and no more than 2 GB.
static constexpr size_t kArenaBytesPerAddress = 512;
static constexpr size_t kArenaBytesMin = size_t{1} << 20;
static constexpr size_t kArenaBytesMax = size_t{2} << 30;
// Addresses of a scope from which on its slots lie on large pages: two such pages.
static constexpr size_t kDenseSlots = size_t{1} << 16;
// Numbers of slots, and subnets with a run, after which a new table is made.
static constexpr size_t kNumbersMax = 4 * kAddressesMax;
static constexpr size_t kRunsMax = 4 * kScopesMax;
static_assert(kRunsMax <= 0x10000);

Result<std::unique_ptr<LeaseTable>> LeaseTable::make(Plan& plan, uint64_t seed) {
  auto table = std::make_unique<LeaseTable>();
  table->seed_ = seed;
  table->lists_.reset(&table->slots_, Wheel::kHeads);
  table->wheel_.reset(&table->slots_, &table->lists_);
  table->placed_.resize(Chunks::kChunk / 64);
  table->chunk_runs_.resize(1);
  if (!table->hardware_.reserve() || !table->declines_.reserve(65536)) {
    return fail(ErrorKind::NoSpace, "the system does not give the memory for any address");
  }
  if (Result<void> done = table->adopt(plan, PlanChange(nullptr, plan)); !done) {
    return tl::unexpected(done.error());
  }
  return table;
}

// --- taking a plan over ---------------------------------------------------------------------

Result<void> LeaseTable::adopt(Plan& plan, const PlanChange& change) {
  std::vector<uint32_t> scope_runs = match_runs(plan);
  size_t new_slots = 0;
  for (const Scope& scope : plan.config().scopes) {
    if (scope_runs[scope.index] != kNoScope) continue;
    new_slots += (scope.subnet.size() + Chunks::kChunk - 1) / Chunks::kChunk * Chunks::kChunk;
  }
  if (Result<void> done = reserve_for(plan, new_slots); !done) return done;
  // Nothing fails from here on.
  while (settle_some(kNumbersMax)) {
  }
  const std::vector<Run> before = runs_;
  add_runs(plan, scope_runs);
  for (const PlanChange::Gone& gone : change.gone) {
    apply_kinds(scope_runs_[gone.scope_before], gone.kinds);
  }
  for (Run& run : runs_) {
    run.scope_index = kNoScope;
    run.other_wire = false;
  }
  for (const Scope& scope : plan.config().scopes) {
    Run& run = runs_[scope_runs[scope.index]];
    run.scope_index = scope.index;
    run.scope_key = scope.key;
    apply_kinds(scope_runs[scope.index], change.kinds[scope.index]);
  }
  scope_runs_ = scope_runs;
  std::vector<uint32_t> firsts;
  for (const uint32_t run : scope_runs_) firsts.push_back(runs_[run].first);
  plan.place_scopes(std::move(firsts));
  plan_ = &plan;
  std::ranges::sort(stale_, {}, &Stale::first);
  assign_wires(plan, before);
  take_over_records(before);
  return {};
}

// The run of each scope's subnet; kNoScope: there is none yet.
std::vector<uint32_t> LeaseTable::match_runs(const Plan& plan) const {
  std::vector<std::pair<uint64_t, uint32_t>> known;
  const auto key = [](const Prefix& p) { return uint64_t{p.base.value} << 8 | p.length; };
  for (uint32_t i = 0; i < runs_.size(); ++i) known.emplace_back(key(runs_[i].subnet), i);
  std::ranges::sort(known);
  std::vector<uint32_t> runs;
  for (const Scope& scope : plan.config().scopes) {
    const auto it = std::ranges::lower_bound(known, std::pair(key(scope.subnet), uint32_t{0}));
    const bool found = it != known.end() && it->first == key(scope.subnet);
    runs.push_back(found ? it->second : kNoScope);
  }
  return runs;
}

Result<void> LeaseTable::reserve_for(const Plan& plan, size_t new_slots) {
  const size_t arena_bytes =
      std::clamp(plan.addresses() * kArenaBytesPerAddress, kArenaBytesMin, kArenaBytesMax);
  const size_t slots = slots_.end() - Chunks::kChunk + new_slots;
  const auto no_space = [&] {
    return fail(ErrorKind::NoSpace,
                "the system does not give the memory for " + std::to_string(slots) + " addresses");
  };
  if (!arena_.reserve_more(arena_bytes) || !clients_.reserve_more(slots)) return no_space();
  if (new_slots == 0) return {};
  const bool dense = new_slots / plan.config().scopes.size() >= kDenseSlots;
  if (!hardware_.add(new_slots, dense)) return no_space();
  if (!slots_.add(new_slots, dense)) {
    hardware_.undo_add();
    return no_space();
  }
  return {};
}

void LeaseTable::add_runs(const Plan& plan, std::vector<uint32_t>& scope_runs) {
  for (const Scope& scope : plan.config().scopes) {
    if (scope_runs[scope.index] != kNoScope) continue;
    const auto index = static_cast<uint32_t>(runs_.size());
    scope_runs[scope.index] = index;
    Run run;
    run.subnet = scope.subnet;
    run.first = static_cast<uint32_t>(chunk_runs_.size() * Chunks::kChunk);
    run.counts[static_cast<size_t>(Use::None)] = scope.subnet.size();
    runs_.push_back(run);
    const size_t chunks = (scope.subnet.size() + Chunks::kChunk - 1) / Chunks::kChunk;
    chunk_runs_.insert(chunk_runs_.end(), chunks, static_cast<uint16_t>(index));
  }
  placed_.resize(slots_.end() / 64);
  lists_.grow(Wheel::kHeads + 2 * runs_.size());
}

// Addresses without a slot in use change their kind here; the others are only marked.
void LeaseTable::apply_kinds(uint32_t run_index, const std::vector<KindChange>& kinds) {
  Run& run = runs_[run_index];
  for (const KindChange& change : kinds) {
    const uint32_t first = run.first + (change.addresses.first.value - run.subnet.base.value);
    const uint32_t last = run.first + (change.addresses.last.value - run.subnet.base.value);
    const uint64_t placed = placed_between(first, last);
    const uint64_t untouched = change.addresses.size() - placed;
    run.counts[static_cast<size_t>(use_of_kind(change.before))] -= untouched;
    run.counts[static_cast<size_t>(use_of_kind(change.after))] += untouched;
    if (change.after == AddressKind::Leasable) {
      run.unused = std::min<uint64_t>(run.unused, first - run.first);
    }
    if (placed != 0) stale_.push_back({first, last});
  }
}

uint64_t LeaseTable::placed_between(uint32_t first, uint32_t last) const {
  uint64_t count = 0;
  for (uint64_t at = first; at <= last; at = (at / 64 + 1) * 64) {
    uint64_t word = placed_[at / 64] >> (at % 64);
    const uint64_t left = last - at;
    if (left < 63) word &= (uint64_t{2} << left) - 1;
    count += static_cast<uint64_t>(std::popcount(word));
  }
  return count;
}

// --- addresses that became something else ---------------------------------------------------

bool LeaseTable::is_stale(uint32_t number) const {
  const auto after = std::ranges::upper_bound(stale_, number, {}, &Stale::first);
  return after != stale_.begin() && number <= std::prev(after)->last;
}

void LeaseTable::refresh(uint32_t number) {
  if (!may_be_stale(number)) return;
  Slot& slot = slots_[number];
  const Scope* scope = scope_or_none(number);
  const AddressKind kind =
      scope == nullptr ? AddressKind::Outside : plan_->kind_of(scope->index, address_of(number));
  if (kind == slot.kind) return;
  Run& run = run_of(number);
  --run.counts[static_cast<size_t>(use_of(slot))];
  slot.kind = kind;
  ++run.counts[static_cast<size_t>(use_of(slot))];
  if (kind != AddressKind::Leasable) {
    unlist(number);
  } else if (slot.state != LeaseState::Active && slot.state != LeaseState::Declined) {
    settle(number);
  }
}

bool LeaseTable::settle_some(size_t slots) {
  while (stale_done_ < stale_.size() && slots > 0) {
    Stale& stale = stale_[stale_done_];
    const auto last =
        static_cast<uint32_t>(std::min<uint64_t>(stale.last, stale.first + slots - 1));
    slots -= last - stale.first + 1;
    visit_placed(stale.first, last, [this](uint32_t number) { refresh(number); });
    if (last == stale.last) {
      ++stale_done_;
    } else {
      stale.first = last + 1;
    }
  }
  if (stale_done_ < stale_.size()) return true;
  stale_.clear();
  stale_done_ = 0;
  return false;
}

bool LeaseTable::may_be_offered(uint32_t number) const {
  const Scope* scope = scope_or_none(number);
  return scope != nullptr && !run_of(number).other_wire &&
         (!may_be_stale(number) ||
          plan_->kind_of(scope->index, address_of(number)) == slots_[number].kind);
}

bool LeaseTable::wants_rebuild(const Plan& plan) const {
  size_t slots = 0;
  for (const Scope& scope : plan.config().scopes) slots += scope.subnet.size();
  const size_t numbers = slots_.end();
  return runs_.size() + plan.config().scopes.size() > kRunsMax || numbers + slots > kNumbersMax ||
         numbers > 4 * slots + (size_t{1} << 24);
}

// --- wires ----------------------------------------------------------------------------------

// A wire keeps the id under which the clients of its first scope are in the index. Scopes whose id
// becomes another one, and those that join a wire with leases of their own, are indexed again.
void LeaseTable::assign_wires(const Plan& plan, const std::vector<Run>& before) {
  const auto known = [&](uint32_t run) { return run < before.size(); };
  std::set<uint32_t> taken;
  std::vector<uint32_t> ids;
  for (uint32_t wire = 0; wire < plan.wire_count(); ++wire) {
    uint32_t id = 0;
    for (const uint32_t scope : plan.scopes_of_wire(wire)) {
      const uint32_t run = scope_runs_[scope];
      if (id == 0 && known(run) && !taken.contains(before[run].wire_id)) id = before[run].wire_id;
    }
    if (id == 0) id = wire_ids_end_++;
    taken.insert(id);
    ids.push_back(id);
  }
  wire_ids_ = std::move(ids);
  for (uint32_t wire = 0; wire < plan.wire_count(); ++wire) {
    const auto scopes = plan.scopes_of_wire(wire);
    for (const uint32_t scope : scopes) {
      const uint32_t run = scope_runs_[scope];
      const bool came_back = known(run) && before[run].scope_index == kNoScope && scopes.size() > 1;
      if (known(run) && (before[run].wire_id != wire_ids_[wire] || came_back)) {
        reindex_clients(run, wire_ids_[wire]);
      } else {
        runs_[run].wire_id = wire_ids_[wire];
      }
    }
  }
}

void LeaseTable::reindex_clients(uint32_t run_index, uint32_t wire_id) {
  Run& run = runs_[run_index];
  const auto last = static_cast<uint32_t>(run.first + run.subnet.size() - 1);
  std::vector<uint32_t> numbers;
  visit_placed(run.first, last, [&](uint32_t number) {
    if (slots_[number].has(Slot::kIndexed)) numbers.push_back(number);
  });
  for (const uint32_t number : numbers) unindex_client(number);
  run.other_wire = run.wire_id != wire_id;
  run.wire_id = wire_id;
  for (const uint32_t number : numbers) index_client(number, client_hash(number));
}

// --- leases that change their place ---------------------------------------------------------

// Leases of addresses that came into another subnet, or into any.
void LeaseTable::take_over_records(const std::vector<Run>& before) {
  for (uint32_t i = 0; i < before.size(); ++i) {
    const Run& run = runs_[i];
    if (run.scope_index != kNoScope || !plan_->overlaps(run.subnet)) continue;
    const auto last = static_cast<uint32_t>(run.first + run.subnet.size() - 1);
    visit_placed(run.first, last, [this](uint32_t number) { move_record(number); });
  }
  for (const Scope& scope : plan_->config().scopes) take_orphans(scope.subnet);
  finish_restore();
}

void LeaseTable::move_record(uint32_t number) {
  if (plan_->scope_of(address_of(number)) == nullptr) return;
  const LeaseRecord record = record_of(number);
  if (record.state != LeaseState::Free) restore(record);
  write(number, LeaseRecord{});
  // As if never used: Outside and Unknown count alike.
  slots_[number] = Slot{};
  placed_[number / 64] &= ~(uint64_t{1} << (number % 64));
}

void LeaseTable::take_orphans(const Prefix& subnet) {
  std::vector<Ipv4> addresses;
  orphans.visit(subnet.base, [&](const LeaseRecord& record) {
    if (!subnet.contains(record.address)) return false;
    restore(record);
    addresses.push_back(record.address);
    return true;
  });
  for (const Ipv4 address : addresses) orphans.forget(address);
}

}  // namespace hookline::lease
