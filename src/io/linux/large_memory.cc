#include "io/large_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

#include "base/check.h"

namespace hookline::io {

namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

LargeMemory::LargeMemory(size_t bytes)
    : mapping_size_((bytes + kHugePage - 1) / kHugePage * kHugePage + kHugePage), size_(bytes) {
  mapping_ = ::mmap(nullptr, mapping_size_, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(mapping_ != MAP_FAILED, "there is address space for the server's tables");
  const uintptr_t start = reinterpret_cast<uintptr_t>(mapping_);
  data_ = reinterpret_cast<void*>((start + kHugePage - 1) / kHugePage * kHugePage);
  // A wish: without huge pages it works, only slower.
  ::madvise(data_, mapping_size_ - kHugePage, MADV_HUGEPAGE);
}

void LargeMemory::make_real(size_t bytes) {
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14
  ::madvise(data_, std::min(bytes, size_), kPopulateWrite);
}

LargeMemory::~LargeMemory() { ::munmap(mapping_, mapping_size_); }

}  // namespace hookline::io
