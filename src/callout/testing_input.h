// A fuzzer's input, taken from both of its ends. Included by fuzz targets only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace hookline::callout::testing {

// What the server is to do comes from the front, what the helper does meanwhile from the back.
class Input {
 public:
  explicit Input(Bytes bytes) : left_(bytes) {}
  bool at_end() const { return left_.empty(); }
  uint32_t number(size_t bytes) {
    uint32_t value = 0;
    const size_t size = std::min(bytes, left_.size());
    if (size != 0) std::memcpy(&value, left_.data(), size);
    left_ = left_.subspan(size);
    return value;
  }
  uint8_t step() {
    if (left_.empty()) return 0;
    const uint8_t value = left_.back();
    left_ = left_.first(left_.size() - 1);
    return value;
  }
  uint32_t steps() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | step();
    return value;
  }

 private:
  Bytes left_;
};

}  // namespace hookline::callout::testing
