#include "io/linux/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

namespace hookline::io {
namespace {

TEST(LinuxMemory, ReadsWhatIsThere) {
  const std::vector<uint8_t> from = {1, 2, 3, 4};
  std::vector<uint8_t> to(4);
  LinuxMemory memory;
  EXPECT_TRUE(memory.read(from.data(), to));
  EXPECT_EQ(to, from);
  EXPECT_TRUE(memory.read(nullptr, {}));
}

TEST(LinuxMemory, SaysWhatIsNot) {
  LinuxMemory memory;
  std::vector<uint8_t> to(4096);
  EXPECT_FALSE(memory.read(nullptr, to));
  EXPECT_FALSE(memory.read(reinterpret_cast<const void*>(16), to));
  // Two pages, the second one not readable: the first alone is, both are not.
  auto* pages = static_cast<uint8_t*>(
      ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(::mprotect(pages + 4096, 4096, PROT_NONE), 0);
  EXPECT_TRUE(memory.read(pages, to));
  EXPECT_FALSE(memory.read(pages + 1, to));
  ::munmap(pages, 8192);
}

}  // namespace
}  // namespace hookline::io
