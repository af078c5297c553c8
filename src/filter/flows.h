// Flows: what the ALE layers decide once and the layers above them ask about for every packet. A
// flow is a five-tuple of UDP (flow_table.h), or a TCP connection that the server has accepted.
//
//   inbound:  Network → Transport → ALE_AUTH_RECV_ACCEPT → ALE_FLOW_ESTABLISHED → Datagram
//   outbound: ALE_AUTH_CONNECT → ALE_FLOW_ESTABLISHED → Datagram → Transport → Network
//
// The ALE layers are classified for a flow's first packet, and ALE_AUTH again, with
// FWP_CONDITION_FLAG_IS_REAUTHORIZE, after a pended operation was completed (without a packet) and
// after the filters at that layer have changed (UDP: with the next packet). What the ALE layers
// have blocked stays blocked, packet for packet, without asking again, for kUdpFlowIdleNs or until
// filters there change. While an operation is pended each packet is a new authorization.
//
// A flow of UDP is over when it had no packet for kUdpFlowIdleNs, or when its place in the table is
// wanted (the least recently used goes). One of TCP is over when close_tcp() says so.
//
// Flows of UDP are only kept while somebody asks for them: a filter stands at an ALE layer, or a
// callout with a flowDeleteFn, or one that is conditional on flows, has a filter at a layer that
// has them (Transport, Datagram).
//
// Threads: "packet thread" is the one that classifies, or a callout on it (nested). "Any thread"
// means any, also inside a callout's function. No lock is held while a driver's function runs, nor
// taken for a packet whose flow has no contexts.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "filter/flow_contexts.h"
#include "filter/flow_table.h"
#include "filter/net_buffers.h"
#include "filter/pended.h"
#include "filter/report.h"
#include "hookline/fwp.h"
#include "io/wakeups.h"
#include "line/classifier.h"
#include "line/driver.h"
#include "line/streams.h"

namespace hookline::filter {

class Engine;
struct Filter;
struct Tables;

struct FlowOptions {
  uint64_t seed = 0;                 // secret: senders choose what is hashed
  io::Wakeups* wakeups = nullptr;    // null: the packet thread looks by itself
  std::string program = "hookline";  // FWPS_METADATA_FIELD_PROCESS_PATH, FWPS_FIELD_…_ALE_APP_ID
  size_t udp_flows = kUdpFlowsMax;
};

// One classification at an ALE_AUTH layer while it runs: what its completion handle and classify
// context mean. Made by Flows; classify.cc says which callout is asked.
struct Authorization {
  const Traffic& traffic;
  FlowId flow = 0;
  bool again = false;                // a reauthorization: it can't be pended
  uint64_t number = 0;               // FWPS_METADATA_FIELD_COMPLETION_HANDLE
  const LateAnswer* late = nullptr;  // what a callout has answered before
  const Callout* asking = nullptr;   // the callout whose classifyFn runs, for
  const Filter* filter = nullptr;    // this filter
  bool pended = false;               // by it
  Authorization* outer = nullptr;
};

class Flows {
 public:
  Flows(Engine& engine, CallWatch* watch);
  ~Flows() = default;
  Flows(const Flows&) = delete;
  Flows& operator=(const Flows&) = delete;
  // Before anything else.
  void configure(FlowOptions options);

  // --- TCP: packet thread -----------------------------------------------------------------------
  // A connection that was just accepted: `traffic` is inbound, protocol 6, with addresses and ports
  // (its flow_handle is ignored). Classifies ALE_AUTH_RECV_ACCEPT_V4 and, if that permits,
  // ALE_FLOW_ESTABLISHED_V4. 0: there is no room (kTcpFlowsMax). Else admission() says Open,
  // Refused or Pending, and close_tcp() is due in any case. Without filters at these layers it is
  // Open.
  FlowId open_tcp(const Traffic& traffic);
  // REQUIRES, here and below: a flow of open_tcp() that was not closed. Pending becomes Open or
  // Refused in pump() only. An Open one stays Open: what is blocked later asks to be aborted.
  Admission admission(FlowId flow) const { return tcp_[tcp_place(flow)].admission; }
  // FwpsFlowAbort0 was called, or a reauthorization has blocked it: reset the connection, then
  // close_tcp() as ever. Changes in pump() only.
  bool must_abort(FlowId flow) const { return tcp_[tcp_place(flow)].must_abort; }
  // The flow is over: its contexts go back (flowDeleteFn; for one that a FlowPin holds, when the
  // pin goes), operations that callouts have pended for it lead to nothing any more.
  void close_tcp(FlowId flow);
  // What open_tcp() was given, with flow_handle.
  const Traffic& traffic_of_tcp(FlowId flow) const { return tcp_[tcp_place(flow)].traffic; }

  // Once a turn: decides what drivers have completed, aborts, ends what was idle for too long,
  // authorizes TCP flows again after a change of filters. May be called by several; outside a
  // callout's function.
  void pump(Now now);
  // Whether admission() or must_abort() of any TCP flow has changed in a pump() since the last call
  // of this.
  bool take_tcp_changes();

  // --- UDP: packet thread, inside the engine's section ------------------------------------------
  // Sets traffic.flow_handle, if there is such a flow.
  void find(Traffic& traffic) const;
  // The ALE layers, for a datagram on its way to (inbound) or from (outbound) Datagram. Sets
  // traffic.flow_handle. `base` is where the list's data start.
  Verdict admit(const Tables& tables, Traffic& traffic, NET_BUFFER_LIST* list,
                const DataStart& base);

  // --- drivers: any thread ----------------------------------------------------------------------
  // NOLINTBEGIN(readability-identifier-naming): the API's own names.
  // STATUS_INVALID_PARAMETER: the context is 0, the callout has no flowDeleteFn, there is no such
  // flow (any more), or layer. STATUS_FWP_CALLOUT_NOT_FOUND: it is not registered, or is being
  // unregistered. STATUS_OBJECT_NAME_EXISTS: there is one. STATUS_INSUFFICIENT_RESOURCES.
  NTSTATUS FwpsFlowAssociateContext0(Driver& driver, UINT64 flow, UINT16 layer_id,
                                     UINT32 callout_id, UINT64 context);
  // STATUS_SUCCESS: flowDeleteFn has run. STATUS_PENDING: a classifyFn runs with the context,
  // flowDeleteFn will when it has ended. STATUS_UNSUCCESSFUL: there is none.
  NTSTATUS FwpsFlowRemoveContext0(Driver& driver, UINT64 flow, UINT16 layer_id, UINT32 callout_id);
  // UDP: the flow is over, its contexts go, and its packets are blocked like those of one that was
  // refused. TCP: the connection is reset.
  NTSTATUS FwpsFlowAbort0(Driver& driver, UINT64 flow);
  // In the classifyFn of a callout at an ALE_AUTH layer, for a terminating filter; elsewhere and on
  // reauthorization STATUS_FWP_CANNOT_PEND. The callout then has to block and absorb.
  NTSTATUS FwpsPendOperation0(Driver& driver, HANDLE completion, HANDLE* context);
  // The list is not looked at, and stays the caller's.
  void FwpsCompleteOperation0(Driver& driver, HANDLE context, NET_BUFFER_LIST* list);
  // At the same layers. What FwpsCompleteClassify0 says holds in place of the callout's next
  // classification for this flow.
  NTSTATUS FwpsAcquireClassifyHandle0(Driver& driver, void* classify_context, UINT32 flags,
                                      UINT64* handle);
  void FwpsReleaseClassifyHandle0(Driver& driver, UINT64 handle);
  NTSTATUS FwpsPendClassify0(Driver& driver, UINT64 handle, UINT64 filter, UINT32 flags,
                             FWPS_CLASSIFY_OUT0* out);
  void FwpsCompleteClassify0(Driver& driver, UINT64 handle, UINT32 flags,
                             const FWPS_CLASSIFY_OUT0* out);
  // NOLINTEND(readability-identifier-naming)

  // --- the engine -------------------------------------------------------------------------------
  // Takes the memory for flows of UDP. Not the packet thread's, before it is told of the tables
  // that need it.
  void reserve();
  FlowContexts& contexts() { return contexts_; }
  // A driver is gone: what it has pended goes on without it.
  PendedOperations::Left end_pended_of(const void* device);
  // Any thread.
  FlowReport report() const;

 private:
  struct TcpFlow {
    FlowId id = 0;  // 0: free
    Admission admission = Admission::Open;
    bool must_abort = false;
    uint32_t filters_version = 0;
    Traffic traffic;
  };
  enum class Outcome : uint8_t { Permit, Block, Absorb, Pended };
  // What is asked: a packet of a flow, or the flow without any.
  struct Question {
    const Tables& tables;
    const Traffic& traffic;
    NET_BUFFER_LIST* list;  // may be null
    DataStart base;
  };
  // Why a flow is authorized: for the first time, or again.
  enum class Reason : uint8_t { First, Completed, Filters };
  class Hold;

  static uint32_t tcp_place(FlowId flow) { return FlowContexts::place_of(flow); }
  static uint32_t udp_place(FlowId flow) {
    return FlowContexts::place_of(flow) - static_cast<uint32_t>(kTcpFlowsMax);
  }
  uint32_t place_for(const Traffic& traffic);
  void end_udp(uint32_t place);
  void block_udp(const Tables& tables, Flow& flow);
  Verdict ask_udp(const Tables& tables, Traffic& traffic, NET_BUFFER_LIST* list,
                  const DataStart& base, Flow& flow);
  Verdict decide_udp(const Question& question, Flow& flow, Outcome outcome);
  Outcome authorize(const Question& question, Direction begun, Reason reason,
                    const LateAnswer* late = nullptr);
  bool establish(const Question& question);
  void decide_tcp(const Question& question, TcpFlow& flow, Outcome outcome);
  bool due() const { return pended_.due() || abort_due_.load(std::memory_order_acquire); }
  void drain(const Tables& tables);
  void drain_one(const Tables& tables, const PendedOperations::Completed& completed);
  void drain_aborts(const Tables& tables);
  void reauthorize_tcp(const Tables& tables);
  void expire();
  NTSTATUS may_pend(Driver& driver, const char* function) const;
  PendedFlow pended_flow() const;
  void count_sizes();
  void wake();

  Engine& engine_;
  CallWatch* const watch_;
  FlowOptions options_;
  std::u16string program_;
  FWP_BYTE_BLOB program_blob_{};

  FlowContexts contexts_;
  PendedOperations pended_;
  std::mutex aborts_mutex_;
  std::vector<FlowId> aborts_;  // bounded by kPendedOperationsMax
  std::atomic<bool> abort_due_{false};

  // Packet thread.
  FlowTable table_;
  std::array<TcpFlow, kTcpFlowsMax> tcp_{};
  size_t tcp_size_ = 0;
  bool tcp_changed_ = false;
  bool draining_ = false;
  Authorization* current_ = nullptr;
  uint64_t next_number_ = 1;
  int64_t now_ns_ = 0;

  // Read by any thread, written by the packet thread.
  std::atomic<uint64_t> udp_count_{0}, tcp_count_{0};
  Counter opened_, blocked_, displaced_, expired_, aborted_, reauthorized_, pended_in_all_;
};

// The context that (flow, layer, callout) has, and a hold on it: while a pin is there its
// flowDeleteFn does not run, FwpsFlowRemoveContext0 gives STATUS_PENDING, and what is over
// meanwhile is deleted by the pin's destructor. Packet thread; around each call of a classifyFn.
// Costs a load and a test where the flow has no contexts.
class FlowPin {
 public:
  // `flows` may be null, and `flow` 0: then there is no context.
  FlowPin(Flows* flows, FlowId flow, uint16_t layer_id, const Callout& callout)
      : contexts_(flows == nullptr || flow == 0 ? nullptr : &flows->contexts()),
        callout_(callout),
        node_(contexts_ == nullptr ? FlowContexts::kNone
                                   : contexts_->pin(flow, layer_id, callout)) {}
  ~FlowPin() {
    if (node_ != FlowContexts::kNone) contexts_->unpin(node_);
  }
  FlowPin(const FlowPin&) = delete;
  FlowPin& operator=(const FlowPin&) = delete;

  // classifyFn's flowContext; 0: none.
  uint64_t context() const { return node_ == FlowContexts::kNone ? 0 : contexts_->value(node_); }
  // The callout is not to be called: it is conditional on flows
  // (FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW), or is being unregistered and this is a flow's layer,
  // and has no context here. Its filter then decides nothing.
  bool passes_over() const {
    if (node_ != FlowContexts::kNone) return false;
    return (callout_.flags() & FWP_CALLOUT_FLAG_CONDITIONAL_ON_FLOW) != 0 ||
           (contexts_ != nullptr && callout_.ending.load(std::memory_order_relaxed));
  }

 private:
  FlowContexts* contexts_;
  const Callout& callout_;
  const uint32_t node_;
};

}  // namespace hookline::filter
