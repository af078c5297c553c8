// What a stream callout does with the bytes that it is shown: copies and clones. A part of Lists.
#include <algorithm>

#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {
namespace {

// Calls f(list, buffer, offset, bytes) for each NET_BUFFER that holds some of the data, from
// dataOffset on. False: the chain ends before the data do, or does not hold together.
template <class F>
bool for_stream_data(const FWPS_STREAM_DATA0& data, size_t bytes, F f) {
  NET_BUFFER_LIST* list = data.dataOffset.netBufferList;
  NET_BUFFER* buffer = data.dataOffset.netBuffer;
  size_t offset = data.dataOffset.netBufferOffset;
  if (list == nullptr) list = data.netBufferListChain;
  if (list != nullptr && buffer == nullptr) buffer = list->FirstNetBuffer;
  for (size_t i = 0; bytes != 0;) {
    if (list == nullptr || ++i > 2 * kBuffersMax) return false;
    if (buffer == nullptr) {
      list = list->Next;
      buffer = list != nullptr ? list->FirstNetBuffer : nullptr;
      continue;
    }
    if (!holds_its_data(*buffer) || offset > buffer->DataLength) return false;
    const size_t piece = std::min<size_t>(bytes, buffer->DataLength - offset);
    if (piece != 0 && !f(*list, *buffer, offset, piece)) return false;
    bytes -= piece;
    offset = 0;
    buffer = buffer->Next;
  }
  return true;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the API's own names.
void Lists::FwpsCopyStreamDataToBuffer0(Driver& driver, const FWPS_STREAM_DATA0* data, PVOID buffer,
                                        SIZE_T bytes, SIZE_T* copied) {
  const Function function = "FwpsCopyStreamDataToBuffer0";
  size_t done = 0;
  if (data == nullptr || (buffer == nullptr && bytes != 0)) {
    driver.breach(function, "the stream data, or the buffer, is NULL");
  } else {
    const auto copy = [&](NET_BUFFER_LIST&, NET_BUFFER& from, size_t offset, size_t count) {
      read_data(from, offset, {static_cast<uint8_t*>(buffer) + done, count});
      done += count;
      return true;
    };
    if (!for_stream_data(*data, std::min<size_t>(bytes, data->dataLength), copy)) {
      driver.breach(function, "dataLength is more than the chain holds from dataOffset on");
    }
  }
  if (copied != nullptr) *copied = done;
}

NTSTATUS Lists::FwpsCloneStreamData0(Driver& driver, FWPS_STREAM_DATA0* data, NDIS_HANDLE list_pool,
                                     NDIS_HANDLE buffer_pool, ULONG flags, NET_BUFFER_LIST** out) {
  const Function function = "FwpsCloneStreamData0";
  if (data == nullptr || out == nullptr) return STATUS_INVALID_PARAMETER;
  *out = nullptr;
  NET_BUFFER_LIST* last = nullptr;
  NTSTATUS status = STATUS_SUCCESS;
  const auto clone = [&](NET_BUFFER_LIST& list, NET_BUFFER& from, size_t offset, size_t count) {
    NET_BUFFER part = from;
    part.Next = nullptr;
    part.DataLength = static_cast<ULONG>(count);
    status = set_start(part, from.DataOffset + static_cast<ULONG>(offset))
                 ? STATUS_SUCCESS
                 : STATUS_INVALID_PARAMETER;
    NET_BUFFER_LIST* made = nullptr;
    if (status == STATUS_SUCCESS) {
      status = clone_buffers(driver, function, list, &part, list_pool, buffer_pool, flags, &made);
    }
    if (status != STATUS_SUCCESS) return false;
    (last == nullptr ? *out : last->Next) = made;
    last = made;
    return true;
  };
  if (for_stream_data(*data, data->dataLength, clone)) return STATUS_SUCCESS;
  if (status == STATUS_SUCCESS) {
    driver.breach(function, "dataLength is more than the chain holds from dataOffset on");
    status = STATUS_INVALID_PARAMETER;
  }
  if (*out != nullptr) FwpsDiscardClonedStreamData0(driver, *out, 0, false);
  *out = nullptr;
  return status;
}

void Lists::FwpsDiscardClonedStreamData0(Driver& driver, NET_BUFFER_LIST* chain, UINT32, BOOLEAN) {
  while (chain != nullptr) {
    // What is no list any more is named, and not followed.
    const Block* block = blocks_.find(chain);
    const bool live = block != nullptr && block->read().state() == BlockState::Live;
    NET_BUFFER_LIST* next = live ? chain->Next : nullptr;
    free_list(driver, "FwpsDiscardClonedStreamData0", chain, BlockKind::Clone);
    chain = next;
  }
}
// NOLINTEND(readability-identifier-naming)

}  // namespace hookline::inject
