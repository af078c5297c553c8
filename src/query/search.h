// The leases that a query asks for, a few at a time. RFC 6926 section 7.2.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "lease/engine.h"
#include "wire/bulk_query.h"

namespace hookline::query {

// What an address is, and since when.
struct Standing {
  MessageType type = MessageType::LeaseUnassigned;
  wire::QueryState state = wire::QueryState::Available;
  LeaseSeconds since = 0;       // in this state; 0: not known
  LeaseSeconds changed_at = 0;  // anything of it, last; 0: not known
};
Standing standing_of(const LeaseRecord& record, LeaseSeconds now);

// Looks at each lease once: as it is when the search gets there. A query that an index answers (by
// hardware address, by client identifier) names the leases that there were when it began, as they
// are now. Nothing allocates after the first begin(). Packet thread only.
class Search {
 public:
  // Makes the room that it needs.
  void prepare() { found_.reserve(kHardwareLeasesMax); }
  // Keeps nothing of the query's bytes.
  void begin(const wire::LeaseQuery& query, const lease::Engine& engine);
  // All that changed at `start` or later.
  void begin_all(LeaseSeconds start);
  bool done() const { return done_; }
  // What the beginning took: leases that an index found, and whether it asked once a wire.
  size_t found() const { return found_.size(); }
  bool asks_each_wire() const { return kind_ == QueryKind::ClientId; }

  // Looks at no more than `max` leases and hands out those that are asked for. Returns how many it
  // looked at.
  template <class Visitor>  // void(const LeaseRecord&)
  size_t step(const lease::Engine& engine, size_t max, LeaseSeconds now, Visitor&& visitor) {
    if (done_ || max == 0) return 0;
    size_t looked = 0;
    const auto look = [&](const LeaseRecord& record) {
      ++looked;
      if (matches(record, now)) visitor(record);
    };
    if (by_scan_) {
      cursor_ = engine.scan(cursor_, max, look);
      done_ = cursor_ == lease::kScanDone;
      return std::max<size_t>(looked, 1);
    }
    for (; next_ < found_.size() && looked < max; ++next_) {
      if (const auto record = engine.find(found_[next_])) look(*record);
    }
    done_ = next_ == found_.size();
    return std::max<size_t>(looked, 1);
  }

 private:
  bool matches(const LeaseRecord& record, LeaseSeconds now) const;
  bool matches_id(const LeaseRecord& record) const;
  void find_hardware(const lease::Engine& engine);
  void find_client(const lease::Engine& engine);

  QueryKind kind_ = QueryKind::All;
  uint8_t hardware_type_ = 0;
  InlineBytes<255> id_;
  LeaseSeconds start_ = 0;
  LeaseSeconds end_ = 0;
  bool timed_ = false;
  bool by_scan_ = true;
  bool done_ = true;
  uint64_t cursor_ = 0;
  std::vector<Ipv4> found_;  // by an index
  size_t next_ = 0;          // of them
};

}  // namespace hookline::query
