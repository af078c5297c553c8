// What the packet thread counts and everybody may read. Single writer, relaxed: a reader sees each
// number whole, not all of them at one instant.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "line/drop.h"
#include "line/message.h"

namespace hookline {

class Counter {
 public:
  // One thread only: no locked instruction on the packet path.
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Counters {
  std::array<Counter, kDropCount> drops;
  std::array<Counter, kMessageTypeCount> received;  // by MessageType; None is BOOTP
  std::array<Counter, kMessageTypeCount> sent;
  Counter frames_received;
  Counter packets_entered;  // got a slot: entered == completed + packet drops + in flight
  Counter packets_completed;
  Counter send_failures;       // completed, but the frame did not leave
  Counter replies_suppressed;  // completed, and a callout wanted no reply
  Counter leases_granted;      // new bindings
  Counter leases_renewed;
  Counter leases_released;
  Counter leases_declined;
  Counter leases_expired;
  Counter leases_conflicted;  // addresses that a probe found in use
  Counter commits;            // syncs of the journal that carried records
  Counter records_committed;
  Counter commit_ns;  // time in them
  Counter turns;
};

}  // namespace hookline
