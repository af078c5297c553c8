// Where a NET_BUFFER's data starts at each layer. Nothing is allocated or copied.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "hookline/netbuffer.h"
#include "line/classifier.h"
#include "line/net_buffers.h"

namespace hookline::filter {

// The place where a NET_BUFFER's data starts, to be put back after callouts have moved it.
struct DataStart {
  MDL* chain = nullptr;
  MDL* current = nullptr;
  uint32_t current_offset = 0;
  uint32_t offset = 0;
  uint32_t length = 0;

  static DataStart of(const NET_BUFFER& buffer);
  void restore(NET_BUFFER& buffer) const;
  bool operator==(const DataStart&) const = default;
  // The same data, beginning `bytes` later. REQUIRES: bytes <= length.
  DataStart advanced(uint32_t bytes) const;
};

// How far behind the outermost header the data starts when a callout of this layer sees it
// (reference, table 25): inbound behind the layer's own header, outbound at it.
uint32_t data_offset(const Traffic& traffic, Depth depth);

using hookline::Indication;

}  // namespace hookline::filter
