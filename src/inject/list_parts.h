// What the blocks of Lists hold. For lists*.cc only.
#pragma once

#include <atomic>
#include <cstdint>

#include "inject/lists.h"

namespace hookline::inject {

// In a BlockOwner, in place of a driver that was there.
inline Driver* const kGoneDriver = reinterpret_cast<Driver*>(1);

struct Lists::CloneMdl {
  MDL mdl;
  CloneMdl* next;
};

// One NET_BUFFER, and the chain that it was made with: its own MDLs, or its driver's.
struct Lists::Part {
  NET_BUFFER buffer;
  MDL mdl;
  MDL* chain;
  CloneMdl* more;
  Part* next;

  bool is_clone() const { return chain == &mdl; }
};

struct Lists::List {
  NET_BUFFER_LIST list;
  Part first;
  NET_BUFFER_LIST* parent;
  Pool* list_pool;
  Pool* buffer_pool;
  Mark mark;
  // The context area, if there is one, stands behind.
};

struct Lists::Room {
  MDL mdl;
  bool by_engine;  // for a header that needs no undoing

  static constexpr size_t kBytesAt = 64;
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(this) + kBytesAt; }
};

struct Lists::Pool {
  bool has_buffers;  // fAllocateNetBuffer
  USHORT context_bytes;
  ULONG data_bytes;
  std::atomic<int64_t> lists;  // that came from it

  Pool(bool buffers, USHORT context, ULONG data)
      : has_buffers(buffers), context_bytes(context), data_bytes(data), lists(0) {}
  Pool(const Pool& other) : Pool(other.has_buffers, other.context_bytes, other.data_bytes) {}
  Pool& operator=(const Pool&) = delete;
};

struct Lists::Reference {
  NET_BUFFER_LIST* list;
  const BlockOwner* owner;
  size_t count;
  Reference* next;
};

// The block that `payload` is the beginning of.
inline Block& block_of(void* payload) { return static_cast<Block*>(payload)[-1]; }

}  // namespace hookline::inject
