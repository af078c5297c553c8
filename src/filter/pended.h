// Authorizations of flows that callouts have put off: FwpsPendOperation0 and, by classify handles,
// FwpsPendClassify0. Each is known to its driver by a number that is never used twice. Bounded
// (kPendedOperationsMax). Any thread, but for what is said to be the packet thread's.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "filter/arbitration.h"
#include "filter/call_watch.h"
#include "filter/flow_contexts.h"
#include "line/classifier.h"

namespace hookline::filter {

// What a callout has answered later, by FwpsCompleteClassify0, in place of its filter's callout.
struct LateAnswer {
  uint64_t filter = 0;
  Answer answer;
};

// Whose authorization it is, and who has put it off.
struct PendedFlow {
  FlowId flow = 0;
  Traffic traffic;  // of the packet, or the connection
  CalloutName callout{};
  uint64_t filter = 0;
};

class PendedOperations {
 public:
  // Takes the memory. Later calls do nothing.
  void reserve();

  // --- FwpsPendOperation0: packet thread
  // ---------------------------------------------------------- The completion context; 0: there is
  // no room.
  uint64_t pend(const PendedFlow& flow);
  // Any thread. False: it is none, or was completed already.
  bool complete(uint64_t context);

  // --- classify handles
  // --------------------------------------------------------------------------- Packet thread. 0:
  // there is no room.
  uint64_t acquire(const PendedFlow& flow);
  // Packet thread. False: it is none, of another flow or filter, or pended already.
  bool pend(uint64_t handle, FlowId flow, uint64_t filter);
  // False: it is not pended.
  bool complete(uint64_t handle, const Answer& answer);
  enum class Released : uint8_t { Well, WhilePended, Unknown };
  // What is pended is completed without an answer.
  Released release(uint64_t handle);

  // --- the end
  // ------------------------------------------------------------------------------------ A driver
  // is gone: what it has pended is completed, its handles are released.
  struct Left {
    size_t pended = 0;
    size_t handles = 0;
  };
  Left end_all_of(const void* device);
  // Packet thread: something was completed. One load.
  bool due() const { return due_.load(std::memory_order_acquire); }
  // Packet thread: what was completed next, and with which answer.
  struct Completed {
    PendedFlow flow;
    std::optional<LateAnswer> late;
  };
  std::optional<Completed> take();

  size_t pended() const { return pended_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  enum class State : uint8_t { Free, Acquired, Pended, Completed };
  struct Record {
    uint64_t number = 0;  // the last it had
    State state = State::Free;
    bool is_handle = false;
    bool released = false;  // handles
    std::optional<LateAnswer> late;
    PendedFlow flow;
    uint32_t next = kNone;  // free, or completed
  };
  using Lock = std::lock_guard<std::mutex>;

  Record* find(uint64_t number, bool is_handle);
  uint64_t add(const PendedFlow& flow, bool is_handle);
  void free(Record& record);
  void finish(Record& record);

  mutable std::mutex mutex_;
  std::vector<Record> records_;
  uint32_t free_ = kNone;
  uint32_t first_done_ = kNone;
  uint32_t last_done_ = kNone;
  std::atomic<bool> due_{false};
  std::atomic<size_t> pended_{0};
};

}  // namespace hookline::filter
