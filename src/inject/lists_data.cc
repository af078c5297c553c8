// Where the data of a NET_BUFFER start, and reading them.

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {
namespace {

constexpr std::string_view kRetreat = "NdisRetreatNetBufferDataStart";
constexpr std::string_view kAdvance = "NdisAdvanceNetBufferDataStart";
constexpr std::string_view kRetreatList = "NdisRetreatNetBufferListDataStart";
constexpr std::string_view kAdvanceList = "NdisAdvanceNetBufferListDataStart";

// Keeps the account of NET_BUFFER::NdisReserved[0].
void account(NET_BUFFER& buffer, int64_t retreated) {
  const int64_t before = reinterpret_cast<intptr_t>(buffer.NdisReserved[0]);
  buffer.NdisReserved[0] = reinterpret_cast<PVOID>(before + retreated);
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the API's own names.
NDIS_STATUS Lists::NdisRetreatNetBufferDataStart(Driver& driver, NET_BUFFER* buffer, ULONG delta,
                                                 ULONG back_fill,
                                                 NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl) {
  if (buffer == nullptr) {
    driver.breach(kRetreat, "the NET_BUFFER is NULL");
    return NDIS_STATUS_INVALID_PARAMETER;
  }
  const NDIS_STATUS status = retreat(driver, kRetreat, *buffer, delta, back_fill, allocate_mdl);
  if (status == NDIS_STATUS_SUCCESS) account(*buffer, delta);
  return status;
}

void Lists::NdisAdvanceNetBufferDataStart(Driver& driver, NET_BUFFER* buffer, ULONG delta,
                                          BOOLEAN free_mdl, NET_BUFFER_FREE_MDL_HANDLER handler) {
  if (buffer == nullptr) {
    driver.breach(kAdvance, "the NET_BUFFER is NULL");
  } else if (advance(driver, kAdvance, *buffer, delta, free_mdl != 0, handler)) {
    account(*buffer, -int64_t{delta});
  }
}

NDIS_STATUS Lists::NdisRetreatNetBufferListDataStart(Driver& driver, NET_BUFFER_LIST* list,
                                                     ULONG delta, ULONG back_fill,
                                                     NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl,
                                                     NET_BUFFER_FREE_MDL_HANDLER handler) {
  if (!is_usable(driver, kRetreatList, list)) return NDIS_STATUS_INVALID_PARAMETER;
  for (NET_BUFFER* buffer = list->FirstNetBuffer; buffer != nullptr; buffer = buffer->Next) {
    const NDIS_STATUS status =
        retreat(driver, kRetreatList, *buffer, delta, back_fill, allocate_mdl);
    if (status == NDIS_STATUS_SUCCESS) {
      account(*buffer, delta);
      continue;
    }
    for (NET_BUFFER* done = list->FirstNetBuffer; done != buffer; done = done->Next) {
      advance(driver, kRetreatList, *done, delta, true, handler);
      account(*done, -int64_t{delta});
    }
    return status;
  }
  return NDIS_STATUS_SUCCESS;
}

void Lists::NdisAdvanceNetBufferListDataStart(Driver& driver, NET_BUFFER_LIST* list, ULONG delta,
                                              BOOLEAN free_mdl,
                                              NET_BUFFER_FREE_MDL_HANDLER handler) {
  if (!is_usable(driver, kAdvanceList, list)) return;
  for (NET_BUFFER* buffer = list->FirstNetBuffer; buffer != nullptr; buffer = buffer->Next) {
    if (advance(driver, kAdvanceList, *buffer, delta, free_mdl != 0, handler)) {
      account(*buffer, -int64_t{delta});
    }
  }
}

PVOID Lists::NdisGetDataBuffer(Driver& driver, NET_BUFFER* buffer, ULONG bytes, PVOID storage,
                               UINT align, UINT align_offset) {
  if (buffer == nullptr || bytes == 0 || bytes > buffer->DataLength) return nullptr;
  const std::optional<Place> start = place_in(buffer->MdlChain, buffer->DataOffset);
  bool all_mapped = true;
  const bool whole = start && for_pieces(*start, bytes, [&](MDL& mdl, ULONG, ULONG) {
                       all_mapped = all_mapped && mdl.MappedSystemVa != nullptr;
                     });
  if (!whole || !all_mapped) {
    driver.breach("NdisGetDataBuffer", "the NET_BUFFER says more bytes than its MDLs hold");
    return nullptr;
  }
  if (start->mdl->ByteCount - start->offset >= bytes) {
    uint8_t* in_place = mapped(*start->mdl) + start->offset;
    const bool any = align <= 1;
    if (any || reinterpret_cast<uintptr_t>(in_place) % align == align_offset % align) {
      return in_place;
    }
  }
  if (storage != nullptr) read_data(*buffer, 0, {static_cast<uint8_t*>(storage), bytes});
  return storage;
}

void Lists::NdisCopySendNetBufferListInfo(Driver& driver, NET_BUFFER_LIST* to,
                                          NET_BUFFER_LIST* from) {
  const Function function = "NdisCopySendNetBufferListInfo";
  if (!is_usable(driver, function, to) || !is_usable(driver, function, from)) return;
  PVOID const of_engine = to->NetBufferListInfo[WfpNetBufferListInfo];
  std::memmove(to->NetBufferListInfo, from->NetBufferListInfo, sizeof to->NetBufferListInfo);
  to->NetBufferListInfo[WfpNetBufferListInfo] = of_engine;
  to->NblFlags = from->NblFlags;
}

void Lists::NdisCopyReceiveNetBufferListInfo(Driver& driver, NET_BUFFER_LIST* to,
                                             NET_BUFFER_LIST* from) {
  const Function function = "NdisCopyReceiveNetBufferListInfo";
  if (!is_usable(driver, function, to) || !is_usable(driver, function, from)) return;
  PVOID const of_engine = to->NetBufferListInfo[WfpNetBufferListInfo];
  PVOID const cancel_id = to->NetBufferListInfo[NetBufferListCancelId];  // of a send
  std::memmove(to->NetBufferListInfo, from->NetBufferListInfo, sizeof to->NetBufferListInfo);
  to->NetBufferListInfo[WfpNetBufferListInfo] = of_engine;
  to->NetBufferListInfo[NetBufferListCancelId] = cancel_id;
  to->NblFlags = from->NblFlags;
}
// NOLINTEND(readability-identifier-naming)

bool Lists::copy_out(const NET_BUFFER& buffer, MutableBytes out) {
  if (buffer.DataLength > out.size() || !holds_its_data(buffer)) return false;
  read_data(buffer, 0, out.first(buffer.DataLength));
  return true;
}

bool Lists::copy_out(const NET_BUFFER_LIST& list, MutableBytes out) {
  return list.FirstNetBuffer != nullptr && copy_out(*list.FirstNetBuffer, out);
}

NDIS_STATUS Lists::retreat(Driver& driver, Function function, NET_BUFFER& buffer, ULONG delta,
                           ULONG back_fill, NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl,
                           bool by_engine) {
  if (delta > std::numeric_limits<ULONG>::max() - buffer.DataLength) {
    driver.breach(function, "the data would be longer than a NET_BUFFER can say");
    return NDIS_STATUS_INVALID_PARAMETER;
  }
  if (buffer.DataOffset >= delta) {
    if (!set_start(buffer, buffer.DataOffset - delta)) {
      driver.breach(function, "DataOffset lies behind the MDLs of the NET_BUFFER");
      return NDIS_STATUS_INVALID_PARAMETER;
    }
    buffer.DataLength += delta;
    return NDIS_STATUS_SUCCESS;
  }
  const ULONG needed = delta - buffer.DataOffset;
  if (size_t{needed} + back_fill > kRetreatBytesMax) return NDIS_STATUS_RESOURCES;
  MDL* mdl = make_room(driver, function, needed + back_fill, allocate_mdl, by_engine);
  if (mdl == nullptr) return NDIS_STATUS_RESOURCES;
  mdl->Next = buffer.MdlChain;
  buffer.MdlChain = buffer.CurrentMdl = mdl;
  buffer.DataOffset = buffer.CurrentMdlOffset = mdl->ByteCount - needed;
  buffer.DataLength += delta;
  return NDIS_STATUS_SUCCESS;
}

MDL* Lists::make_room(Driver& driver, Function function, ULONG bytes,
                      NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl, bool by_engine) {
  if (allocate_mdl != nullptr) {
    ULONG size = bytes;
    MDL* mdl = allocate_mdl(&size);
    if (mdl == nullptr) return nullptr;
    if (mdl->ByteCount >= bytes && mdl->MappedSystemVa != nullptr) return mdl;
    driver.breach(function, fmt::format("the handler gave an MDL of {} bytes, asked for {}: not "
                                        "used, and lost",
                                        mdl->ByteCount, bytes));
    return nullptr;
  }
  Block* block = blocks_.allocate(BlockKind::Mdl, Room::kBytesAt + bytes, owner_of(driver));
  if (block == nullptr) return nullptr;
  auto& room = block->as<Room>();
  room.by_engine = by_engine;
  std::memset(room.bytes(), 0, bytes);
  describe(room.mdl, room.bytes(), bytes);
  room.mdl.MdlFlags |= MDL_NETWORK_HEADER;
  return &room.mdl;
}

bool Lists::advance(Driver& driver, Function function, NET_BUFFER& buffer, ULONG delta,
                    bool free_mdl, NET_BUFFER_FREE_MDL_HANDLER handler) {
  if (delta > buffer.DataLength) {
    driver.breach(function,
                  fmt::format("by {} bytes where there are {}: ignored", delta, buffer.DataLength));
    return false;
  }
  const uint64_t start = uint64_t{buffer.DataOffset} + delta;
  if (start > std::numeric_limits<ULONG>::max() || !set_start(buffer, static_cast<ULONG>(start))) {
    driver.breach(function, "the NET_BUFFER says more bytes than its MDLs hold: ignored");
    return false;
  }
  buffer.DataLength -= delta;
  if (free_mdl) free_unused_mdls(buffer, handler);
  return true;
}

void Lists::free_unused_mdls(NET_BUFFER& buffer, NET_BUFFER_FREE_MDL_HANDLER handler) {
  while (buffer.MdlChain != buffer.CurrentMdl) {
    MDL* mdl = buffer.MdlChain;
    Room* room = room_of(mdl);
    if (room == nullptr && (handler == nullptr || blocks_.owns(mdl))) return;
    buffer.MdlChain = mdl->Next;
    buffer.DataOffset -= mdl->ByteCount;
    if (room != nullptr) {
      drop(room);
    } else {
      handler(mdl);
    }
  }
  // Without data, the last MDL is the current one, used up.
  MDL* last = buffer.CurrentMdl;
  if (last == nullptr || last->Next != nullptr || buffer.CurrentMdlOffset < last->ByteCount) return;
  if (Room* room = room_of(last)) {
    buffer.MdlChain = buffer.CurrentMdl = nullptr;
    buffer.DataOffset = buffer.CurrentMdlOffset = 0;
    drop(room);
  }
}

Lists::Room* Lists::room_of(const MDL* mdl) const {
  Block* block = mdl != nullptr ? blocks_.find(mdl) : nullptr;
  if (block == nullptr) return nullptr;
  const BlockWord word = block->read();
  const bool is_room = word.state() == BlockState::Live && word.kind() == BlockKind::Mdl;
  return is_room ? &block->as<Room>() : nullptr;
}

}  // namespace hookline::inject
