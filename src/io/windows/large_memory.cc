// Windows has large pages for services with a right of their own only: these are usual ones.
#include "io/large_memory.h"

#include <windows.h>

#include "base/check.h"

namespace hookline::io {

LargeMemory::LargeMemory(size_t bytes) : mapping_size_(bytes), size_(bytes) {
  mapping_ = ::VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  CHECK(mapping_ != nullptr, "there is address space for a callout's buffers");
  data_ = mapping_;
}

void LargeMemory::make_real(size_t) {}

LargeMemory::~LargeMemory() { ::VirtualFree(mapping_, 0, MEM_RELEASE); }

}  // namespace hookline::io
