// Pools and objects. All memory comes from one place, so a pool is what it was asked for, and the
// count of the lists that came from it.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {
namespace {

bool has_header(const NDIS_OBJECT_HEADER& header, size_t size_min) {
  return header.Type == NDIS_OBJECT_TYPE_DEFAULT && header.Revision >= 1 && header.Size >= size_min;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the API's own names.
NDIS_HANDLE Lists::NdisAllocateNetBufferListPool(
    Driver& driver, NDIS_HANDLE, const NET_BUFFER_LIST_POOL_PARAMETERS* parameters) {
  const Function function = "NdisAllocateNetBufferListPool";
  if (parameters == nullptr ||
      !has_header(parameters->Header, NDIS_SIZEOF_NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1)) {
    driver.breach(function, "the parameters' Header is wrong, or there are none");
    return nullptr;
  }
  if (parameters->DataSize != 0 && parameters->fAllocateNetBuffer == 0) {
    driver.breach(function, "DataSize without fAllocateNetBuffer");
    return nullptr;
  }
  return make_pool(
      driver, BlockKind::ListPool,
      Pool(parameters->fAllocateNetBuffer != 0, parameters->ContextSize, parameters->DataSize));
}

NDIS_HANDLE Lists::NdisAllocateNetBufferPool(Driver& driver, NDIS_HANDLE,
                                             const NET_BUFFER_POOL_PARAMETERS* parameters) {
  const Function function = "NdisAllocateNetBufferPool";
  if (parameters == nullptr ||
      !has_header(parameters->Header, NDIS_SIZEOF_NET_BUFFER_POOL_PARAMETERS_REVISION_1)) {
    driver.breach(function, "the parameters' Header is wrong, or there are none");
    return nullptr;
  }
  return make_pool(driver, BlockKind::BufferPool, Pool(true, 0, parameters->DataSize));
}

void Lists::NdisFreeNetBufferListPool(Driver& driver, NDIS_HANDLE pool) {
  free_pool(driver, "NdisFreeNetBufferListPool", pool, BlockKind::ListPool);
}

void Lists::NdisFreeNetBufferPool(Driver& driver, NDIS_HANDLE pool) {
  free_pool(driver, "NdisFreeNetBufferPool", pool, BlockKind::BufferPool);
}

PNDIS_GENERIC_OBJECT Lists::NdisAllocateGenericObject(Driver& driver,
                                                      struct _DRIVER_OBJECT* driver_object, ULONG,
                                                      USHORT size) {
  const size_t bytes = sizeof(NDIS_GENERIC_OBJECT) + size;
  Block* block = blocks_.allocate(BlockKind::Object, bytes, owner_of(driver));
  if (block == nullptr) return nullptr;
  std::memset(block->payload(), 0, bytes);
  auto& object = block->as<NDIS_GENERIC_OBJECT>();
  const auto size_max = size_t{std::numeric_limits<USHORT>::max()};
  object.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  object.Header.Revision = 1;
  object.Header.Size = static_cast<USHORT>(std::min(bytes, size_max));
  object.DriverObject = driver_object;
  return &object;
}

void Lists::NdisFreeGenericObject(Driver& driver, NDIS_GENERIC_OBJECT* object) {
  Block* block = blocks_.find(object);
  const BlockWord word = block != nullptr ? block->read() : BlockWord();
  if (block == nullptr || word.state() != BlockState::Live || word.kind() != BlockKind::Object ||
      block->owner.load() != &owner_of(driver)) {
    driver.breach("NdisFreeGenericObject", "not an object of its own, or freed before: ignored");
    return;
  }
  if (block->claim(word)) blocks_.recycle(*block);
}

NTSTATUS Lists::FwpsAllocateNetBufferAndNetBufferList0(Driver& driver, NDIS_HANDLE pool,
                                                       USHORT context_size,
                                                       USHORT context_back_fill, MDL* chain,
                                                       ULONG data_offset, SIZE_T data_length,
                                                       NET_BUFFER_LIST** out) {
  const Function function = "FwpsAllocateNetBufferAndNetBufferList0";
  Pool* from = find_pool(driver, function, pool, BlockKind::ListPool);
  if (out == nullptr || from == nullptr) return STATUS_INVALID_PARAMETER;
  if (!from->has_buffers || from->data_bytes != 0) {
    driver.breach(function, "its pool has no fAllocateNetBuffer, or a DataSize");
    return STATUS_INVALID_PARAMETER;
  }
  const std::optional<Place> start = place_in(chain, data_offset);
  if (data_length > std::numeric_limits<ULONG>::max() || !start ||
      !for_pieces(*start, data_length, [](MDL&, ULONG, ULONG) {})) {
    driver.breach(function, "more data than the MDLs hold");
    return STATUS_INVALID_PARAMETER;
  }

  const size_t used = size_t{context_size} + context_back_fill;
  const size_t context = std::max<size_t>(used, from->context_bytes);
  const size_t context_bytes =
      context == 0 ? 0 : offsetof(NET_BUFFER_LIST_CONTEXT, ContextData) + context;
  List* list = make_list(BlockKind::List, context_bytes, owner_of(driver));
  if (list == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  if (context_bytes != 0) {
    std::memset(static_cast<void*>(list + 1), 0, context_bytes);
    list->list.Context = reinterpret_cast<NET_BUFFER_LIST_CONTEXT*>(list + 1);
    list->list.Context->Size = context_size;
    list->list.Context->Offset = static_cast<USHORT>(context - context_size);
  }
  NET_BUFFER& buffer = list->first.buffer;
  list->first.chain = buffer.MdlChain = chain;
  buffer.DataLength = static_cast<ULONG>(data_length);
  set_start(buffer, data_offset);
  list->list.NdisPoolHandle = buffer.NdisPoolHandle = pool;
  list->list_pool = from;
  from->lists.fetch_add(1);
  *out = &list->list;
  return STATUS_SUCCESS;
}
// NOLINTEND(readability-identifier-naming)

NDIS_HANDLE Lists::make_pool(Driver& driver, BlockKind kind, const Pool& pool) {
  Block* block = blocks_.allocate(kind, sizeof(Pool), owner_of(driver));
  return block != nullptr ? new (block->payload()) Pool(pool) : nullptr;
}

Lists::Pool* Lists::find_pool(Driver& driver, Function function, NDIS_HANDLE handle,
                              BlockKind kind) {
  Block* block = blocks_.find(handle);
  const BlockWord word = block != nullptr ? block->read() : BlockWord();
  if (block != nullptr && word.state() == BlockState::Live && word.kind() == kind &&
      block->owner.load() == &owner_of(driver)) {
    return &block->as<Pool>();
  }
  driver.breach(function,
                fmt::format("the handle is no {} pool of this driver, or was freed",
                            kind == BlockKind::ListPool ? "NET_BUFFER_LIST" : "NET_BUFFER"));
  return nullptr;
}

void Lists::free_pool(Driver& driver, Function function, NDIS_HANDLE handle, BlockKind kind) {
  Pool* pool = find_pool(driver, function, handle, kind);
  if (pool == nullptr) return;
  Block& block = block_of(pool);
  const BlockWord word = block.read();
  if (pool->lists.load() == 0) {
    if (block.claim(word)) blocks_.recycle(block);
    return;
  }
  driver.breach(function, fmt::format("freed while lists from it are left ({}): it goes with the "
                                      "last of them",
                                      pool->lists.load()));
  if (!block.change(word, BlockState::Zombie) || pool->lists.load() != 0) return;
  if (block.claim(word.as(BlockState::Zombie))) blocks_.recycle(block);
}

void Lists::leave_pool(Pool* pool) {
  if (pool == nullptr) return;
  Block& block = block_of(pool);
  const BlockWord word = block.read();
  if (pool->lists.fetch_sub(1) != 1) return;
  if (block.claim(word.as(BlockState::Zombie))) blocks_.recycle(block);
}

}  // namespace hookline::inject
