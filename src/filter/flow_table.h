// The flows of UDP that the engine knows, by five-tuple, the least recently used last. Bounded; a
// flow that needs a place takes that of the one that was not used for the longest time. Packet
// thread only; nothing is allocated after reserve().
#pragma once

#include <cstdint>
#include <vector>

#include "filter/flow_contexts.h"
#include "line/classifier.h"

namespace hookline::filter {

// The interface only counts where an address is everybody's (0.0.0.0, 255.255.255.255): all clients
// of a link that have no address are one flow.
struct FlowKey {
  uint32_t local = 0;
  uint32_t remote = 0;
  uint32_t ifindex = 0;
  uint16_t local_port = 0;
  uint16_t remote_port = 0;
  uint8_t protocol = 0;

  static FlowKey of(const Traffic& traffic);
  bool operator==(const FlowKey&) const = default;
};

enum class FlowState : uint8_t {
  Fresh,    // a callout has taken a packet of it, without deciding
  Pending,  // a callout has pended its authorization
  Open,
  Blocked,  // it has no id
};

struct Flow {
  FlowKey key;
  FlowId id = 0;
  FlowState state = FlowState::Fresh;
  Direction begun = Direction::Inbound;  // which ALE_AUTH layer decides
  uint32_t holds = 0;                    // classifications under way: it keeps its place
  uint32_t filters_version = 0;          // of that layer, when it was decided; Blocked: of all
  int64_t used_ns = 0;                   // Blocked: since when
  uint64_t blocker = 0;                  // Blocked: the filter that has blocked it
};

class FlowTable {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  // `places` is smaller in tests.
  void reserve(size_t places, uint64_t seed);
  bool is_reserved() const { return !entries_.empty(); }

  uint32_t find(const FlowKey& key) const;
  // Makes it the most recently used.
  void touch(uint32_t place);
  // The next to go when a place is needed, or when its time is over. kNone: there is none.
  uint32_t oldest() const;
  bool is_full() const { return free_ == kNone; }
  // REQUIRES: !is_full(), and that there is none with this key.
  uint32_t add(const FlowKey& key);
  // REQUIRES: nobody holds it.
  void remove(uint32_t place);

  Flow& operator[](uint32_t place) { return entries_[place].flow; }
  const Flow& operator[](uint32_t place) const { return entries_[place].flow; }
  size_t size() const { return size_; }

 private:
  struct Entry {
    Flow flow;
    uint32_t next = kNone;  // in its bucket, or free
    uint32_t newer = kNone;
    uint32_t older = kNone;
  };

  uint32_t& bucket_of(const FlowKey& key) { return buckets_[hash(key)]; }
  size_t hash(const FlowKey& key) const;
  void take_out(uint32_t place);
  void put_first(uint32_t place);

  std::vector<Entry> entries_;
  std::vector<uint32_t> buckets_;
  uint64_t seed_ = 0;
  uint32_t free_ = kNone;
  uint32_t newest_ = kNone;
  uint32_t oldest_ = kNone;
  size_t size_ = 0;
};

}  // namespace hookline::filter
