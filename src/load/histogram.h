// Latencies in logarithmic buckets: 64 to an octave, so that a quantile is off by 1.6 % at most,
// whatever its size. Fixed memory, no allocation, one thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace hookline::load {

class Histogram {
 public:
  // Negative values count as 0.
  void add(int64_t value_ns) {
    const uint64_t value = value_ns < 0 ? 0 : static_cast<uint64_t>(value_ns);
    ++buckets_[bucket_of(value)];
    ++count_;
    sum_ns_ += value;
    max_ns_ = std::max(max_ns_, value);
    min_ns_ = std::min(min_ns_, value);
  }

  uint64_t count() const { return count_; }
  uint64_t max_ns() const { return max_ns_; }
  uint64_t min_ns() const { return count_ == 0 ? 0 : min_ns_; }
  uint64_t mean_ns() const { return count_ == 0 ? 0 : sum_ns_ / count_; }

  // The smallest bucket bound that `share` of the values do not exceed; 0 < share <= 1. 0 when
  // empty.
  uint64_t quantile_ns(double share) const {
    if (count_ == 0) return 0;
    const auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_) + 0.999999);
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += buckets_[i];
      if (seen >= wanted) return std::min(upper_bound_of(i), max_ns_);
    }
    return max_ns_;
  }

  static constexpr unsigned kSubBits = 6;
  static constexpr size_t kSub = size_t{1} << kSubBits;
  static constexpr size_t kBuckets = (64 - kSubBits + 1) * kSub;

  static constexpr size_t bucket_of(uint64_t value) {
    if (value < kSub) return static_cast<size_t>(value);
    const auto shift = static_cast<unsigned>(std::bit_width(value)) - kSubBits - 1;
    return (shift + 1) * kSub + static_cast<size_t>((value >> shift) - kSub);
  }

  // The largest value that falls into bucket `i`.
  static constexpr uint64_t upper_bound_of(size_t i) {
    if (i < kSub) return i;
    const auto shift = static_cast<unsigned>(i / kSub - 1);
    return ((uint64_t{kSub + i % kSub} + 1) << shift) - 1;
  }

 private:
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t sum_ns_ = 0;
  uint64_t max_ns_ = 0;
  uint64_t min_ns_ = UINT64_MAX;
};

}  // namespace hookline::load
