#include "lease/arena.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace hookline::lease {

bool Arena::reserve_more(size_t bytes) {
  const size_t limit = bytes + kUnit;
  while (parts_.size() * kPartBytes < limit) {
    LazyArray<uint8_t> part;
    if (!part.reserve(kPartBytes)) return false;
    parts_.push_back(std::move(part));
  }
  limit_ = std::max(limit_, limit);
  return true;
}

unsigned Arena::size_class(size_t size) {
  CHECK(size >= 1 && size <= kBlockBytesMax, "three values of at most 255 bytes");
  if (size <= kUnit) return 0;
  return static_cast<unsigned>(std::bit_width(size - 1) - std::bit_width(kUnit - 1));
}

uint32_t Arena::take(size_t size) {
  const unsigned c = size_class(size);
  if (uint32_t& head = free_[c]; head != 0) {
    const uint32_t block = head;
    std::memcpy(&head, data(block), sizeof head);
    return block;
  }
  const size_t bytes = kUnit << c;
  const size_t left = kPartBytes - used_ % kPartBytes;
  if (left < bytes) used_ += left;
  if (used_ + bytes > limit_) return 0;
  const auto block = static_cast<uint32_t>(used_ / kUnit);
  used_ += bytes;
  return block;
}

void Arena::give_back(uint32_t block, size_t size) {
  uint32_t& head = free_[size_class(size)];
  std::memcpy(data(block), &head, sizeof head);
  head = block;
}

}  // namespace hookline::lease
