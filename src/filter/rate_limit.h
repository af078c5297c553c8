// A token bucket for each key (a MAC, a relay, an interface) in a table of fixed size, for the
// rules with action = "limit". Packet thread only; nothing is allocated after the constructor.
//
// A bucket is kept as the time at which it will be full again (GCRA): full buckets are the same as
// absent ones and cost nothing to forget. Keys share sets of eight places; when all eight are in
// use, the one that is nearest to full is forgotten, so that a flood of keys can only make the
// limit laxer for some, never block a key that keeps to its rate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "line/counters.h"

namespace hookline::filter {

class RateLimiter {
 public:
  // One packet every `interval_ns` on average, and `burst` of them at once (at least 1). `buckets`
  // is rounded up to whole sets. `seed` is secret: senders choose the keys.
  RateLimiter(int64_t interval_ns, uint32_t burst, size_t buckets, uint64_t seed);

  // True: the packet is within its rate, and counted. False: it is beyond.
  bool take(uint64_t key, int64_t now_ns);

  int64_t interval_ns() const { return interval_ns_; }
  size_t buckets() const { return sets_.size() * kWays; }
  // Keys forgotten before their bucket was full.
  uint64_t forgotten() const { return forgotten_.value(); }  // any thread

 private:
  static constexpr size_t kWays = 8;
  struct Set {
    std::array<uint64_t, kWays> keys;
    std::array<int64_t, kWays> full_at_ns;  // in the past: the place is free
  };

  // The place of `key` in its set, taken from another if need be.
  int64_t& bucket_of(uint64_t key, int64_t now_ns);

  int64_t interval_ns_;
  int64_t depth_ns_;  // a bucket's content as time
  uint64_t seed_;
  Counter forgotten_;
  std::vector<Set> sets_;  // a power of two
};

}  // namespace hookline::filter
