#include "filter/rate_limit.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.h"
#include "filter/mix.h"

namespace hookline::filter {
namespace {

constexpr int64_t kLongAgo = std::numeric_limits<int64_t>::min();

}  // namespace

RateLimiter::RateLimiter(int64_t interval_ns, uint32_t burst, size_t buckets, uint64_t seed)
    : interval_ns_(interval_ns),
      depth_ns_(interval_ns * burst),
      seed_(seed),
      sets_(std::bit_ceil(std::max<size_t>(1, (buckets + kWays - 1) / kWays))) {
  CHECK(interval_ns > 0 && burst > 0, "the configuration was checked");
  for (Set& set : sets_) {
    set.keys.fill(0);
    set.full_at_ns.fill(kLongAgo);
  }
}

int64_t& RateLimiter::bucket_of(uint64_t key, int64_t now_ns) {
  Set& set = sets_[mix(key + seed_) & (sets_.size() - 1)];
  size_t place = 0;
  for (size_t i = 0; i < kWays; ++i) {
    if (set.keys[i] == key && set.full_at_ns[i] > now_ns) return set.full_at_ns[i];
    if (set.full_at_ns[i] < set.full_at_ns[place]) place = i;
  }
  if (set.full_at_ns[place] > now_ns) forgotten_.add();
  set.keys[place] = key;
  set.full_at_ns[place] = now_ns;
  return set.full_at_ns[place];
}

bool RateLimiter::take(uint64_t key, int64_t now_ns) {
  int64_t& full_at_ns = bucket_of(key, now_ns);
  if (full_at_ns + interval_ns_ - now_ns > depth_ns_) return false;
  full_at_ns += interval_ns_;
  return true;
}

}  // namespace hookline::filter
