// CRC-32C (Castagnoli, RFC 3720 appendix B.4), with the processor's instruction where there is one.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace hookline::store {

// Continues `crc` (0 to begin) over `bytes`: crc32c(b, crc32c(a)) is crc32c(ab). Any thread.
uint32_t crc32c(Bytes bytes, uint32_t crc = 0);

// The same without the instruction: what other processors run, and what a test compares with.
uint32_t crc32c_portable(Bytes bytes, uint32_t crc = 0);

}  // namespace hookline::store
