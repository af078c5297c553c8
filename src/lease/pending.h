// Clients with a proposal that is not committed yet.
#pragma once

#include <cstdint>
#include <vector>

#include "base/limits.h"
#include "lease/index.h"
#include "lease/offers.h"

namespace hookline::lease {

// At most one for each packet in the server.
class PendingClients {
 public:
  struct Entry {
    Digest client;
    uint32_t number = 0;          // slot
    uint32_t block = 0;           // room taken for its record
    uint16_t decline_source = 0;  // a DECLINE: whom it counts against
  };

  [[nodiscard]] bool reserve() {
    entries_.resize(kPacketsMax + 1);
    unused_.clear();
    for (uint32_t i = kPacketsMax; i > 0; --i) unused_.push_back(i);
    return index_.reserve(kPacketsMax);
  }

  bool full() const { return unused_.empty(); }
  bool empty() const { return index_.size() == 0; }
  bool has(const Digest& client) const { return !empty() && find(client) != 0; }
  // Its ticket. REQUIRES: !full() and !has(entry.client).
  uint32_t add(const Entry& entry) {
    const uint32_t i = unused_.back();
    unused_.pop_back();
    entries_[i] = entry;
    CHECK(index_.insert(entry.client.a, i), "the index has room for every packet");
    return i;
  }
  const Entry& at(uint32_t ticket) const {
    CHECK(ticket != 0 && ticket < entries_.size(), "what is committed or withdrawn was proposed");
    return entries_[ticket];
  }
  Entry take(uint32_t ticket) {
    const Entry& entry = at(ticket);
    index_.erase(entry.client.a, ticket);
    unused_.push_back(ticket);
    return entry;
  }

 private:
  uint32_t find(const Digest& client) const {
    return index_.find(client.a, [&](uint32_t i) { return entries_[i].client == client; });
  }

  std::vector<Entry> entries_;
  std::vector<uint32_t> unused_;
  Index index_;
};

}  // namespace hookline::lease
