// What drivers call.
#include <mutex>

#include "filter/classify.h"
#include "filter/engine.h"
#include "filter/flows.h"

namespace hookline::filter {
namespace {

uint64_t number_of(HANDLE handle) { return reinterpret_cast<uintptr_t>(handle); }

}  // namespace

void Flows::wake() {
  if (options_.wakeups != nullptr && !engine_.section_.is_mine()) options_.wakeups->wake();
}

// --- contexts --------------------------------------------------------------------------------

NTSTATUS Flows::FwpsFlowAssociateContext0(Driver& driver, UINT64 flow, UINT16 layer_id,
                                          UINT32 callout_id, UINT64 context) {
  constexpr const char* kFunction = "FwpsFlowAssociateContext0";
  if (layer_id >= FWPS_BUILTIN_LAYER_MAX) return STATUS_INVALID_PARAMETER;
  if (context == 0) {
    driver.breach(kFunction, "a flow context of 0: refused");
    return STATUS_INVALID_PARAMETER;
  }
  const std::shared_ptr<Callout> callout = engine_.registered(callout_id);
  if (callout == nullptr) return STATUS_FWP_CALLOUT_NOT_FOUND;
  if (!callout->has_flow_delete()) {
    driver.breach(kFunction, "the callout has no flowDeleteFn: refused");
    return STATUS_INVALID_PARAMETER;
  }
  return contexts_.associate(flow, layer_id, callout, context);
}

NTSTATUS Flows::FwpsFlowRemoveContext0(Driver&, UINT64 flow, UINT16 layer_id, UINT32 callout_id) {
  return contexts_.remove(flow, layer_id, callout_id);
}

NTSTATUS Flows::FwpsFlowAbort0(Driver&, UINT64 flow) {
  if (!contexts_.is_there(flow)) return STATUS_INVALID_PARAMETER;
  {
    const std::lock_guard lock(aborts_mutex_);
    if (aborts_.size() == kPendedOperationsMax) return STATUS_INSUFFICIENT_RESOURCES;
    aborts_.push_back(flow);
    abort_due_.store(true, std::memory_order_release);
  }
  wake();
  return STATUS_SUCCESS;
}

// --- pended operations -----------------------------------------------------------------------

NTSTATUS Flows::may_pend(Driver& driver, const char* function) const {
  // What is under way is the packet thread's, and so are its callouts' classifyFns.
  if (!engine_.section_.is_mine() || current_ == nullptr || current_->asking == nullptr) {
    driver.breach(function, "called outside the classifyFn of a callout at an ALE_AUTH layer");
    return STATUS_FWP_CANNOT_PEND;
  }
  if (current_->again) return STATUS_FWP_CANNOT_PEND;
  if (current_->filter->action == FWP_ACTION_CALLOUT_INSPECTION) {
    driver.breach(function, "called for a filter that only inspects");
    return STATUS_FWP_CANNOT_PEND;
  }
  if (current_->pended) {
    driver.breach(function, "called twice in one classifyFn");
    return STATUS_FWP_CANNOT_PEND;
  }
  return STATUS_SUCCESS;
}

PendedFlow Flows::pended_flow() const {
  return {current_->flow, current_->traffic, current_->asking->name(), current_->filter->id};
}

NTSTATUS Flows::FwpsPendOperation0(Driver& driver, HANDLE completion, HANDLE* context) {
  constexpr const char* kFunction = "FwpsPendOperation0";
  if (context == nullptr) return STATUS_FWP_NULL_POINTER;
  if (const NTSTATUS status = may_pend(driver, kFunction)) return status;
  if (number_of(completion) != current_->number) {
    driver.breach(kFunction, "the completion handle is not that of this classification");
    return STATUS_FWP_CANNOT_PEND;
  }
  const uint64_t number = pended_.pend(pended_flow());
  if (number == 0) return STATUS_INSUFFICIENT_RESOURCES;
  pended_in_all_.add();
  current_->pended = true;
  *context = reinterpret_cast<HANDLE>(static_cast<uintptr_t>(number));
  return STATUS_SUCCESS;
}

void Flows::FwpsCompleteOperation0(Driver& driver, HANDLE context, NET_BUFFER_LIST*) {
  if (!pended_.complete(number_of(context))) {
    return driver.breach("FwpsCompleteOperation0",
                         "nothing is pended by this context, or it was completed before: ignored");
  }
  wake();
}

// --- classify handles ------------------------------------------------------------------------

NTSTATUS Flows::FwpsAcquireClassifyHandle0(Driver& driver, void* classify_context, UINT32 flags,
                                           UINT64* handle) {
  constexpr const char* kFunction = "FwpsAcquireClassifyHandle0";
  if (handle == nullptr || classify_context == nullptr) return STATUS_FWP_NULL_POINTER;
  if (flags != 0) return STATUS_FWP_INVALID_FLAGS;
  if (!engine_.section_.is_mine() || current_ == nullptr || current_->asking == nullptr ||
      classify_context != current_) {
    driver.breach(kFunction, "called outside the classifyFn of a callout at an ALE_AUTH layer");
    return STATUS_FWP_INVALID_PARAMETER;
  }
  *handle = pended_.acquire(pended_flow());
  return *handle == 0 ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

NTSTATUS Flows::FwpsPendClassify0(Driver& driver, UINT64 handle, UINT64 filter, UINT32 flags,
                                  FWPS_CLASSIFY_OUT0* out) {
  if (out == nullptr) return STATUS_FWP_NULL_POINTER;
  if (flags != 0) return STATUS_FWP_INVALID_FLAGS;
  if (const NTSTATUS status = may_pend(driver, "FwpsPendClassify0")) return status;
  if (filter != current_->filter->id || !pended_.pend(handle, current_->flow, filter)) {
    return STATUS_FWP_INVALID_PARAMETER;
  }
  pended_in_all_.add();
  current_->pended = true;
  out->actionType = FWP_ACTION_BLOCK;
  out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  out->rights &= ~UINT32{FWPS_RIGHT_ACTION_WRITE};
  return STATUS_SUCCESS;
}

void Flows::FwpsCompleteClassify0(Driver& driver, UINT64 handle, UINT32,
                                  const FWPS_CLASSIFY_OUT0* out) {
  Answer answer;
  if (out != nullptr && out->actionType == FWP_ACTION_PERMIT) answer.action = Action::Permit;
  if (out != nullptr && out->actionType == FWP_ACTION_BLOCK) answer.action = Action::Block;
  answer.hard = out != nullptr && (out->rights & FWPS_RIGHT_ACTION_WRITE) == 0;
  answer.from_callout = true;
  if (!pended_.complete(handle, answer)) {
    return driver.breach("FwpsCompleteClassify0", "nothing is pended by this handle: ignored");
  }
  wake();
}

void Flows::FwpsReleaseClassifyHandle0(Driver& driver, UINT64 handle) {
  constexpr const char* kFunction = "FwpsReleaseClassifyHandle0";
  switch (pended_.release(handle)) {
    case PendedOperations::Released::Well:
      return;
    case PendedOperations::Released::WhilePended:
      driver.breach(kFunction,
                    "released before FwpsCompleteClassify0: completed without an answer");
      return wake();
    case PendedOperations::Released::Unknown:
      return driver.breach(kFunction, "there is no such handle, or it was released: ignored");
  }
}

// --- the engine ------------------------------------------------------------------------------

PendedOperations::Left Flows::end_pended_of(const void* device) {
  const PendedOperations::Left left = pended_.end_all_of(device);
  if (left.pended != 0) wake();
  return left;
}

FlowReport Flows::report() const {
  FlowReport out;
  out.udp = udp_count_.load(std::memory_order_relaxed);
  out.tcp = tcp_count_.load(std::memory_order_relaxed);
  out.contexts = contexts_.size();
  out.pended = pended_.pended();
  out.opened = opened_.value();
  out.blocked = blocked_.value();
  out.reauthorized = reauthorized_.value();
  out.pended_in_all = pended_in_all_.value();
  out.displaced = displaced_.value();
  out.expired = expired_.value();
  out.aborted = aborted_.value();
  out.contexts_deleted = contexts_.deleted();
  return out;
}

}  // namespace hookline::filter
