// Random packets, contexts, decisions and time against a model that is a map: what each packet's
// verdict is, which callouts are asked, which context they are shown, and that each context is
// given back exactly once. The seed is RapidCheck's, printed on failure.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "filter/flows_testing.h"

namespace hookline::filter {
namespace {

using testing::Asked;
using testing::Datagram;
using testing::datagram_of;
using testing::FlowCallout;

constexpr uint16_t kLayer = FWPS_LAYER_DATAGRAM_DATA_V4;
constexpr size_t kPlaces = 4;
constexpr uint32_t kRemotes = 7;
constexpr int64_t kStepNs = kUdpFlowIdleNs / 4;

enum class Decision { Permit, Block, Absorb, Pend };
enum class Op { In, Out, Associate, Remove, Abort, Time, Filters, Decide, Complete, End };
constexpr int kOps = 10;

// What the model knows of a flow.
struct ModelFlow {
  enum class State { Pending, Open, Blocked } state = State::Open;
  UINT64 id = 0;
  bool inbound = true;
  int64_t used_ns = 0;
  uint64_t order = 0;  // of its last use
  uint32_t version = 0;
  std::map<uint32_t, UINT64> contexts;  // by callout
};

class Model : public testing::FlowTest {
 public:
  Model() : FlowTest(kPlaces) {
    auth_[1] = &add(FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4);
    auth_[0] = &add(FWPM_LAYER_ALE_AUTH_CONNECT_V4);
    for (FlowCallout* auth : auth_) {
      auth->on_classify = [this](const Asked& asked) { authorize(asked); };
    }
    add(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_INSPECTION).on_classify =
        [this](const Asked& asked) { seen_flow_ = asked.flow(); };
    for (size_t i = 0; i < 2; ++i) {
      keepers_[i] = &add(FWPM_LAYER_DATAGRAM_DATA_V4, FWP_ACTION_CALLOUT_UNKNOWN,
                         i == 1 ? FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW : 0);
      filter_ids_[i] = last_filter;
      keepers_[i]->on_classify = [this, i](const Asked& asked) { shown_[i] = asked.flow_context; };
    }
  }
  void TestBody() override {}

  void step(Op op, uint32_t a, uint32_t b) {
    switch (op) {
      case Op::In:
      case Op::Out:
        return packet(op == Op::In, a % kRemotes);
      case Op::Associate:
        return associate(a % kRemotes, b % 2);
      case Op::Remove:
        return remove(a % kRemotes, b % 2);
      case Op::Abort:
        return abort(a % kRemotes);
      case Op::Time:
        now_ns += kStepNs * (1 + a % 3);
        return drain();
      case Op::Filters:
        add_filter(a % 2 == 0 ? FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4 : FWPM_LAYER_ALE_AUTH_CONNECT_V4,
                   FWP_ACTION_PERMIT);
        ++version_[a % 2 == 0];
        return;
      case Op::Decide:
        decision_ = static_cast<Decision>(a % 4);
        allow_ = b % 2 == 0;
        return;
      case Op::Complete:
        return complete();
      case Op::End:
        return end_callout(a % 2);
    }
  }

  // Every context that was taken was given back once, and no other.
  void check_deletions() {
    for (FlowCallout* keeper : keepers_) {
      std::multiset<UINT64> got(keeper->deleted.begin(), keeper->deleted.end());
      RC_ASSERT(got == gone_[keeper->id]);
    }
    RC_ASSERT(flows.report().contexts == live_contexts());
    RC_ASSERT(flows.report().udp == flows_.size());
    RC_ASSERT(driver.breaches() == 0u);
  }
  void finish() {
    drain();
    for (auto& [remote, flow] : flows_) end(flow);
    flows_.clear();
    now_ns += 2 * kUdpFlowIdleNs;
    pump();
    check_deletions();
    TearDown();
    check_deletions();
  }

 private:
  void authorize(const Asked& asked) {
    ++asked_;
    again_ = asked.again();
    if (again_) return allow_ ? asked.permit() : asked.block();
    switch (decision_) {
      case Decision::Permit:
        return asked.permit();
      case Decision::Block:
        return asked.block();
      case Decision::Absorb:
        return asked.absorb();
      case Decision::Pend: {
        HANDLE context = nullptr;
        RC_ASSERT(flows.FwpsPendOperation0(driver, asked.completion(), &context) == STATUS_SUCCESS);
        pended_.push_back({context, asked.flow()});
        return asked.absorb();
      }
    }
  }
  size_t live_contexts() const {
    size_t count = 0;
    for (const auto& [remote, flow] : flows_) count += flow.contexts.size();
    return count;
  }
  void end(ModelFlow& flow) {
    for (const auto& [callout, context] : flow.contexts) gone_[callout].insert(context);
    flow.contexts.clear();
  }
  void block(ModelFlow& flow) {
    end(flow);
    flow.state = ModelFlow::State::Blocked;
    flow.used_ns = now_ns;
    flow.order = ++order_;
    flow.id = 0;
    flow.version = version_[0] + version_[1];
  }
  void expire() {
    for (;;) {
      const auto oldest = this->oldest();
      if (oldest == flows_.end() || now_ns - oldest->second.used_ns < kUdpFlowIdleNs) return;
      end(oldest->second);
      flows_.erase(oldest);
    }
  }
  std::map<uint32_t, ModelFlow>::iterator oldest() {
    return std::min_element(flows_.begin(), flows_.end(), [](const auto& x, const auto& y) {
      return x.second.order < y.second.order;
    });
  }

  // What the ALE layers will say to a first authorization.
  Verdict first(ModelFlow& flow, bool& keeps) {
    keeps = true;
    switch (decision_) {
      case Decision::Permit:
        flow.state = ModelFlow::State::Open;
        flow.version = version_[flow.inbound];
        return Verdict::Permit;
      case Decision::Block:
        block(flow);
        return Verdict::Block;
      case Decision::Absorb:
        keeps = flow.state == ModelFlow::State::Pending && flow.id != 0;
        return Verdict::Absorb;
      case Decision::Pend:
        flow.state = ModelFlow::State::Pending;
        return Verdict::Absorb;
    }
    return Verdict::Permit;
  }

  void packet(bool inbound, uint32_t remote) {
    drain();
    ++order_;
    auto found = flows_.find(remote);
    if (found == flows_.end() && flows_.size() == kPlaces) {
      const auto goes = oldest();
      end(goes->second);
      flows_.erase(goes);
    }
    Verdict expected = Verdict::Permit;
    int asked = 0;
    bool keeps = true, again = false, fresh = found == flows_.end();
    ModelFlow& flow = flows_[remote];
    using State = ModelFlow::State;
    if (!fresh && flow.state == State::Blocked &&
        (flow.version != version_[0] + version_[1] || now_ns - flow.used_ns >= kUdpFlowIdleNs)) {
      fresh = true;
    }
    if (fresh) {
      flow = ModelFlow{};
      flow.inbound = inbound;
    }
    if (fresh || flow.state != State::Blocked) {
      flow.used_ns = now_ns;
      flow.order = order_;
    }
    if (fresh || flow.state == State::Pending) {
      asked = 1;
      expected = first(flow, keeps);
    } else if (flow.state == State::Blocked) {
      expected = Verdict::Block;
    } else if (flow.version != version_[flow.inbound]) {
      asked = 1;
      again = true;
      flow.version = version_[flow.inbound];
      if (!allow_) {
        block(flow);
        expected = Verdict::Block;
      }
    }
    asked_ = 0;
    again_ = false;
    shown_ = {};
    seen_flow_ = 0;
    const int before = keepers_[1]->calls;
    Datagram datagram =
        datagram_of(inbound ? Direction::Inbound : Direction::Outbound, 0x0A000100 + remote);
    datagram.traffic.now_ns = now_ns;
    RC_ASSERT(run(datagram) == expected);
    RC_ASSERT(asked_ == asked);
    RC_ASSERT(again_ == again);
    if (expected == Verdict::Permit) {
      if (flow.id == 0) flow.id = seen_flow_;
      RC_ASSERT(seen_flow_ != 0);
      RC_ASSERT(flow.id == seen_flow_);
      for (size_t i = 0; i < 2; ++i) RC_ASSERT(shown_[i] == context_of(flow, i));
      RC_ASSERT(keepers_[1]->calls - before == (context_of(flow, 1) != 0 ? 1 : 0));
    } else if (decision_ == Decision::Pend && expected == Verdict::Absorb) {
      flow.id = pended_.back().second;
    }
    if (!keeps) {
      end(flow);
      flows_.erase(remote);
    }
  }
  UINT64 context_of(const ModelFlow& flow, size_t keeper) const {
    const auto found = flow.contexts.find(keepers_[keeper]->id);
    return found == flow.contexts.end() ? 0 : found->second;
  }

  void associate(uint32_t remote, size_t keeper) {
    const auto found = flows_.find(remote);
    const uint32_t id = keepers_[keeper]->id;
    const UINT64 flow = found == flows_.end() ? 0 : found->second.id;
    NTSTATUS expected = STATUS_SUCCESS;
    if (unregistered_[keeper]) {
      expected = STATUS_FWP_CALLOUT_NOT_FOUND;
    } else if (flow == 0) {
      expected = STATUS_INVALID_PARAMETER;
    } else if (ending_[keeper]) {
      expected = STATUS_FWP_CALLOUT_NOT_FOUND;
    } else if (found->second.contexts.contains(id)) {
      expected = STATUS_OBJECT_NAME_EXISTS;
    }
    const UINT64 context = ++last_context_;
    RC_ASSERT(flows.FwpsFlowAssociateContext0(driver, flow, kLayer, id, context) == expected);
    if (expected == STATUS_SUCCESS) found->second.contexts[id] = context;
  }
  void remove(uint32_t remote, size_t keeper) {
    const auto found = flows_.find(remote);
    const uint32_t id = keepers_[keeper]->id;
    const UINT64 flow = found == flows_.end() ? 0 : found->second.id;
    const bool has = found != flows_.end() && found->second.contexts.contains(id);
    RC_ASSERT(flows.FwpsFlowRemoveContext0(driver, flow, kLayer, id) ==
              (has ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL));
    if (!has) return;
    gone_[id].insert(found->second.contexts[id]);
    found->second.contexts.erase(id);
  }
  void abort(uint32_t remote) {
    const auto found = flows_.find(remote);
    const UINT64 flow = found == flows_.end() ? 0 : found->second.id;
    RC_ASSERT(flows.FwpsFlowAbort0(driver, flow) ==
              (flow != 0 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER));
    if (flow == 0) return;
    drain();
    if (const auto still = flows_.find(remote); still != flows_.end()) block(still->second);
  }
  void complete() {
    if (pended_.empty()) return;
    const auto [context, flow] = pended_.front();
    pended_.erase(pended_.begin());
    flows.FwpsCompleteOperation0(driver, context, nullptr);
    completed_.push_back(flow);
  }
  // The decisions that the next packet, or pump, takes.
  void drain() {
    for (const UINT64 id : std::exchange(completed_, {})) {
      for (auto& [remote, flow] : flows_) {
        if (flow.id != id || flow.state != ModelFlow::State::Pending) continue;
        if (allow_) {
          flow.state = ModelFlow::State::Open;
          flow.version = version_[flow.inbound];
        } else {
          block(flow);
        }
      }
    }
    pump();
    expire();
  }
  void end_callout(size_t keeper) {
    if (unregistered_[keeper]) return;
    const uint32_t id = keepers_[keeper]->id;
    size_t had = 0;
    for (auto& [remote, flow] : flows_) {
      const auto context = flow.contexts.find(id);
      if (context == flow.contexts.end()) continue;
      gone_[id].insert(context->second);
      flow.contexts.erase(context);
      ++had;
    }
    RC_ASSERT(engine.FwpsCalloutUnregisterById0(id) ==
              (had != 0 ? STATUS_DEVICE_BUSY : STATUS_SUCCESS));
    ending_[keeper] = true;
    if (had == 0) {
      unregistered_[keeper] = true;
      // Its filter would block everything now.
      engine.FwpmFilterDeleteById0(session, filter_ids_[keeper]);
    }
  }

  std::array<UINT64, 2> filter_ids_{};
  std::array<FlowCallout*, 2> keepers_{};
  std::array<FlowCallout*, 2> auth_{};
  std::map<uint32_t, ModelFlow> flows_;
  std::map<uint32_t, std::multiset<UINT64>> gone_;
  std::vector<std::pair<HANDLE, UINT64>> pended_;
  std::vector<UINT64> completed_;
  std::array<uint32_t, 2> version_{};  // of the filters: outbound, inbound
  std::array<bool, 2> ending_{}, unregistered_{};
  Decision decision_ = Decision::Permit;
  bool allow_ = true;
  uint64_t order_ = 0;
  UINT64 last_context_ = 0;
  int asked_ = 0;
  bool again_ = false;
  std::array<UINT64, 2> shown_{};
  UINT64 seen_flow_ = 0;
};

RC_GTEST_PROP(FlowModel, RandomFlows, ()) {
  Model model;
  const auto steps = *rc::gen::inRange<size_t>(1, 120);
  for (size_t i = 0; i < steps; ++i) {
    // Packets are what most of it is about.
    const int kind = *rc::gen::inRange(0, kOps + 6);
    const auto op = static_cast<Op>(kind < kOps ? kind : kind % 2);
    model.step(op, *rc::gen::inRange<uint32_t>(0, 1000), *rc::gen::inRange<uint32_t>(0, 1000));
    model.check_deletions();
  }
  model.finish();
}

}  // namespace
}  // namespace hookline::filter
