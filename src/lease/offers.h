// Addresses held for clients that were made an offer: a bounded table with fair eviction.
#pragma once

#include <array>
#include <cstdint>

#include "base/limits.h"
#include "base/time.h"
#include "lease/index.h"

namespace hookline::lease {

// A client on a wire, as 128 bits of two keyed hashes: what offers and pending proposals know of a
// client. Bindings compare the identity itself.
struct Digest {
  uint64_t a = 0;
  uint64_t b = 0;
  bool operator==(const Digest&) const = default;
};

// What is known of an offered address in a scope with conflict detection.
enum class Checked : uint8_t { No, Probing, Free };

// An offer has a number from 1 to kOffersMax. A full table makes room by giving up the oldest offer
// of the source (relay or port) that holds most, so that a flood costs its own neighbours first.
class Offers {
 public:
  static constexpr size_t kBins = 256;

  [[nodiscard]] bool reserve();
  void clear();

  uint32_t find(const Digest& client) const;
  // The oldest after `offer`, or of all for 0; 0: there is none.
  uint32_t next(uint32_t offer) const {
    return offers_.size() == 0 ? 0 : offers_[offer].order.next;
  }
  uint32_t slot(uint32_t offer) const { return offers_[offer].slot; }
  const Digest& client(uint32_t offer) const { return offers_[offer].client; }
  Checked checked(uint32_t offer) const { return offers_[offer].checked; }
  void set_checked(uint32_t offer, Checked checked, LeaseSeconds now);
  LeaseSeconds checked_at(uint32_t offer) const { return offers_[offer].checked_at; }
  // Offers that are Checked::Probing.
  size_t probing() const { return probing_; }

  // The offer to give up before add(); 0: there is room.
  uint32_t to_evict() const;
  // REQUIRES: to_evict() == 0.
  uint32_t add(const Digest& client, uint32_t slot, uint64_t source, LeaseSeconds until);
  // The client asked again: as if made now.
  void extend(uint32_t offer, LeaseSeconds until);
  void remove(uint32_t offer);
  // The oldest offer, when its time is over; 0: none.
  uint32_t first_over(LeaseSeconds now) const;

  void shift_times(int64_t step_s);

  size_t size() const { return size_; }
  void prefetch(const Digest& client) const { index_.prefetch(client.a); }

 private:
  struct Link {
    uint32_t next, previous;
  };
  struct Offer {
    Digest client;
    uint32_t slot;
    LeaseSeconds until;
    Link order;   // all offers, oldest first; also the list of unused ones
    Link in_bin;  // those of one source, oldest first
    uint32_t bin;
    Checked checked;
    LeaseSeconds checked_at;
  };
  static constexpr uint32_t kFirstBin = kOffersMax + 1;  // heads of the bins lie behind the offers

  void link(Link Offer::*list, uint32_t head, uint32_t offer);
  void unlink(Link Offer::*list, uint32_t offer);

  LazyArray<Offer> offers_;
  Index index_;
  std::array<uint32_t, kBins> held_{};
  uint32_t unused_ = 0;     // given back; linked by order.next
  uint32_t untouched_ = 1;  // this one and all after it were never used
  size_t size_ = 0;
  size_t probing_ = 0;
};

}  // namespace hookline::lease
