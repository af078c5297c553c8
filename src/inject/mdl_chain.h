// Where a NET_BUFFER's bytes lie in its chain of MDLs. Pure; nothing here trusts that the lengths
// that a NET_BUFFER says are those of its MDLs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "hookline/netbuffer.h"

namespace hookline::inject {

// A chain that is longer, or a list with more NET_BUFFERs, is taken for one that never ends.
inline constexpr size_t kMdlsMax = 1024;
inline constexpr size_t kBuffersMax = 1024;

struct Place {
  MDL* mdl = nullptr;
  ULONG offset = 0;
  bool operator==(const Place&) const = default;
};

// The place `offset` bytes into the chain. At a boundary: the beginning of the next MDL, if there
// is one. None: the chain is shorter, or never ends.
std::optional<Place> place_in(MDL* chain, size_t offset);

// The data lie wholly in the chain, every MDL of theirs is mapped, and CurrentMdl and
// CurrentMdlOffset say the same place as DataOffset.
bool holds_its_data(const NET_BUFFER& buffer);

// Makes the data begin `data_offset` bytes into the chain; false, and nothing changed: there is no
// such place. DataLength stays.
bool set_start(NET_BUFFER& buffer, ULONG data_offset);

// Makes `mdl` describe these bytes; Next becomes null.
void describe(MDL& mdl, uint8_t* bytes, ULONG count);

inline uint8_t* mapped(const MDL& mdl) { return static_cast<uint8_t*>(mdl.MappedSystemVa); }

// Calls f(MDL&, offset in it, bytes of it) for each piece of the chain's `bytes` bytes from `place`
// on, none of them empty. False: the chain ended before, or never ends.
template <class F>
bool for_pieces(Place place, size_t bytes, F f) {
  for (size_t i = 0; bytes != 0; ++i, place = {place.mdl->Next, 0}) {
    if (place.mdl == nullptr || i == kMdlsMax) return false;
    if (place.offset >= place.mdl->ByteCount) continue;
    const size_t piece = std::min<size_t>(bytes, place.mdl->ByteCount - place.offset);
    f(*place.mdl, place.offset, static_cast<ULONG>(piece));
    bytes -= piece;
  }
  return true;
}

// Of data that holds_its_data() is true of, from `at` bytes behind their start on. REQUIRES: at +
// size <= DataLength.
void read_data(const NET_BUFFER& buffer, size_t at, MutableBytes out);
void write_data(NET_BUFFER& buffer, size_t at, Bytes from);
// Adds them to a running sum as checksum_add() does; `count` may be odd.
uint64_t checksum_data(const NET_BUFFER& buffer, size_t at, size_t count, uint64_t sum);

}  // namespace hookline::inject
