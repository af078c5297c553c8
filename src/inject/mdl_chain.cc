#include "inject/mdl_chain.h"

#include <array>
#include <cstring>

#include "base/inet_frame.h"

namespace hookline::inject {
namespace {

constexpr uintptr_t kPageBytes = 4096;

Place data_place(const NET_BUFFER& buffer, size_t at) {
  return place_in(buffer.MdlChain, buffer.DataOffset + at).value_or(Place{});
}

}  // namespace

std::optional<Place> place_in(MDL* chain, size_t offset) {
  if (chain == nullptr) return offset == 0 ? std::optional(Place{}) : std::nullopt;
  for (size_t i = 0; i < kMdlsMax; ++i, chain = chain->Next) {
    if (offset < chain->ByteCount || chain->Next == nullptr) {
      if (offset > chain->ByteCount) return std::nullopt;
      return Place{chain, static_cast<ULONG>(offset)};
    }
    offset -= chain->ByteCount;
  }
  return std::nullopt;
}

bool holds_its_data(const NET_BUFFER& buffer) {
  const std::optional<Place> start = place_in(buffer.MdlChain, buffer.DataOffset);
  if (!start || start != place_in(buffer.CurrentMdl, buffer.CurrentMdlOffset)) return false;
  bool all_mapped = true;
  const bool whole = for_pieces(*start, buffer.DataLength, [&](MDL& mdl, ULONG, ULONG) {
    all_mapped = all_mapped && mdl.MappedSystemVa != nullptr;
  });
  return whole && all_mapped;
}

bool set_start(NET_BUFFER& buffer, ULONG data_offset) {
  const std::optional<Place> start = place_in(buffer.MdlChain, data_offset);
  if (!start) return false;
  buffer.DataOffset = data_offset;
  buffer.CurrentMdl = start->mdl;
  buffer.CurrentMdlOffset = start->offset;
  return true;
}

void describe(MDL& mdl, uint8_t* bytes, ULONG count) {
  const uintptr_t in_page = reinterpret_cast<uintptr_t>(bytes) % kPageBytes;
  mdl = MDL{};
  mdl.Size = sizeof mdl;
  mdl.MdlFlags = MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL;
  mdl.MappedSystemVa = bytes;
  mdl.StartVa = bytes - in_page;
  mdl.ByteOffset = static_cast<ULONG>(in_page);
  mdl.ByteCount = count;
}

void read_data(const NET_BUFFER& buffer, size_t at, MutableBytes out) {
  uint8_t* to = out.data();
  for_pieces(data_place(buffer, at), out.size(), [&to](MDL& mdl, ULONG offset, ULONG bytes) {
    std::memcpy(to, mapped(mdl) + offset, bytes);
    to += bytes;
  });
}

void write_data(NET_BUFFER& buffer, size_t at, Bytes from) {
  const uint8_t* next = from.data();
  for_pieces(data_place(buffer, at), from.size(), [&next](MDL& mdl, ULONG offset, ULONG bytes) {
    std::memcpy(mapped(mdl) + offset, next, bytes);
    next += bytes;
  });
}

uint64_t checksum_data(const NET_BUFFER& buffer, size_t at, size_t count, uint64_t sum) {
  bool odd = false;
  for_pieces(data_place(buffer, at), count, [&](MDL& mdl, ULONG offset, ULONG bytes) {
    Bytes piece{mapped(mdl) + offset, bytes};
    if (odd) {  // the second half of a word that began in the piece before
      sum += piece[0];
      piece = piece.subspan(1);
    }
    sum = checksum_add(piece, sum);
    odd = piece.size() % 2 != 0;
  });
  return sum;
}

}  // namespace hookline::inject
