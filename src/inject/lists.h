// Packets as NET_BUFFER_LISTs, for drivers: pools, clones, references, and where a packet's data
// start. The functions are those of the API under their own names, with the driver that calls in
// front, so that a driver's table of functions is filled by forwarding.
//
// - Any thread, several at once. One list is used by one thread at a time, as on Windows; but its
//   clones and references may be made and freed on several at once.
// - A clone shares the bytes of its parent (FwpsAllocateCloneNetBufferList0: rule 22 of the
//   reference). It begins where the parent's data start at that moment: retreat before cloning.
// - ChildRefCount of a list counts its clones and its references together. When it falls to 0 the
//   `released` hook is called; until then the list must not complete (rule 5a).
// - Whoever breaks a rule is named (Driver::breach), and what he broke is put right where that can
//   be done: a list that is freed while clones of it are left goes with the last of them, MDLs that
//   a forgotten advance left behind are freed, what was freed twice stays freed once.
// - Without memory a function gives STATUS_INSUFFICIENT_RESOURCES (or null) and nothing has
//   changed; FwpsReferenceNetBufferList0 works without memory.
// - NET_BUFFER_LIST::NdisReserved[0] is the mark (mark.h). NET_BUFFER::NdisReserved[0] is the bytes
//   that a driver retreated it by and has not advanced again, [1] those of IP headers made here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "hookline/fwp.h"
#include "inject/list_blocks.h"
#include "inject/mark.h"
#include "inject/mdl_chain.h"
#include "line/driver.h"

namespace hookline::inject {

// Drivers, the server itself among them, that have packets at once.
inline constexpr size_t kListOwnersMax = 128;
// The largest room that one retreat makes.
inline constexpr size_t kRetreatBytesMax = size_t{1} << 20;

class Lists {
 public:
  // Called when the last clone or reference of a list has gone: any thread, no lock held, at any
  // IRQL. `list` is only an address by then: its owner may already have done with it.
  struct Released {
    void (*call)(void* context, const NET_BUFFER_LIST* list) = nullptr;
    void* context = nullptr;
  };

  // What a driver has, and must have given back when it is unloaded.
  struct Live {
    size_t lists = 0;
    size_t clones = 0;
    size_t buffers = 0;  // NET_BUFFERs beyond the first of a list or clone
    size_t mdls = 0;     // those that retreats made, and a clone's beyond its first
    size_t pools = 0;
    size_t references = 0;
    size_t objects = 0;

    size_t total() const { return lists + clones + buffers + mdls + pools + references + objects; }
    bool operator==(const Live&) const = default;
  };

  Lists() : Lists(Released{}) {}
  explicit Lists(Released released);
  // Frees all memory, whatever drivers still hold.
  ~Lists();
  Lists(const Lists&) = delete;
  Lists& operator=(const Lists&) = delete;

  // NOLINTBEGIN(readability-identifier-naming): the API's own names.
  // --- pools and objects ----------------------------------------------------------------------
  // Null: no memory, or wrong parameters (a breach). The first handle is not looked at.
  NDIS_HANDLE NdisAllocateNetBufferListPool(Driver& driver, NDIS_HANDLE handle,
                                            const NET_BUFFER_LIST_POOL_PARAMETERS* parameters);
  void NdisFreeNetBufferListPool(Driver& driver, NDIS_HANDLE pool);
  NDIS_HANDLE NdisAllocateNetBufferPool(Driver& driver, NDIS_HANDLE handle,
                                        const NET_BUFFER_POOL_PARAMETERS* parameters);
  void NdisFreeNetBufferPool(Driver& driver, NDIS_HANDLE pool);
  // `size` bytes stand behind the structure, zeroed.
  PNDIS_GENERIC_OBJECT NdisAllocateGenericObject(Driver& driver,
                                                 struct _DRIVER_OBJECT* driver_object, ULONG tag,
                                                 USHORT size);
  void NdisFreeGenericObject(Driver& driver, NDIS_GENERIC_OBJECT* object);

  // --- lists ----------------------------------------------------------------------------------
  // Pools may be null; one that is given must be the driver's own. Flags must be 0.
  // STATUS_INVALID_PARAMETER: a NET_BUFFER of the original says more bytes than its MDLs hold.
  NTSTATUS FwpsAllocateCloneNetBufferList0(Driver& driver, NET_BUFFER_LIST* original,
                                           NDIS_HANDLE list_pool, NDIS_HANDLE buffer_pool,
                                           ULONG flags, NET_BUFFER_LIST** out);
  void FwpsFreeCloneNetBufferList0(Driver& driver, NET_BUFFER_LIST* list, ULONG flags);
  // What a stream callout is shown, from dataOffset on, dataLength bytes (stream_data.cc). A clone
  // for each NET_BUFFER, in a chain; null where there are no bytes.
  void FwpsCopyStreamDataToBuffer0(Driver& driver, const FWPS_STREAM_DATA0* data, PVOID buffer,
                                   SIZE_T bytes, SIZE_T* copied);
  NTSTATUS FwpsCloneStreamData0(Driver& driver, FWPS_STREAM_DATA0* data, NDIS_HANDLE list_pool,
                                NDIS_HANDLE buffer_pool, ULONG flags, NET_BUFFER_LIST** out);
  // Frees every clone of the chain.
  void FwpsDiscardClonedStreamData0(Driver& driver, NET_BUFFER_LIST* chain, UINT32 flags,
                                    BOOLEAN dispatch_level);
  // The pool must have fAllocateNetBuffer, and DataSize 0. The MDLs stay the caller's; their
  // lengths must be right by now.
  NTSTATUS FwpsAllocateNetBufferAndNetBufferList0(Driver& driver, NDIS_HANDLE pool,
                                                  USHORT context_size, USHORT context_back_fill,
                                                  MDL* chain, ULONG data_offset, SIZE_T data_length,
                                                  NET_BUFFER_LIST** out);
  // Does not look at the MDLs that the list was made of: they may have been freed before.
  void FwpsFreeNetBufferList0(Driver& driver, NET_BUFFER_LIST* list);
  // `intend_to_modify` changes nothing here: who holds a reference may keep the list after its
  // classifyFn has returned, either way.
  void FwpsReferenceNetBufferList0(Driver& driver, NET_BUFFER_LIST* list, BOOLEAN intend_to_modify);
  void FwpsDereferenceNetBufferList0(Driver& driver, NET_BUFFER_LIST* list, BOOLEAN dispatch_level);
  // IPv4 only. The data start at the transport header or, with `header_bytes` of an IP header that
  // is to be replaced, at that. Afterwards they start at an IP header of 20 bytes; the checksums of
  // UDP and TCP are right. It needs no undoing. Of an old header, TTL, TOS, identification and the
  // fragment flags live on. Control data are not looked at.
  NTSTATUS FwpsConstructIpHeaderForTransportPacket0(
      Driver& driver, NET_BUFFER_LIST* list, ULONG header_bytes, ADDRESS_FAMILY family,
      const UCHAR* source, const UCHAR* remote, IPPROTO next_protocol, UINT64 endpoint,
      const WSACMSGHDR* control_data, ULONG control_data_length, UINT32 flags, PVOID reserved,
      IF_INDEX interface_index, IF_INDEX sub_interface_index);
  // Nothing here has to do with IPsec.
  NTSTATUS FwpsGetPacketListSecurityInformation0(Driver& driver, NET_BUFFER_LIST* list,
                                                 UINT32 query_flags,
                                                 FWPS_PACKET_LIST_INFORMATION0* information);
  void NdisCopySendNetBufferListInfo(Driver& driver, NET_BUFFER_LIST* to, NET_BUFFER_LIST* from);
  void NdisCopyReceiveNetBufferListInfo(Driver& driver, NET_BUFFER_LIST* to, NET_BUFFER_LIST* from);

  // --- where the data start -------------------------------------------------------------------
  // Takes the room in front of the data. When that is not enough a new MDL makes the rest, with
  // `back_fill` bytes of room before it. NDIS_STATUS_RESOURCES: no memory.
  NDIS_STATUS NdisRetreatNetBufferDataStart(Driver& driver, NET_BUFFER* buffer, ULONG delta,
                                            ULONG back_fill,
                                            NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl);
  // With `free_mdl`, MDLs in front that hold no data any more are taken out and freed: by the
  // handler, or, without one, those that a retreat without one made; others stay, as room.
  void NdisAdvanceNetBufferDataStart(Driver& driver, NET_BUFFER* buffer, ULONG delta,
                                     BOOLEAN free_mdl, NET_BUFFER_FREE_MDL_HANDLER handler);
  // All NET_BUFFERs of the list, or none.
  NDIS_STATUS NdisRetreatNetBufferListDataStart(Driver& driver, NET_BUFFER_LIST* list, ULONG delta,
                                                ULONG back_fill,
                                                NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl,
                                                NET_BUFFER_FREE_MDL_HANDLER handler);
  void NdisAdvanceNetBufferListDataStart(Driver& driver, NET_BUFFER_LIST* list, ULONG delta,
                                         BOOLEAN free_mdl, NET_BUFFER_FREE_MDL_HANDLER handler);
  // The first `bytes` bytes of the data in one piece: in place, or copied to `storage` when they
  // lie in several MDLs or not at align_offset behind a multiple of `align`. Null: there are fewer,
  // or they would have to be copied and `storage` is null.
  PVOID NdisGetDataBuffer(Driver& driver, NET_BUFFER* buffer, ULONG bytes, PVOID storage,
                          UINT align, UINT align_offset);
  // NOLINTEND(readability-identifier-naming)

  // --- the engine's own -----------------------------------------------------------------------
  Live live(const Driver& driver) const;
  // Everything that the driver still has is a breach, by name and count, and is freed: parents are
  // released. REQUIRES: none of its functions runs, and none of its lists is lent.
  void driver_unloaded(Driver& driver);

  // All of the data, copied to the front of `out`. False: they are more than `out` holds, or not
  // wholly in the MDLs (or there is no NET_BUFFER); `out` is then as it was.
  static bool copy_out(const NET_BUFFER& buffer, MutableBytes out);
  static bool copy_out(const NET_BUFFER_LIST& list, MutableBytes out);  // the first NET_BUFFER's

  // Clones or references of the list are left, so that it must not complete. Any list.
  static bool is_held(const NET_BUFFER_LIST& list) {
    return __atomic_load_n(&list.ChildRefCount, __ATOMIC_SEQ_CST) != 0;
  }
  // Whether it was made here, freed since or not; others are the engine's own.
  bool made(const NET_BUFFER_LIST& list) const { return blocks_.find(&list) != nullptr; }
  // Around an injection of a list: what is lent can't be freed, and not be lent twice. False: it is
  // lent, or freed. True for lists not made here: nothing is known of them.
  bool lend(const NET_BUFFER_LIST& list);
  void give_back(const NET_BUFFER_LIST& list);
  // Room for a mark within the list's own allocation, where a clone's copy stands; null for lists
  // not made here.
  Mark* mark_room(const NET_BUFFER_LIST& list);

  // For tests: the `n`th allocation from now fails (1 is the next), once; 0: none. Returns how many
  // were asked for since the last call.
  uint64_t fail_allocation(uint64_t n) { return blocks_.fail_allocation(n); }

 private:
  // What the blocks hold (list_parts.h).
  struct CloneMdl;
  struct Part;
  struct List;
  struct Room;
  struct Pool;
  struct Reference;
  using Function = std::string_view;  // who is named in a breach

  BlockOwner& owner_of(Driver& driver);
  const BlockOwner* find_owner(const Driver& driver) const;

  // Lists (lists.cc).
  bool is_usable(Driver& driver, Function function, const NET_BUFFER_LIST* list) const;
  List* make_list(BlockKind kind, size_t context_bytes, BlockOwner& owner);
  // A clone of the list that has these NET_BUFFERs instead of its own.
  NTSTATUS clone_buffers(Driver& driver, Function function, NET_BUFFER_LIST& original,
                         const NET_BUFFER* buffers, NDIS_HANDLE list_pool, NDIS_HANDLE buffer_pool,
                         ULONG flags, NET_BUFFER_LIST** out);
  NTSTATUS share_all(const NET_BUFFER_LIST& from, const NET_BUFFER* buffers, List& list,
                     BlockOwner& owner);
  bool share(const NET_BUFFER& from, Part& part, BlockOwner& owner);
  void free_list(Driver& driver, Function function, NET_BUFFER_LIST* list, BlockKind kind);
  Block* find_to_free(Driver& driver, Function function, const NET_BUFFER_LIST* list,
                      BlockKind kind);
  void retire(Block& block, BlockWord word);
  void orphan(List& list);
  void orphan_block(void* payload);
  void destroy(Block& block);
  void dismantle(List& list);
  void drop(void* payload);
  static void hold(NET_BUFFER_LIST& list);
  Block* release(NET_BUFFER_LIST& list);
  void let_go(NET_BUFFER_LIST& list);

  // What is left behind in a list that is freed (lists_inspect.cc).
  void inspect(Driver& driver, Function function, const List& list) const;
  bool is_own_chain(const Part& part, bool& forgotten) const;

  // References (lists_references.cc).
  Reference** find_reference(const NET_BUFFER_LIST* list, const BlockOwner& owner);
  void note_reference(NET_BUFFER_LIST* list, BlockOwner& owner);
  bool strike_reference(const NET_BUFFER_LIST* list, BlockOwner& owner);
  void free_references(BlockOwner& owner);

  // Data starts (lists_data.cc).
  NDIS_STATUS retreat(Driver& driver, Function function, NET_BUFFER& buffer, ULONG delta,
                      ULONG back_fill, NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl,
                      bool by_engine = false);
  MDL* make_room(Driver& driver, Function function, ULONG bytes,
                 NET_BUFFER_ALLOCATE_MDL_HANDLER allocate_mdl, bool by_engine);
  bool advance(Driver& driver, Function function, NET_BUFFER& buffer, ULONG delta, bool free_mdl,
               NET_BUFFER_FREE_MDL_HANDLER handler);
  void free_unused_mdls(NET_BUFFER& buffer, NET_BUFFER_FREE_MDL_HANDLER handler);
  // An MDL that a retreat made without a handler; null: another.
  Room* room_of(const MDL* mdl) const;

  // Pools (lists_pools.cc).
  NDIS_HANDLE make_pool(Driver& driver, BlockKind kind, const Pool& pool);
  // Null: none of this driver's, a breach.
  Pool* find_pool(Driver& driver, Function function, NDIS_HANDLE handle, BlockKind kind);
  void free_pool(Driver& driver, Function function, NDIS_HANDLE handle, BlockKind kind);
  void leave_pool(Pool* pool);

  // Unloading (lists_unload.cc).
  void report_leaks(Driver& driver, const BlockOwner& owner) const;

  Released released_;
  ListBlocks blocks_;
  std::array<BlockOwner, kListOwnersMax> owners_;
  std::mutex owners_mutex_;  // taken to add and remove
  BlockOwner orphans_;       // of lists that were freed, and are held by others
  static constexpr size_t kReferenceBuckets = 1024;
  std::mutex references_mutex_;
  std::array<Reference*, kReferenceBuckets> references_{};
};

}  // namespace hookline::inject
