#include "inject/list_blocks.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/check.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOOKLINE_BLOCKS_POISONED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HOOKLINE_BLOCKS_POISONED 1
#endif

#if defined(HOOKLINE_BLOCKS_POISONED)
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the runtime's own names.
extern "C" void __asan_poison_memory_region(const volatile void* address, size_t bytes);
extern "C" void __asan_unpoison_memory_region(const volatile void* address, size_t bytes);
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
#endif

namespace hookline::inject {
namespace {

#if defined(HOOKLINE_BLOCKS_POISONED)
constexpr bool kPoisoned = true;
void hide(void* at, size_t bytes) { __asan_poison_memory_region(at, bytes); }
void show(void* at, size_t bytes) { __asan_unpoison_memory_region(at, bytes); }
#else
constexpr bool kPoisoned = false;
// An address that no pointer can have, so that a late reader stops at once.
constexpr uint8_t kFreedByte = 0xDD;
void hide(void* at, size_t bytes) { std::memset(at, kFreedByte, bytes); }
void show(void*, size_t) {}
#endif

constexpr std::align_val_t kSlabAlignment{65536};

}  // namespace

ListBlocks::ListBlocks() { slabs_.reserve(kBlockSlabsMax); }

ListBlocks::~ListBlocks() {
  for (Slab* slab : slabs_) {
    show(slab->first(), slab->block_bytes * slab->block_count);
    ::operator delete(slab, kSlabAlignment);
  }
}

Block* ListBlocks::allocate(BlockKind kind, size_t bytes, BlockOwner& owner) {
  if (is_failing()) return nullptr;
  const size_t with_head = bytes + sizeof(Block);
  Block* block = nullptr;
  if (with_head <= kBlockBytesMax) {
    const size_t block_bytes = std::bit_ceil(std::max(with_head, kSizeMin));
    const auto index = static_cast<size_t>(std::countr_zero(block_bytes / kSizeMin));
    block = pop(classes_[index]);
    if (block == nullptr) block = grow(index, block_bytes);
  } else {
    Slab* slab = make_slab((with_head + 63) & ~size_t{63}, 1, kLarge);
    if (slab != nullptr) block = &slab->at(0);
  }
  if (block == nullptr) return nullptr;
  block->payload_bytes = static_cast<uint32_t>(bytes);
  show(block->payload(), bytes);
  block->owner.store(&owner, std::memory_order_relaxed);
  owner.count(kind).fetch_add(1, std::memory_order_relaxed);
  const uint64_t generation = block->read().generation() + 1;
  block->word.store(BlockWord(generation, kind, BlockState::Live).raw(), std::memory_order_release);
  return block;
}

void ListBlocks::recycle(Block& block) {
  BlockOwner* owner = block.owner.load(std::memory_order_relaxed);
  owner->count(block.read().kind()).fetch_sub(1, std::memory_order_relaxed);
  hide(block.payload(), block.payload_bytes);
  if (block.size_class == kLarge) {
    free_slab(reinterpret_cast<Slab*>(&block) - 1);
  } else {
    push(classes_[block.size_class], block);
  }
}

ListBlocks::Slab* ListBlocks::slab_of(const void* address) const {
  const uintptr_t base = reinterpret_cast<uintptr_t>(address) & ~uintptr_t{kSlabBytes - 1};
  if (base == 0) return nullptr;
  size_t place = place_of(base);
  for (size_t i = 0; i < kPlaces; ++i, place = (place + 1) % kPlaces) {
    const uintptr_t there = places_[place].load(std::memory_order_acquire);
    if (there == base) return reinterpret_cast<Slab*>(base);
    if (there == 0) return nullptr;
  }
  return nullptr;
}

Block* ListBlocks::find(const void* payload) const {
  Slab* slab = slab_of(payload);
  const size_t offset = reinterpret_cast<uintptr_t>(payload) % kSlabBytes;
  if (slab == nullptr || offset < sizeof(Slab) + sizeof(Block)) return nullptr;
  const size_t at = offset - sizeof(Slab) - sizeof(Block);
  // Blocks of the size classes are powers of two: no division.
  const size_t within = slab->block_count > 1 ? at & (slab->block_bytes - 1) : at;
  if (within != 0 || at >= slab->block_bytes * slab->block_count) return nullptr;
  return reinterpret_cast<Block*>(slab->first() + at);
}

std::vector<Block*> ListBlocks::of(const BlockOwner& owner) {
  std::vector<Block*> found;
  const std::lock_guard lock(slabs_mutex_);
  for (Slab* slab : slabs_) {
    for (size_t i = 0; i < slab->block_count; ++i) {
      Block& block = slab->at(i);
      if (!block.read().is_free() && block.owner.load() == &owner) found.push_back(&block);
    }
  }
  return found;
}

uint64_t ListBlocks::fail_allocation(uint64_t n) {
  fail_at_.store(n);
  return asked_.exchange(0);
}

bool ListBlocks::is_failing() {
  const uint64_t number = asked_.fetch_add(1, std::memory_order_relaxed) + 1;
  return number == fail_at_.load(std::memory_order_relaxed);
}

Block* ListBlocks::pop(SizeClass& size_class) {
  const std::lock_guard lock(size_class.mutex);
  Block* block = size_class.first;
  if (block != nullptr) size_class.first = block->next;
  return block;
}

void ListBlocks::push(SizeClass& size_class, Block& block) {
  const std::lock_guard lock(size_class.mutex);
  // The warmest is taken next; but what shall be caught when used after its end stays away for
  // long.
  if (kPoisoned && size_class.first != nullptr) {
    block.next = nullptr;
    size_class.last->next = &block;
  } else {
    block.next = size_class.first;
    size_class.first = &block;
  }
  if (kPoisoned || block.next == nullptr) size_class.last = &block;
}

Block* ListBlocks::grow(size_t size_class, size_t block_bytes) {
  const size_t count = (kSlabBytes - sizeof(Slab)) / block_bytes;
  Slab* slab = make_slab(block_bytes, count, static_cast<uint8_t>(size_class));
  if (slab == nullptr) return nullptr;
  for (size_t i = 1; i < count; ++i) push(classes_[size_class], slab->at(i));
  return &slab->at(0);
}

ListBlocks::Slab* ListBlocks::make_slab(size_t block_bytes, size_t block_count,
                                        uint8_t size_class) {
  const size_t bytes = sizeof(Slab) + block_bytes * block_count;
  void* memory = ::operator new(bytes, kSlabAlignment, std::nothrow);
  if (memory == nullptr) return nullptr;
  auto* slab = new (memory) Slab{block_bytes, block_count};
  for (size_t i = 0; i < block_count; ++i) {
    Block* block = new (&slab->at(i)) Block;
    block->size_class = size_class;
    hide(block->payload(), block_bytes - sizeof(Block));
  }
  if (enter(slab)) return slab;
  show(slab->first(), bytes - sizeof(Slab));
  ::operator delete(memory, kSlabAlignment);
  return nullptr;
}

bool ListBlocks::enter(Slab* slab) {
  const std::lock_guard lock(slabs_mutex_);
  if (slabs_.size() == kBlockSlabsMax) return false;
  slabs_.push_back(slab);
  size_t place = place_of(reinterpret_cast<uintptr_t>(slab));
  while (places_[place].load(std::memory_order_relaxed) > kGone) place = (place + 1) % kPlaces;
  places_[place].store(reinterpret_cast<uintptr_t>(slab), std::memory_order_release);
  return true;
}

void ListBlocks::free_slab(Slab* slab) {
  {
    const std::lock_guard lock(slabs_mutex_);
    slabs_.erase(std::find(slabs_.begin(), slabs_.end(), slab));
    size_t place = place_of(reinterpret_cast<uintptr_t>(slab));
    while (places_[place].load(std::memory_order_relaxed) != reinterpret_cast<uintptr_t>(slab)) {
      place = (place + 1) % kPlaces;
    }
    const bool is_end = places_[(place + 1) % kPlaces].load(std::memory_order_relaxed) == 0;
    places_[place].store(is_end ? 0 : kGone, std::memory_order_release);
  }
  show(slab->first(), slab->block_bytes * slab->block_count);
  ::operator delete(slab, kSlabAlignment);
}

}  // namespace hookline::inject
