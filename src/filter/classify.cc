#include "filter/classify.h"

#include <cstring>

namespace hookline::filter {
namespace {

uint64_t mac_number(const MacAddress& mac) {
  uint64_t number = 0;
  for (const uint8_t octet : mac.octets) number = number << 8 | octet;
  return number;
}

uint64_t limit_key(LimitBy by, const Traffic& traffic) {
  switch (by) {
    case LimitBy::Mac:
      return mac_number(traffic.remote_mac);
    case LimitBy::Relay:
      return traffic.relay.value;
    case LimitBy::Interface:
      return traffic.ifindex;
    case LimitBy::Rule:
      break;
  }
  return 0;
}

bool clears_right(const Filter& filter) {
  return (filter.flags & FWPM_FILTER_FLAG_CLEAR_ACTION_RIGHT) != 0;
}

// A filter's own block is final unless it is a rule's limit that is not reached.
Answer own_answer(const Filter& filter, const Traffic& traffic) {
  if (filter.action == FWP_ACTION_PERMIT) return {Action::Permit, clears_right(filter)};
  if (filter.limiter != nullptr &&
      filter.limiter->take(limit_key(filter.limit_by, traffic), traffic.now_ns)) {
    return {};
  }
  return {Action::Block, true};
}

Answer answer_without_callout(const Filter& filter) {
  if (filter.action == FWP_ACTION_CALLOUT_INSPECTION) return {};
  if ((filter.flags & FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0) {
    return {Action::Permit, clears_right(filter)};
  }
  return {Action::Block, true};
}

void report(const Callout& callout, const LayerCall& call, std::string_view text) {
  callout.counts.breaches.add();
  if (call.watch != nullptr) call.watch->breach(callout.name(), CalloutCall::Classify, text);
}

// Every path of a classifyFn has to leave the data where it found it (rule 26).
void put_data_back(const Callout& callout, const LayerCall& call) {
  if (call.list == nullptr) return;
  NET_BUFFER& buffer = *call.list->FirstNetBuffer;
  if (DataStart::of(buffer) == call.start) return;
  report(callout, call, "classifyFn left the NET_BUFFER's data at another place");
  call.start.restore(buffer);
}

Answer read_answer(const Filter& filter, const Callout& callout, const LayerCall& call,
                   bool had_right, const FWPS_CLASSIFY_OUT0& out) {
  const bool kept_right = had_right && (out.rights & FWPS_RIGHT_ACTION_WRITE) != 0;
  const bool hard = !kept_right || clears_right(filter);
  const bool absorb = (out.flags & FWPS_CLASSIFY_OUT_FLAG_ABSORB) != 0;
  switch (out.actionType) {
    case FWP_ACTION_PERMIT:
      return {Action::Permit, hard, false, true};
    case FWP_ACTION_BLOCK:
      return {Action::Block, hard, absorb, true};
    case FWP_ACTION_CONTINUE:
    case FWP_ACTION_NONE:
    case FWP_ACTION_NONE_NO_MATCH:
      return {};
    default:
      report(callout, call, "classifyFn gave an actionType that is none");
      return {};
  }
}

// Says which callout is asked while its classifyFn runs: it may pend what it is asked about.
class Asking {
 public:
  Asking(Authorization* authorization, const Callout& callout, const Filter& filter)
      : authorization_(authorization) {
    if (authorization_ == nullptr) return;
    authorization_->asking = &callout;
    authorization_->filter = &filter;
  }
  ~Asking() {
    if (authorization_ != nullptr) authorization_->asking = nullptr;
  }
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

 private:
  Authorization* authorization_;
};

// What the layer's rules make of an answer.
void correct(Answer& answer, const Callout& callout, const LayerCall& call) {
  if (call.authorization != nullptr && call.authorization->pended && !answer.absorb) {
    report(callout, call, "classifyFn pended the operation and did not absorb: absorbed");
    answer = {Action::Block, true, true, true};
  }
  if (call.notifies && answer.action == Action::Block) {
    report(callout, call, "classifyFn blocked at ALE_FLOW_ESTABLISHED, which only tells of flows");
  }
}

// Without the right a callout finds the hard permit that it may only veto; with it, nothing
// decided.
Answer call_classify(const Filter& filter, const Callout& callout, const LayerCall& call,
                     bool has_right, const void* classify_context, uint64_t flow_context) {
  FWPS_CLASSIFY_OUT0 out;
  std::memset(&out, 0, sizeof out);
  out.actionType = has_right ? FWP_ACTION_CONTINUE : FWP_ACTION_PERMIT;
  out.rights = has_right ? FWPS_RIGHT_ACTION_WRITE : 0;
  out.filterId = filter.id;
  callout.counts.calls.add();
  if (call.watch != nullptr) call.watch->before(callout.name(), CalloutCall::Classify);
  callout.classify(call.values.values(), call.values.metadata(), call.list, classify_context,
                   *filter.shown, flow_context, out);
  if (call.watch != nullptr) call.watch->after(callout.name(), CalloutCall::Classify);
  put_data_back(callout, call);
  if (filter.action == FWP_ACTION_CALLOUT_INSPECTION) return {};
  return read_answer(filter, callout, call, has_right, out);
}

// At a layer that knows flows.
[[gnu::noinline]] Answer ask_of_flow(const Filter& filter, const Callout& callout,
                                     const LayerCall& call, bool has_right) {
  const FlowPin pin(call.flows, call.flow, call.values.values().layerId, callout);
  if (pin.passes_over()) return {};
  const Asking asking(call.authorization, callout, filter);
  const void* context = &call;
  if (call.authorization != nullptr) context = call.authorization;
  Answer answer = call_classify(filter, callout, call, has_right, context, pin.context());
  if (filter.action != FWP_ACTION_CALLOUT_INSPECTION) correct(answer, callout, call);
  return answer;
}

Answer ask_callout(const Filter& filter, const Callout& callout, const LayerCall& call,
                   bool has_right) {
  if (call.flows != nullptr) return ask_of_flow(filter, callout, call, has_right);
  if ((callout.flags() & FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0) return {};
  return call_classify(filter, callout, call, has_right, &call, 0);
}

template <class Counts>
void count(Counts& counts, const Answer& answer) {
  if (answer.action == Action::Permit) counts.permitted.add();
  if (answer.action == Action::Block) (answer.absorb ? counts.absorbed : counts.blocked).add();
}

Answer ask(const TableFilter& entry, const LayerCall& call, bool has_right) {
  const Filter& filter = *entry.filter;
  filter.counts.hits.add();
  Answer answer;
  if (!filter.is_callout()) {
    answer = own_answer(filter, call.traffic);
  } else if (call.authorization != nullptr && call.authorization->late != nullptr &&
             call.authorization->late->filter == filter.id) {
    answer = call.authorization->late->answer;
  } else if (entry.callout == nullptr) {
    answer = answer_without_callout(filter);
  } else {
    answer = ask_callout(filter, *entry.callout, call, has_right);
    count(entry.callout->counts, answer);
  }
  count(filter.counts, answer);
  return answer;
}

}  // namespace

Arbitration arbitrate(const std::vector<TableSubLayer>& layer, const LayerCall& call,
                      uint64_t* blocker) {
  Arbitration result;
  for (const TableSubLayer& sublayer : layer) {
    for (const TableFilter& entry : sublayer.filters) {
      if (!entry.filter->conditions.hold(call.values.list())) continue;
      const Answer answer = ask(entry, call, result.has_right());
      if (answer.action == Action::Continue) continue;
      result.take(answer);
      if (blocker != nullptr && answer.action == Action::Block) *blocker = entry.filter->id;
      break;
    }
    if (result.is_final()) break;
  }
  return result;
}

}  // namespace hookline::filter
