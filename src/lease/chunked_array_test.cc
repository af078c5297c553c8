#include "lease/chunked_array.h"

#include <gtest/gtest.h>

#include <fstream>

#include "lease/slot.h"

namespace hookline::lease {
namespace {

size_t resident_bytes() {
  size_t pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * 4096;
}

// What comes first in a large range is there before it is used, and no more than that.
TEST(ChunkedArray, TheFirstOfALargeBlockAreRealMemory) {
  const size_t before = resident_bytes();
  ChunkedArray<Slot> slots;
  ASSERT_TRUE(slots.add(8 * kReadyAddresses, true));
  const size_t real = resident_bytes() - before;
  EXPECT_GE(real, kReadyAddresses * sizeof(Slot));
  EXPECT_LT(real, 2 * kReadyAddresses * sizeof(Slot));
  const size_t small = resident_bytes();
  ASSERT_TRUE(slots.add(ChunkedArray<Slot>::kChunk));
  EXPECT_LT(resident_bytes(), small + (size_t{1} << 20));
}

}  // namespace
}  // namespace hookline::lease
