#include "filter/engine.h"

#include <algorithm>

#include "base/check.h"
#include "filter/classify.h"
#include "filter/engine_change.h"

namespace hookline::filter {
namespace {

// Whether the datagram has the header at which a layer begins.
bool has_header(const Traffic& traffic, Depth depth) {
  switch (depth) {
    case Depth::Mac:
      return traffic.mac_header_bytes != 0;
    case Depth::Network:
      return traffic.ip_header_bytes != 0;
    case Depth::Transport:
    case Depth::Datagram:
      break;
  }
  return true;
}

const uint64_t kAleBits = uint64_t{1} << auth_layer(Direction::Inbound) |
                          uint64_t{1} << auth_layer(Direction::Outbound) |
                          uint64_t{1} << established_layer();

uint64_t bits_between(Direction direction, Depth from, Depth to) {
  const int low = std::min(static_cast<int>(from), static_cast<int>(to));
  const int high = std::max(static_cast<int>(from), static_cast<int>(to));
  uint64_t bits = 0;
  for (int depth = low; depth <= high; ++depth) {
    bits |= uint64_t{1} << layer_at(direction, static_cast<Depth>(depth));
  }
  // The ALE layers lie between Transport and Datagram; a flow that begins the other way is
  // authorized by the other one.
  if (high == static_cast<int>(Depth::Datagram)) bits |= kAleBits;
  return bits;
}

}  // namespace

Engine::Engine(Logger& log, CallWatch* watch) : log_(log), watch_(watch), flows_(*this, watch) {
  tables_ = compile(objects_, registry_, rules_);
  active_ = tables_.get();
}

Engine::~Engine() {
  CHECK(!section_.is_mine(), "the engine outlives its classifications");
  if (registry_.size() != 0) {
    log_.warning("callouts are still registered", {{"count", registry_.size()}});
  }
}

bool Engine::concerns(Direction direction, Depth from, Depth to) const {
  const uint64_t occupied = occupied_.load(std::memory_order_relaxed);
  return occupied != 0 && (occupied & bits_between(direction, from, to)) != 0;
}

Verdict Engine::classify(const Traffic& traffic, NET_BUFFER_LIST* list, Depth first, Depth last) {
  ReadGuard guard(section_);
  const Tables& tables = *active_.load(std::memory_order_seq_cst);
  const DataStart base = DataStart::of(*list->FirstNetBuffer);
  const Verdict verdict = tables.asks_for_flows
                              ? classify_with_flows(tables, traffic, list, base, first, last)
                              : classify_way(tables, traffic, list, base, first, last);
  base.restore(*list->FirstNetBuffer);
  return verdict;
}

Verdict Engine::classify_way(const Tables& tables, const Traffic& traffic, NET_BUFFER_LIST* list,
                             const DataStart& base, Depth first, Depth last) {
  const int step = traffic.direction == Direction::Inbound ? 1 : -1;
  for (int depth = static_cast<int>(first);; depth += step) {
    const Verdict verdict = classify_at(tables, traffic, list, base, static_cast<Depth>(depth));
    if (verdict != Verdict::Permit || depth == static_cast<int>(last)) return verdict;
  }
}

// Inbound a flow is known from the transport layer on, and authorized behind it; outbound it is
// authorized first. What enters below that place passes without.
Verdict Engine::classify_with_flows(const Tables& tables, Traffic traffic, NET_BUFFER_LIST* list,
                                    const DataStart& base, Depth first, Depth last) {
  traffic.flow_handle = 0;
  const bool inbound = traffic.direction == Direction::Inbound;
  if (inbound) flows_.find(traffic);
  if (!inbound && first == Depth::Datagram) {
    const Verdict verdict = flows_.admit(tables, traffic, list, base);
    if (verdict != Verdict::Permit) return verdict;
  } else if (!inbound && first == Depth::Transport) {
    flows_.find(traffic);
  }
  if (!inbound || last != Depth::Datagram) {
    return classify_way(tables, traffic, list, base, first, last);
  }
  Verdict verdict = Verdict::Permit;
  if (first != Depth::Datagram) {
    verdict = classify_way(tables, traffic, list, base, first, Depth::Transport);
  }
  if (verdict == Verdict::Permit) verdict = flows_.admit(tables, traffic, list, base);
  if (verdict != Verdict::Permit) return verdict;
  return classify_at(tables, traffic, list, base, Depth::Datagram);
}

Verdict Engine::classify_at(const Tables& tables, const Traffic& traffic, NET_BUFFER_LIST* list,
                            const DataStart& base, Depth depth) {
  const auto place = static_cast<size_t>(layer_at(traffic.direction, depth));
  const auto& layer = tables.layers[place];
  if (layer.empty() || !has_header(traffic, depth)) return Verdict::Permit;
  const DataStart start = base.advanced(data_offset(traffic, depth));
  start.restore(*list->FirstNetBuffer);
  LayerValues values;
  values.fill(traffic, depth);
  LayerCall call{traffic, values, list, start, watch_};
  if (tables.asks_for_flows && (depth == Depth::Transport || depth == Depth::Datagram)) {
    call.flows = &flows_;
    call.flow = traffic.flow_handle;
  }
  const Arbitration result = arbitrate(layer, call, &blocker_);
  LayerCounts& counts = layer_counts_[place];
  counts.classified.add();
  if (result.vetoed()) vetoes_.add();
  if (result.action() != Action::Block) return Verdict::Permit;
  (result.absorbed() ? counts.absorbed : counts.blocked).add();
  return result.absorbed() ? Verdict::Absorb : Verdict::Block;
}

Arbitration Engine::ask_ale(const Tables& tables, const Traffic& traffic, const AleFacts& facts,
                            NET_BUFFER_LIST* list, const DataStart& base,
                            Authorization* authorization) {
  const auto place = static_cast<size_t>(facts.place);
  DataStart start;
  if (list != nullptr) {
    start = base.advanced(data_offset(traffic, Depth::Transport));
    start.restore(*list->FirstNetBuffer);
  }
  LayerValues values;
  values.fill_ale(traffic, facts);
  LayerCall call{traffic, values, list, start, watch_};
  call.flows = &flows_;
  call.flow = traffic.flow_handle;
  call.authorization = authorization;
  call.notifies = authorization == nullptr;
  const Arbitration result = arbitrate(tables.layers[place], call, &blocker_);
  LayerCounts& counts = layer_counts_[place];
  counts.classified.add();
  if (result.vetoed()) vetoes_.add();
  if (result.action() == Action::Block)
    (result.absorbed() ? counts.absorbed : counts.blocked).add();
  return result;
}

std::string Engine::blocker() const {
  const Lock lock(mutex_);
  for (const auto& rule : rules_) {
    if (rule->id == blocker_) return rule->name;
  }
  for (const auto& filter : objects_.filters()) {
    if (filter->id == blocker_) return filter->name;
  }
  return {};
}

std::unique_ptr<const Tables> Engine::tables_for(const Objects& objects, const Registry& registry) {
  std::unique_ptr<Tables> tables = compile(objects, registry, rules_);
  tables->set_versions(*tables_);
  if (tables->keeps_contexts) flows_.reserve();
  return tables;
}

// The packet thread sees the new tables from now on, and has left the old when this returns.
void Engine::publish(Lock& lock, std::unique_ptr<const Tables> next) {
  tables_.swap(next);
  active_.store(tables_.get(), std::memory_order_seq_cst);
  tables_version_.fetch_add(1, std::memory_order_seq_cst);
  occupied_.store(tables_->occupied(), std::memory_order_relaxed);
  Unlocked unlocked(lock);
  section_.wait_until_over();
  next.reset();
}

void Engine::set_rules(std::vector<std::shared_ptr<Filter>> rules) {
  Lock lock(mutex_);
  CHECK(!section_.is_mine(), "rules change between classifications");
  rules_.clear();
  for (std::shared_ptr<Filter>& rule : rules) {
    rule->id = next_filter_++;
    rule->sublayer = objects_.rules_sublayer();
    show(*rule, 0);
    rules_.push_back(std::move(rule));
  }
  ++rules_version_;
  publish(lock, tables_for(objects_, registry_));
}

}  // namespace hookline::filter
