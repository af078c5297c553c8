#include "inject/lists.h"

#include <fmt/format.h>

#include <cstring>
#include <type_traits>

#include "base/check.h"
#include "inject/list_parts.h"

namespace hookline::inject {
namespace {

size_t home_of(const Driver& driver) {
  return (reinterpret_cast<uintptr_t>(&driver) >> 4) * 0x9E3779B97F4A7C15ULL >> 57;
}
static_assert(kListOwnersMax == 1 << 7);

std::string_view allocator_of(BlockKind kind) {
  return kind == BlockKind::Clone ? "FwpsAllocateCloneNetBufferList0"
                                  : "FwpsAllocateNetBufferAndNetBufferList0";
}

bool is_list(BlockKind kind) { return kind == BlockKind::List || kind == BlockKind::Clone; }

}  // namespace

Lists::Lists(Released released) : released_(released) {}

Lists::~Lists() = default;

BlockOwner& Lists::owner_of(Driver& driver) {
  if (const BlockOwner* known = find_owner(driver)) return const_cast<BlockOwner&>(*known);
  const std::lock_guard lock(owners_mutex_);
  BlockOwner* place = nullptr;
  for (size_t i = 0; i < owners_.size(); ++i) {
    BlockOwner& owner = owners_[(home_of(driver) + i) % owners_.size()];
    Driver* there = owner.driver.load();
    if (there == &driver) return owner;
    if (place == nullptr && (there == nullptr || there == kGoneDriver)) place = &owner;
    if (there == nullptr) break;
  }
  CHECK(place != nullptr, "more than kListOwnersMax drivers are loaded");
  place->driver.store(&driver);
  return *place;
}

const BlockOwner* Lists::find_owner(const Driver& driver) const {
  for (size_t i = 0; i < owners_.size(); ++i) {
    const BlockOwner& owner = owners_[(home_of(driver) + i) % owners_.size()];
    const Driver* there = owner.driver.load(std::memory_order_acquire);
    if (there == &driver) return &owner;
    if (there == nullptr) break;
  }
  return nullptr;
}

bool Lists::is_usable(Driver& driver, Function function, const NET_BUFFER_LIST* list) const {
  if (list == nullptr) {
    driver.breach(function, "the NET_BUFFER_LIST is NULL");
    return false;
  }
  const Block* block = blocks_.find(list);
  if (block == nullptr) return true;
  const BlockWord word = block->read();
  const bool is_live = word.state() == BlockState::Live || word.state() == BlockState::Lent;
  if (is_live && is_list(word.kind())) return true;
  driver.breach(function, is_live ? "this is no NET_BUFFER_LIST" : "the NET_BUFFER_LIST was freed");
  return false;
}

// --- allocation ---------------------------------------------------------------------------------

Lists::List* Lists::make_list(BlockKind kind, size_t context_bytes, BlockOwner& owner) {
  static_assert(sizeof(Block) + sizeof(List) <= 1024, "the usual list fits a block of its class");
  static_assert(alignof(List) <= alignof(Block) && std::is_trivially_copyable_v<Mark>);
  Block* block = blocks_.allocate(kind, sizeof(List) + context_bytes, owner);
  if (block == nullptr) return nullptr;
  auto& list = block->as<List>();
  // A mark is written where there is one.
  std::memset(static_cast<void*>(&list), 0, offsetof(List, mark));
  list.list.FirstNetBuffer = &list.first.buffer;
  return &list;
}

// NOLINTBEGIN(readability-identifier-naming): the API's own names.
NTSTATUS Lists::FwpsAllocateCloneNetBufferList0(Driver& driver, NET_BUFFER_LIST* original,
                                                NDIS_HANDLE list_pool, NDIS_HANDLE buffer_pool,
                                                ULONG flags, NET_BUFFER_LIST** out) {
  const Function function = "FwpsAllocateCloneNetBufferList0";
  if (out == nullptr || !is_usable(driver, function, original)) return STATUS_INVALID_PARAMETER;
  return clone_buffers(driver, function, *original, original->FirstNetBuffer, list_pool,
                       buffer_pool, flags, out);
}

void Lists::FwpsFreeCloneNetBufferList0(Driver& driver, NET_BUFFER_LIST* list, ULONG) {
  free_list(driver, "FwpsFreeCloneNetBufferList0", list, BlockKind::Clone);
}

void Lists::FwpsFreeNetBufferList0(Driver& driver, NET_BUFFER_LIST* list) {
  free_list(driver, "FwpsFreeNetBufferList0", list, BlockKind::List);
}
// NOLINTEND(readability-identifier-naming)

NTSTATUS Lists::clone_buffers(Driver& driver, Function function, NET_BUFFER_LIST& original,
                              const NET_BUFFER* buffers, NDIS_HANDLE list_pool,
                              NDIS_HANDLE buffer_pool, ULONG flags, NET_BUFFER_LIST** out) {
  if (flags != 0) return STATUS_FWP_INVALID_FLAGS;
  Pool* of_list = nullptr;
  Pool* of_buffers = nullptr;
  if (list_pool != nullptr) {
    of_list = find_pool(driver, function, list_pool, BlockKind::ListPool);
    if (of_list == nullptr) return STATUS_INVALID_PARAMETER;
  }
  if (buffer_pool != nullptr) {
    of_buffers = find_pool(driver, function, buffer_pool, BlockKind::BufferPool);
    if (of_buffers == nullptr) return STATUS_INVALID_PARAMETER;
  }

  BlockOwner& owner = owner_of(driver);
  List* clone = make_list(BlockKind::Clone, 0, owner);
  if (clone == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
  const NTSTATUS status = share_all(original, buffers, *clone, owner);
  if (status != STATUS_SUCCESS) {
    dismantle(*clone);
    drop(clone);
    if (status == STATUS_INVALID_PARAMETER) {
      driver.breach(function, "a NET_BUFFER of the original says more bytes than its MDLs hold");
    }
    return status;
  }
  clone->list_pool = of_list;
  clone->buffer_pool = of_buffers;
  if (of_list != nullptr) of_list->lists.fetch_add(1);
  if (of_buffers != nullptr) of_buffers->lists.fetch_add(1);
  clone->list.NdisPoolHandle = list_pool;
  clone->first.buffer.NdisPoolHandle = buffer_pool;
  clone->parent = clone->list.ParentNetBufferList = &original;
  hold(original);
  *out = &clone->list;
  return STATUS_SUCCESS;
}

NTSTATUS Lists::share_all(const NET_BUFFER_LIST& from, const NET_BUFFER* buffers, List& list,
                          BlockOwner& owner) {
  Part* last = nullptr;
  size_t count = 0;
  for (const NET_BUFFER* buffer = buffers; buffer != nullptr; buffer = buffer->Next) {
    if (++count > kBuffersMax || !holds_its_data(*buffer)) return STATUS_INVALID_PARAMETER;
    Part* part = &list.first;
    if (last != nullptr) {
      Block* block = blocks_.allocate(BlockKind::Buffer, sizeof(Part), owner);
      if (block == nullptr) return STATUS_INSUFFICIENT_RESOURCES;
      part = &block->as<Part>();
      std::memset(static_cast<void*>(part), 0, sizeof *part);
      last->next = part;
      last->buffer.Next = &part->buffer;
    }
    if (!share(*buffer, *part, owner)) return STATUS_INSUFFICIENT_RESOURCES;
    last = part;
  }
  if (last == nullptr) list.list.FirstNetBuffer = nullptr;
  std::memcpy(list.list.NetBufferListInfo, from.NetBufferListInfo, sizeof from.NetBufferListInfo);
  list.list.NblFlags = from.NblFlags;
  if (const Mark* mark = Mark::of(from)) {
    list.mark = *mark;
    list.list.NdisReserved[0] = &list.mark;
  }
  return STATUS_SUCCESS;
}

// The first MDL of a clone begins where the data do, the last ends where they end.
bool Lists::share(const NET_BUFFER& from, Part& part, BlockOwner& owner) {
  const Place start = place_in(from.MdlChain, from.DataOffset).value_or(Place{});
  uint8_t* at = start.mdl != nullptr ? mapped(*start.mdl) : nullptr;
  describe(part.mdl, at != nullptr ? at + start.offset : at, 0);
  part.chain = part.buffer.MdlChain = part.buffer.CurrentMdl = &part.mdl;
  part.buffer.DataLength = from.DataLength;
  part.buffer.ChecksumBias = from.ChecksumBias;
  MDL* last = nullptr;
  CloneMdl** next = &part.more;
  bool failed = false;
  for_pieces(start, from.DataLength, [&](MDL& mdl, ULONG offset, ULONG bytes) {
    MDL* copy = &part.mdl;
    if (last != nullptr) {
      Block* block =
          failed ? nullptr : blocks_.allocate(BlockKind::CloneMdl, sizeof(CloneMdl), owner);
      failed = block == nullptr;
      if (failed) return;
      auto& more = block->as<CloneMdl>();
      more.next = nullptr;
      *next = &more;
      next = &more.next;
      copy = last->Next = &more.mdl;
    }
    describe(*copy, mapped(mdl) + offset, bytes);
    copy->MdlFlags |= MDL_PARTIAL;
    last = copy;
  });
  return !failed;
}

// --- the end of a list --------------------------------------------------------------------------

void Lists::free_list(Driver& driver, Function function, NET_BUFFER_LIST* list, BlockKind kind) {
  Block* block = find_to_free(driver, function, list, kind);
  if (block == nullptr) return;
  inspect(driver, function, block->as<List>());
  if (is_held(*list)) {
    driver.breach(function, fmt::format("freed while clones or references of it are left ({}): it "
                                        "goes with the last of them",
                                        __atomic_load_n(&list->ChildRefCount, __ATOMIC_RELAXED)));
  }
  retire(*block, block->read());
}

Block* Lists::find_to_free(Driver& driver, Function function, const NET_BUFFER_LIST* list,
                           BlockKind kind) {
  const auto refuse = [&](std::string_view text) {
    driver.breach(function, text);
    return nullptr;
  };
  if (list == nullptr) return refuse("the NET_BUFFER_LIST is NULL");
  Block* block = blocks_.find(list);
  if (block == nullptr) return refuse("the NET_BUFFER_LIST was not allocated here: ignored");
  const BlockWord word = block->read();
  if (word.is_free() || word.state() == BlockState::Zombie) {
    return refuse("the NET_BUFFER_LIST was freed before: ignored");
  }
  if (!is_list(word.kind())) return refuse("this is no NET_BUFFER_LIST: ignored");
  if (word.state() == BlockState::Lent) return refuse("its injection is pending: ignored");
  if (block->owner.load() != &owner_of(driver)) return refuse("it is another driver's: ignored");
  if (word.kind() != kind) {
    driver.breach(function, fmt::format("the wrong function for what {} allocated; freed all the "
                                        "same",
                                        allocator_of(word.kind())));
  }
  return block;
}

// A list that is held becomes a zombie, nobody's, and goes with the last that holds it.
void Lists::retire(Block& block, BlockWord word) {
  auto& list = block.as<List>();
  if (!is_held(list.list)) {
    if (block.claim(word)) destroy(block);
    return;
  }
  hold(list.list);  // while this looks at it
  if (block.change(word, BlockState::Zombie)) orphan(list);
  let_go(list.list);
}

// It needs nothing of its driver's any more.
void Lists::orphan(List& list) {
  for (Part* part = &list.first; part != nullptr; part = part->next) {
    for (MDL* mdl = part->buffer.MdlChain; mdl != part->chain;) {
      Room* room = room_of(mdl);
      if (room == nullptr) break;
      orphan_block(room);
      mdl = room->mdl.Next;
    }
    for (CloneMdl* mdl = part->more; mdl != nullptr; mdl = mdl->next) orphan_block(mdl);
    if (part != &list.first) orphan_block(part);
  }
  leave_pool(list.list_pool);
  leave_pool(list.buffer_pool);
  list.list_pool = list.buffer_pool = nullptr;
  orphan_block(&list);
}

void Lists::orphan_block(void* payload) {
  Block& block = block_of(payload);
  const BlockKind kind = block.read().kind();
  orphans_.count(kind).fetch_add(1);
  block.owner.exchange(&orphans_)->count(kind).fetch_sub(1);
}

// REQUIRES: claimed. The parent is released last, so that nothing is left of the clone by then.
void Lists::destroy(Block& first) {
  for (Block* block = &first; block != nullptr;) {
    auto& list = block->as<List>();
    NET_BUFFER_LIST* parent = list.parent;
    Pool* of_list = list.list_pool;
    Pool* of_buffers = list.buffer_pool;
    dismantle(list);
    blocks_.recycle(*block);
    leave_pool(of_list);
    leave_pool(of_buffers);
    block = parent != nullptr ? release(*parent) : nullptr;
  }
}

// Frees all that hangs on the list.
void Lists::dismantle(List& list) {
  for (Part* part = &list.first; part != nullptr;) {
    while (part->buffer.MdlChain != part->chain) {
      Room* room = room_of(part->buffer.MdlChain);
      if (room == nullptr) break;
      part->buffer.MdlChain = room->mdl.Next;
      drop(room);
    }
    for (CloneMdl* mdl = part->more; mdl != nullptr;) {
      CloneMdl* next = mdl->next;
      drop(mdl);
      mdl = next;
    }
    Part* next = part->next;
    if (part != &list.first) drop(part);
    part = next;
  }
}

void Lists::drop(void* payload) {
  Block& block = block_of(payload);
  if (block.claim(block.read())) blocks_.recycle(block);
}

// --- who holds a list ---------------------------------------------------------------------------

void Lists::hold(NET_BUFFER_LIST& list) {
  __atomic_add_fetch(&list.ChildRefCount, 1, __ATOMIC_SEQ_CST);
}

// Returns the list's block, claimed, when it was a zombie and this was the last.
Block* Lists::release(NET_BUFFER_LIST& list) {
  // Which life of the block this is about: behind the decrement another may have begun.
  Block* block = blocks_.find(&list);
  const BlockWord word = block != nullptr ? block->read() : BlockWord();
  if (__atomic_sub_fetch(&list.ChildRefCount, 1, __ATOMIC_SEQ_CST) != 0) return nullptr;
  if (block != nullptr && block->claim(word.as(BlockState::Zombie))) return block;
  if (released_.call != nullptr) released_.call(released_.context, &list);
  return nullptr;
}

void Lists::let_go(NET_BUFFER_LIST& list) {
  if (Block* block = release(list)) destroy(*block);
}

// --- the engine's own ---------------------------------------------------------------------------

Lists::Live Lists::live(const Driver& driver) const {
  const BlockOwner* owner = find_owner(driver);
  if (owner == nullptr) return {};
  return {owner->count(BlockKind::List),
          owner->count(BlockKind::Clone),
          owner->count(BlockKind::Buffer),
          owner->count(BlockKind::CloneMdl) + owner->count(BlockKind::Mdl),
          owner->count(BlockKind::ListPool) + owner->count(BlockKind::BufferPool),
          owner->count(BlockKind::Reference),
          owner->count(BlockKind::Object)};
}

bool Lists::lend(const NET_BUFFER_LIST& list) {
  Block* block = blocks_.find(&list);
  if (block == nullptr) return true;
  const BlockWord word = block->read();
  return word.state() == BlockState::Live && is_list(word.kind()) &&
         block->change(word, BlockState::Lent);
}

void Lists::give_back(const NET_BUFFER_LIST& list) {
  Block* block = blocks_.find(&list);
  if (block == nullptr) return;
  const BlockWord word = block->read();
  CHECK(word.state() == BlockState::Lent && block->change(word, BlockState::Live),
        "what is given back was lent");
}

Mark* Lists::mark_room(const NET_BUFFER_LIST& list) {
  Block* block = blocks_.find(&list);
  return block != nullptr ? &block->as<List>().mark : nullptr;
}

}  // namespace hookline::inject
