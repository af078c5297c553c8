// What drivers keep with flows: for each (flow, layer, callout) one number of the driver's, and the
// promise that its flowDeleteFn is called exactly once for it, after no classifyFn uses it any
// more.
//
// Threads: any, but for what is said to be the packet thread's. No lock is held while a
// flowDeleteFn runs; it runs on the thread whose call ended the context, at DISPATCH_LEVEL.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/limits.h"
#include "filter/call_watch.h"
#include "filter/registry.h"

namespace hookline::filter {

// FWPS_METADATA_FIELD_FLOW_HANDLE. 0: none. Never used twice: a place, and how often it was used.
using FlowId = uint64_t;
// TCP's places come first, then UDP's.
inline constexpr size_t kFlowPlaces = kTcpFlowsMax + kUdpFlowsMax;
// Contexts that callouts have at once: two for each flow.
inline constexpr size_t kFlowContextsMax = 2 * kFlowPlaces;

class FlowContexts {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `watch` may be null.
  explicit FlowContexts(CallWatch* watch) : watch_(watch) {}
  FlowContexts(const FlowContexts&) = delete;
  FlowContexts& operator=(const FlowContexts&) = delete;

  // Takes the memory for flows of UDP, and for contexts; without it there are none. Later calls do
  // nothing.
  void reserve();

  // --- packet thread ----------------------------------------------------------------------------
  // A new flow at this place: its id. REQUIRES: the last flow there has ended.
  FlowId begin(uint32_t place);
  void end(FlowId flow);
  static uint32_t place_of(FlowId flow) { return static_cast<uint32_t>(flow & kPlaceMask); }
  // The context for a classifyFn that is about to run; unpin() is due when it has. kNone: there is
  // none. Without any contexts of the flow one load and a test.
  uint32_t pin(FlowId flow, uint16_t layer_id, const Callout& callout) {
    if (flow == 0 || head(place_of(flow)).count.load(std::memory_order_relaxed) == 0) return kNone;
    return pin_one(flow, layer_id, callout);
  }
  void unpin(uint32_t node);
  uint64_t value(uint32_t node) const { return nodes_[node].value; }

  // --- any thread -------------------------------------------------------------------------------
  bool is_there(FlowId flow);
  // As FwpsFlowAssociateContext0 and FwpsFlowRemoveContext0 give.
  NTSTATUS associate(FlowId flow, uint16_t layer_id, std::shared_ptr<const Callout> callout,
                     uint64_t context);
  NTSTATUS remove(FlowId flow, uint16_t layer_id, uint32_t callout_id);
  // The callout gets no contexts any more; those that it has are deleted, or will be by the pins
  // that hold them. How many there were.
  size_t end_callout(const Callout& callout);
  // The same without calling the driver, whose code is about to go. What the packet thread is just
  // inside of is over when its read section is.
  size_t forget_callout(const Callout& callout);

  size_t size() const { return used_.load(std::memory_order_relaxed); }
  uint64_t deleted() const { return deleted_.load(std::memory_order_relaxed); }

 private:
  static constexpr FlowId kPlaceMask = (FlowId{1} << 17) - 1;
  static_assert(kFlowPlaces <= kPlaceMask);
  struct Node {
    uint64_t value = 0;
    std::shared_ptr<const Callout> callout;  // null: free
    uint32_t flow_place = 0;
    uint32_t next = kNone;
    uint32_t pins = 0;
    uint16_t layer_id = 0;
    bool ended = false;   // in no flow's list any more
    bool silent = false;  // its driver is gone: nobody is told
  };
  struct Head {
    FlowId flow = 0;  // 0: none here now
    FlowId last = 0;
    uint32_t first = kNone;
    std::atomic<uint32_t> count{0};
  };
  using Lock = std::unique_lock<std::mutex>;

  Head& head(uint32_t place) {
    return place < kTcpFlowsMax ? tcp_heads_[place] : udp_heads_[place - kTcpFlowsMax];
  }
  Head* find(FlowId flow);
  uint32_t pin_one(FlowId flow, uint16_t layer_id, const Callout& callout);
  void unlink(uint32_t node);
  void finish(Lock& lock, uint32_t node);
  size_t end_all(const Callout& callout, bool silent);

  CallWatch* const watch_;
  mutable std::mutex mutex_;
  std::array<Head, kTcpFlowsMax> tcp_heads_;
  std::vector<Head> udp_heads_;
  std::vector<Node> nodes_;
  uint32_t free_ = kNone;
  std::atomic<size_t> used_{0};
  std::atomic<uint64_t> deleted_{0};
};

}  // namespace hookline::filter
