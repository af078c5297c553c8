// By whom a packet was injected: what FwpsQueryPacketInjectionState0 answers from, and what bounds
// loops. A NET_BUFFER_LIST's mark is where its NdisReserved[0] points; NULL: never injected. A
// clone has a copy of its parent's; a deep copy, as on Windows, has none.
#pragma once

#include <array>
#include <cstdint>

#include "base/limits.h"
#include "hookline/netbuffer.h"

namespace hookline::inject {

struct Mark {
  uint64_t handle = 0;       // the injection handle, by its number: never given twice
  HANDLE context = nullptr;  // the injectionContext of that injection
  uint32_t hops = 0;         // injections that this packet has gone through, this one included
  // Of the hops - 1 injections before: handles and their contexts, the newest first.
  std::array<uint64_t, kInjectionHopsMax> before{};
  std::array<HANDLE, kInjectionHopsMax> contexts_before{};

  static const Mark* of(const NET_BUFFER_LIST& list) {
    return static_cast<const Mark*>(list.NdisReserved[0]);
  }
};

}  // namespace hookline::inject
