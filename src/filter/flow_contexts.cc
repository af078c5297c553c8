#include "filter/flow_contexts.h"

#include "base/check.h"

namespace hookline::filter {

void FlowContexts::reserve() {
  const Lock lock(mutex_);
  if (!nodes_.empty()) return;
  udp_heads_ = std::vector<Head>(kUdpFlowsMax);
  nodes_ = std::vector<Node>(kFlowContextsMax);
  for (uint32_t i = kFlowContextsMax; i-- > 0;) {
    nodes_[i].next = free_;
    free_ = i;
  }
}

FlowContexts::Head* FlowContexts::find(FlowId flow) {
  const uint32_t place = place_of(flow);
  if (flow == 0 || place >= kTcpFlowsMax + udp_heads_.size()) return nullptr;
  Head& found = head(place);
  return found.flow == flow ? &found : nullptr;
}

bool FlowContexts::is_there(FlowId flow) {
  const Lock lock(mutex_);
  return find(flow) != nullptr;
}

FlowId FlowContexts::begin(uint32_t place) {
  const Lock lock(mutex_);
  Head& at = head(place);
  CHECK(at.flow == 0, "one flow at a place");
  at.flow = at.last = (at.last == 0 ? place : at.last) + kPlaceMask + 1;
  return at.flow;
}

void FlowContexts::end(FlowId flow) {
  Lock lock(mutex_);
  Head* ended = find(flow);
  CHECK(ended != nullptr, "a flow ends once");
  ended->flow = 0;
  while (ended->first != kNone) {
    const uint32_t node = ended->first;
    unlink(node);
    if (nodes_[node].pins == 0) finish(lock, node);
  }
}

uint32_t FlowContexts::pin_one(FlowId flow, uint16_t layer_id, const Callout& callout) {
  const Lock lock(mutex_);
  const Head* its = find(flow);
  if (its == nullptr) return kNone;
  for (uint32_t at = its->first; at != kNone; at = nodes_[at].next) {
    Node& node = nodes_[at];
    if (node.callout.get() != &callout || node.layer_id != layer_id) continue;
    ++node.pins;
    return at;
  }
  return kNone;
}

void FlowContexts::unpin(uint32_t at) {
  Lock lock(mutex_);
  Node& node = nodes_[at];
  if (--node.pins == 0 && node.ended) finish(lock, at);
}

NTSTATUS FlowContexts::associate(FlowId flow, uint16_t layer_id,
                                 std::shared_ptr<const Callout> callout, uint64_t context) {
  const Lock lock(mutex_);
  Head* its = find(flow);
  if (its == nullptr) return STATUS_INVALID_PARAMETER;
  if (callout->ending.load(std::memory_order_relaxed)) return STATUS_FWP_CALLOUT_NOT_FOUND;
  for (uint32_t at = its->first; at != kNone; at = nodes_[at].next) {
    if (nodes_[at].callout == callout && nodes_[at].layer_id == layer_id) {
      return STATUS_OBJECT_NAME_EXISTS;
    }
  }
  if (free_ == kNone) return STATUS_INSUFFICIENT_RESOURCES;
  const uint32_t at = free_;
  Node& node = nodes_[at];
  free_ = node.next;
  callout->flow_contexts.fetch_add(1);
  node.value = context;
  node.callout = std::move(callout);
  node.flow_place = place_of(flow);
  node.layer_id = layer_id;
  node.ended = node.silent = false;
  node.next = its->first;
  its->first = at;
  its->count.fetch_add(1, std::memory_order_relaxed);
  used_.fetch_add(1, std::memory_order_relaxed);
  return STATUS_SUCCESS;
}

NTSTATUS FlowContexts::remove(FlowId flow, uint16_t layer_id, uint32_t callout_id) {
  Lock lock(mutex_);
  const Head* its = find(flow);
  if (its == nullptr) return STATUS_UNSUCCESSFUL;
  for (uint32_t at = its->first; at != kNone; at = nodes_[at].next) {
    if (nodes_[at].callout->id() != callout_id || nodes_[at].layer_id != layer_id) continue;
    unlink(at);
    if (nodes_[at].pins != 0) return STATUS_PENDING;
    finish(lock, at);
    return STATUS_SUCCESS;
  }
  return STATUS_UNSUCCESSFUL;
}

size_t FlowContexts::end_callout(const Callout& callout) { return end_all(callout, false); }

size_t FlowContexts::forget_callout(const Callout& callout) { return end_all(callout, true); }

size_t FlowContexts::end_all(const Callout& callout, bool silent) {
  Lock lock(mutex_);
  callout.ending.store(true, std::memory_order_relaxed);
  const size_t count = callout.flow_contexts.load();
  if (count == 0) return 0;
  for (uint32_t at = 0; at < nodes_.size(); ++at) {
    if (nodes_[at].callout.get() != &callout) continue;
    nodes_[at].silent = nodes_[at].silent || silent;
    if (nodes_[at].ended) continue;
    unlink(at);
    if (nodes_[at].pins == 0) finish(lock, at);
  }
  return count;
}

// REQUIRES, as finish(): the mutex is held. From here on nobody finds it.
void FlowContexts::unlink(uint32_t at) {
  Head& its = head(nodes_[at].flow_place);
  uint32_t* link = &its.first;
  while (*link != at) link = &nodes_[*link].next;
  *link = nodes_[at].next;
  nodes_[at].ended = true;
  its.count.fetch_sub(1, std::memory_order_relaxed);
}

// The driver gets it back; only then is its callout free of it.
void FlowContexts::finish(Lock& lock, uint32_t at) {
  const std::shared_ptr<const Callout> callout = nodes_[at].callout;
  if (!nodes_[at].silent) {
    const uint64_t value = nodes_[at].value;
    const uint16_t layer_id = nodes_[at].layer_id;
    const CalloutName name{callout->key(), callout->id(), callout->device()};
    lock.unlock();
    if (watch_ != nullptr) watch_->before(name, CalloutCall::FlowDelete);
    callout->flow_deleted(layer_id, value);
    if (watch_ != nullptr) watch_->after(name, CalloutCall::FlowDelete);
    lock.lock();
    deleted_.fetch_add(1, std::memory_order_relaxed);
  }
  nodes_[at].callout.reset();
  nodes_[at].next = free_;
  free_ = at;
  used_.fetch_sub(1, std::memory_order_relaxed);
  callout->flow_contexts.fetch_sub(1);
}

}  // namespace hookline::filter
