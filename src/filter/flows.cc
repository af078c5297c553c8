#include "filter/flows.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/utf16.h"
#include "filter/classify.h"
#include "filter/engine.h"

namespace hookline::filter {
namespace {

// So that a mass expiry never makes a turn long.
constexpr size_t kExpiriesPerPump = 256;

}  // namespace

// Keeps a flow's place in the table while its callouts run.
class Flows::Hold {
 public:
  explicit Hold(Flow& flow) : flow_(flow) { ++flow_.holds; }
  ~Hold() { --flow_.holds; }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  Flow& flow_;
};

Flows::Flows(Engine& engine, CallWatch* watch) : engine_(engine), watch_(watch), contexts_(watch) {
  configure({});
}

void Flows::configure(FlowOptions options) {
  options_ = std::move(options);
  program_ = to_utf16(options_.program).value_or(u"");
  // A terminated string, its end included.
  program_blob_.size = static_cast<UINT32>((program_.size() + 1) * sizeof(char16_t));
  program_blob_.data = reinterpret_cast<UINT8*>(program_.data());
}

void Flows::reserve() {
  contexts_.reserve();
  pended_.reserve();
  {
    const std::lock_guard lock(aborts_mutex_);
    aborts_.reserve(kPendedOperationsMax);
  }
  table_.reserve(std::min(options_.udp_flows, kUdpFlowsMax), options_.seed);
}

// --- the ALE layers --------------------------------------------------------------------------

// REQUIRES: the traffic has its flow's handle.
Flows::Outcome Flows::authorize(const Question& question, Direction begun, Reason reason,
                                const LateAnswer* late) {
  const int place = auth_layer(begun);
  if (question.tables.layers[static_cast<size_t>(place)].empty()) return Outcome::Permit;
  if (reason != Reason::First) reauthorized_.add();
  Authorization authorization{.traffic = question.traffic,
                              .flow = question.traffic.flow_handle,
                              .again = reason != Reason::First,
                              .number = next_number_++,
                              .late = late,
                              .asking = nullptr,
                              .filter = nullptr,
                              .pended = false,
                              .outer = current_};
  AleFacts facts;
  facts.place = place;
  facts.program = &program_blob_;
  facts.completion = authorization.number;
  if (reason == Reason::Completed) {
    facts.reauthorize_reason = FWP_CONDITION_REAUTHORIZE_REASON_CLASSIFY_COMPLETION;
  } else if (reason == Reason::Filters) {
    facts.reauthorize_reason = FWP_CONDITION_REAUTHORIZE_REASON_POLICY_CHANGE;
  }
  current_ = &authorization;
  const Arbitration result = engine_.ask_ale(question.tables, question.traffic, facts,
                                             question.list, question.base, &authorization);
  current_ = authorization.outer;
  if (result.action() != Action::Block) return Outcome::Permit;
  if (!result.absorbed()) return Outcome::Block;
  return authorization.pended ? Outcome::Pended : Outcome::Absorb;
}

// False: a filter there has blocked it.
bool Flows::establish(const Question& question) {
  opened_.add();
  const int place = established_layer();
  if (question.tables.layers[static_cast<size_t>(place)].empty()) return true;
  AleFacts facts;
  facts.place = place;
  facts.program = &program_blob_;
  return engine_
             .ask_ale(question.tables, question.traffic, facts, question.list, question.base,
                      nullptr)
             .action() != Action::Block;
}

// --- UDP -------------------------------------------------------------------------------------

void Flows::find(Traffic& traffic) const {
  const uint32_t place = table_.find(FlowKey::of(traffic));
  traffic.flow_handle = place == FlowTable::kNone ? 0 : table_[place].id;
}

Verdict Flows::admit(const Tables& tables, Traffic& traffic, NET_BUFFER_LIST* list,
                     const DataStart& base) {
  now_ns_ = std::max(now_ns_, traffic.now_ns);
  if (due() && current_ == nullptr && !draining_) drain(tables);
  const uint32_t place = place_for(traffic);
  Flow& flow = table_[place];
  Verdict verdict = Verdict::Permit;
  {
    const Hold hold(flow);
    traffic.flow_handle = flow.id;
    verdict = ask_udp(tables, traffic, list, base, flow);
    traffic.flow_handle = flow.id;
  }
  if (flow.state == FlowState::Fresh && flow.holds == 0) end_udp(place);
  return verdict;
}

// Callouts may be called on the way, which may bring other flows.
uint32_t Flows::place_for(const Traffic& traffic) {
  const FlowKey key = FlowKey::of(traffic);
  for (;;) {
    const uint32_t known = table_.find(key);
    if (known != FlowTable::kNone) {
      if (table_[known].state == FlowState::Blocked) return known;
      table_[known].used_ns = now_ns_;
      table_.touch(known);
      return known;
    }
    if (!table_.is_full()) break;
    const uint32_t oldest = table_.oldest();
    CHECK(oldest != FlowTable::kNone, "few flows are classified at once");
    displaced_.add();
    end_udp(oldest);
  }
  const uint32_t place = table_.add(key);
  Flow& flow = table_[place];
  flow.id = contexts_.begin(place + static_cast<uint32_t>(kTcpFlowsMax));
  flow.begun = traffic.direction;
  flow.used_ns = now_ns_;
  count_sizes();
  return place;
}

void Flows::end_udp(uint32_t place) {
  Flow& flow = table_[place];
  {
    const Hold hold(flow);
    if (const FlowId id = std::exchange(flow.id, 0); id != 0) contexts_.end(id);
  }
  table_.remove(place);
  count_sizes();
}

void Flows::block_udp(const Tables& tables, Flow& flow) {
  blocked_.add();
  flow.state = FlowState::Blocked;
  flow.filters_version = tables.ale_version;
  flow.used_ns = now_ns_;
  flow.blocker = engine_.blocker_;
  table_.touch(table_.find(flow.key));
  if (const FlowId id = std::exchange(flow.id, 0); id != 0) contexts_.end(id);
}

Verdict Flows::ask_udp(const Tables& tables, Traffic& traffic, NET_BUFFER_LIST* list,
                       const DataStart& base, Flow& flow) {
  const uint32_t version = tables.auth_versions[static_cast<size_t>(flow.begun)];
  const Question question{tables, traffic, list, base};
  if (flow.state == FlowState::Open) {
    if (flow.filters_version == version) return Verdict::Permit;
    return decide_udp(question, flow, authorize(question, flow.begun, Reason::Filters));
  }
  if (flow.state == FlowState::Blocked) {
    if (flow.filters_version == tables.ale_version && now_ns_ - flow.used_ns < kUdpFlowIdleNs) {
      engine_.blocker_ = flow.blocker;
      return Verdict::Block;
    }
    const auto place = table_.find(flow.key);
    flow.id = contexts_.begin(place + static_cast<uint32_t>(kTcpFlowsMax));
    flow.state = FlowState::Fresh;
    flow.begun = traffic.direction;
    flow.used_ns = now_ns_;
    table_.touch(place);
    traffic.flow_handle = flow.id;
  }
  return decide_udp(question, flow, authorize(question, flow.begun, Reason::First));
}

// A callout may have sent packets of the same flow meanwhile: then it is decided already.
Verdict Flows::decide_udp(const Question& question, Flow& flow, Outcome outcome) {
  if (flow.id != question.traffic.flow_handle || flow.id == 0) return Verdict::Block;
  const uint32_t version = question.tables.auth_versions[static_cast<size_t>(flow.begun)];
  switch (outcome) {
    case Outcome::Permit:
      flow.filters_version = version;
      if (std::exchange(flow.state, FlowState::Open) == FlowState::Open) return Verdict::Permit;
      if (establish(question)) return Verdict::Permit;
      break;
    case Outcome::Pended:
      if (flow.state == FlowState::Fresh) flow.state = FlowState::Pending;
      return Verdict::Absorb;
    case Outcome::Absorb:
      return Verdict::Absorb;
    case Outcome::Block:
      break;
  }
  block_udp(question.tables, flow);
  return Verdict::Block;
}

// --- TCP -------------------------------------------------------------------------------------

FlowId Flows::open_tcp(const Traffic& traffic) {
  TcpFlow* flow = nullptr;
  for (TcpFlow& place : tcp_) {
    if (place.id != 0) continue;
    flow = &place;
    break;
  }
  if (flow == nullptr) return 0;
  const ReadGuard guard(engine_.section_);
  const Tables& tables = *engine_.active_.load(std::memory_order_seq_cst);
  const FlowId id = contexts_.begin(static_cast<uint32_t>(flow - tcp_.data()));
  *flow = TcpFlow{};
  flow->id = id;
  flow->traffic = traffic;
  flow->traffic.flow_handle = id;
  ++tcp_size_;
  count_sizes();
  const Question question{tables, flow->traffic, nullptr, {}};
  decide_tcp(question, *flow, authorize(question, Direction::Inbound, Reason::First));
  return id;
}

void Flows::decide_tcp(const Question& question, TcpFlow& flow, Outcome outcome) {
  flow.filters_version = question.tables.auth_versions[static_cast<size_t>(Direction::Inbound)];
  switch (outcome) {
    case Outcome::Permit:
      flow.admission = Admission::Open;
      if (establish(question)) return;
      break;
    case Outcome::Pended:
      flow.admission = Admission::Pending;
      return;
    case Outcome::Absorb:
    case Outcome::Block:
      break;
  }
  blocked_.add();
  flow.admission = Admission::Refused;
}

void Flows::close_tcp(FlowId id) {
  TcpFlow& flow = tcp_[tcp_place(id)];
  CHECK(flow.id == id, "a connection is closed once");
  contexts_.end(id);
  flow.id = 0;
  --tcp_size_;
  count_sizes();
}

void Flows::reauthorize_tcp(const Tables& tables) {
  const uint32_t version = tables.auth_versions[static_cast<size_t>(Direction::Inbound)];
  for (TcpFlow& flow : tcp_) {
    if (flow.id == 0 || flow.admission != Admission::Open || flow.must_abort) continue;
    if (std::exchange(flow.filters_version, version) == version) continue;
    const Question question{tables, flow.traffic, nullptr, {}};
    if (authorize(question, Direction::Inbound, Reason::Filters) == Outcome::Permit) continue;
    blocked_.add();
    flow.must_abort = tcp_changed_ = true;
  }
}

bool Flows::take_tcp_changes() { return std::exchange(tcp_changed_, false); }

// --- once a turn -----------------------------------------------------------------------------

void Flows::pump(Now now) {
  now_ns_ = std::max(now_ns_, now.boot_ns);
  if (table_.size() == 0 && tcp_size_ == 0 && !due()) return;
  if (current_ != nullptr || draining_) return;
  const ReadGuard guard(engine_.section_);
  const Tables& tables = *engine_.active_.load(std::memory_order_seq_cst);
  drain(tables);
  if (tcp_size_ != 0) reauthorize_tcp(tables);
  expire();
}

void Flows::drain(const Tables& tables) {
  draining_ = true;
  drain_aborts(tables);
  for (size_t i = 0; i < kPendedOperationsMax; ++i) {
    const auto completed = pended_.take();
    if (!completed) break;
    drain_one(tables, *completed);
  }
  draining_ = false;
}

// What was decided meanwhile, by another packet or operation, or is over, stays so.
void Flows::drain_one(const Tables& tables, const PendedOperations::Completed& completed) {
  const FlowId id = completed.flow.flow;
  const LateAnswer* late = completed.late ? &*completed.late : nullptr;
  const Question question{tables, completed.flow.traffic, nullptr, {}};
  if (FlowContexts::place_of(id) < kTcpFlowsMax) {
    TcpFlow& flow = tcp_[tcp_place(id)];
    if (flow.id != id || flow.admission != Admission::Pending) return;
    const Outcome outcome = authorize(question, Direction::Inbound, Reason::Completed, late);
    decide_tcp(question, flow, outcome);
    tcp_changed_ = true;
    return;
  }
  Flow& flow = table_[udp_place(id)];
  if (flow.id != id || flow.state != FlowState::Pending) return;
  const Hold hold(flow);
  const Outcome outcome = authorize(question, flow.begun, Reason::Completed, late);
  decide_udp(question, flow, outcome == Outcome::Absorb ? Outcome::Block : outcome);
}

void Flows::drain_aborts(const Tables& tables) {
  for (;;) {
    FlowId id = 0;
    {
      const std::lock_guard lock(aborts_mutex_);
      abort_due_.store(false, std::memory_order_relaxed);
      if (aborts_.empty()) return;
      id = aborts_.back();
      aborts_.pop_back();
    }
    if (FlowContexts::place_of(id) < kTcpFlowsMax) {
      TcpFlow& flow = tcp_[tcp_place(id)];
      if (flow.id != id || flow.must_abort) continue;
      flow.must_abort = tcp_changed_ = true;
    } else {
      Flow& flow = table_[udp_place(id)];
      if (flow.id != id) continue;
      const Hold hold(flow);
      block_udp(tables, flow);
      flow.blocker = 0;
    }
    aborted_.add();
  }
}

void Flows::expire() {
  for (size_t i = 0; i < kExpiriesPerPump; ++i) {
    const uint32_t place = table_.oldest();
    if (place == FlowTable::kNone || now_ns_ - table_[place].used_ns < kUdpFlowIdleNs) return;
    expired_.add();
    end_udp(place);
  }
}

void Flows::count_sizes() {
  udp_count_.store(table_.size(), std::memory_order_relaxed);
  tcp_count_.store(tcp_size_, std::memory_order_relaxed);
}

}  // namespace hookline::filter
