// What the packet thread counts and everybody may read. Single writer, relaxed: a reader sees each
// number whole, not all of them at one instant.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <string_view>

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

// Leasequery over TCP (src/query).
enum class QueryKind : uint8_t { Address, Hardware, ClientId, RelayId, RemoteId, All };
inline constexpr size_t kQueryKindCount = 6;
// Lower case, as in metrics: "address", "hw-address", "client-id", "relay-id", "remote-id", "all".
constexpr std::string_view query_kind_name(QueryKind kind) {
  constexpr std::string_view kNames[] = {"address",  "hw-address", "client-id",
                                         "relay-id", "remote-id",  "all"};
  return kNames[static_cast<size_t>(kind)];
}

struct QueryCounters {
  Counter opened;       // connections that were let in
  Counter closed;       // of those
  Counter not_allowed;  // closed at once: the peer is not in `allow`
  Counter too_many;     // closed at once: kQueryConnectionsMax, or no room for a flow
  Counter blocked;      // by a callout: refused, or dropped later
  Counter timed_out;    // idle, slow to send or slow to take
  Counter malformed;    // messages; their connections end
  std::array<Counter, kQueryKindCount> bulk;
  Counter active;        // subscriptions
  Counter active_ended;  // of those
  Counter refused;       // queries that are answered with NotAllowed
  Counter terminated;    // by a reload or a stop
  Counter overruns;      // subscribers that fell behind by more than kActiveQueryBacklogMax
  Counter answers;       // leases that were told
  Counter bytes_received;
  Counter bytes_sent;
};

// How long something took, in classes that double.
class Latency {
 public:
  // 16 us to 2^17 times that, 2.1 s; the last class is everything above.
  static constexpr int64_t kFirstNs = 16'000;
  static constexpr size_t kClasses = 19;

  void add(int64_t ns) {
    classes_[class_of(ns)].add();
    sum_ns_.add(ns < 0 ? 0 : static_cast<uint64_t>(ns));
  }
  uint64_t count(size_t which) const { return classes_[which].value(); }
  uint64_t sum_ns() const { return sum_ns_.value(); }
  // The longest that belongs to a class but the last.
  static constexpr int64_t bound_ns(size_t which) { return kFirstNs << which; }

 private:
  static size_t class_of(int64_t ns) {
    if (ns <= kFirstNs) return 0;
    const auto doublings = std::bit_width(static_cast<uint64_t>((ns - 1) / kFirstNs));
    return std::min(static_cast<size_t>(doublings), kClasses - 1);
  }

  std::array<Counter, kClasses> classes_;
  Counter sum_ns_;
};

struct Counters {
  std::array<Counter, kDropCount> drops;
  std::array<Counter, kMessageTypeCount> received;  // by MessageType; None is BOOTP
  std::array<Counter, kMessageTypeCount> sent;
  Counter frames_received;
  Counter packets_entered;  // got a slot: entered == completed + packet drops + in flight
  Counter packets_completed;
  Counter send_failures;       // completed, but the frame did not leave
  Latency replies;             // sent: from the packet's arrival to the completion of its injection
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
  QueryCounters queries;
};

}  // namespace hookline
