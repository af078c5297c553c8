// Room for what does not fit into slots: long client identifiers, hostnames, option 82.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "lease/lazy_array.h"

namespace hookline::lease {

// Blocks of 32, 64, … 1024 bytes out of memory that was reserved at configure() and is touched as
// it is used. A block given back is used again for its own size only, and none ever moves.
class Arena {
 public:
  static constexpr size_t kBlockBytesMax = 1024;

  // Room for `bytes` in all; what is taken stays. False: no address space.
  [[nodiscard]] bool reserve_more(size_t bytes);
  // A block's number; 0: there is no room. `size` is 1 to kBlockBytesMax.
  uint32_t take(size_t size);
  void give_back(uint32_t block, size_t size);
  // Whether a block for one size does for the other; neither is 0.
  static bool same_size(size_t a, size_t b) {
    return a != 0 && b != 0 && size_class(a) == size_class(b);
  }

  uint8_t* data(uint32_t block) { return &parts_[block / kPartUnits][block % kPartUnits * kUnit]; }
  const uint8_t* data(uint32_t block) const {
    return &parts_[block / kPartUnits][block % kPartUnits * kUnit];
  }
  size_t bytes_touched() const { return used_; }

 private:
  static constexpr size_t kUnit = 32;
  static constexpr size_t kPartBytes = size_t{2} << 20;
  static constexpr size_t kPartUnits = kPartBytes / kUnit;
  static unsigned size_class(size_t size);

  std::vector<LazyArray<uint8_t>> parts_;  // blocks do not lie across two
  size_t limit_ = 0;
  size_t used_ = kUnit;  // block 0 is "none"
  std::array<uint32_t, 6> free_{};
};

}  // namespace hookline::lease
