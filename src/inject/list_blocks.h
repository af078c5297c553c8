// The memory that packets of drivers are made of: blocks that are found again by their address
// alone, so that a driver's bad pointer, double free or free by the wrong function is noticed
// without touching what it points at.
//
// A block once got from the system is kept until the end and given out again, so that nothing is
// allocated in the steady state (those above kBlockBytesMax are given back at once). Freed ones are
// overwritten, and under AddressSanitizer poisoned. Any thread, several at once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "line/driver.h"

namespace hookline::inject {

enum class BlockKind : uint8_t {
  List,
  Clone,
  Buffer,    // a further NET_BUFFER of a list or clone
  CloneMdl,  // a further MDL of a clone
  Mdl,       // room that a retreat made
  ListPool,
  BufferPool,
  Object,
  Reference,
};
inline constexpr size_t kBlockKinds = 9;

// Whose blocks, and how many of each kind are live.
struct BlockOwner {
  std::atomic<Driver*> driver{nullptr};
  std::array<std::atomic<size_t>, kBlockKinds> live{};
  // Those of live[Reference] for which there was no memory to note of what.
  std::atomic<size_t> references_unnoted{0};

  std::atomic<size_t>& count(BlockKind kind) { return live[static_cast<size_t>(kind)]; }
  size_t count(BlockKind kind) const { return live[static_cast<size_t>(kind)].load(); }
};

enum class BlockState : uint8_t {
  Free,
  Live,
  Lent,    // live, and in the engine's hands: an injection of it is pending
  Zombie,  // freed by its owner, and needed until the last that holds it has gone
};

// State, kind and generation in one: what a compare-and-swap needs to be about one life of a block.
class BlockWord {
 public:
  BlockWord() = default;
  explicit BlockWord(uint64_t raw) : raw_(raw) {}
  BlockWord(uint64_t generation, BlockKind kind, BlockState state)
      : raw_(generation << 16 | uint64_t{static_cast<uint8_t>(kind)} << 8 |
             static_cast<uint8_t>(state)) {}

  uint64_t raw() const { return raw_; }
  uint64_t generation() const { return raw_ >> 16; }
  BlockKind kind() const { return static_cast<BlockKind>(raw_ >> 8 & 0xFF); }
  BlockState state() const { return static_cast<BlockState>(raw_ & 0xFF); }
  bool is_free() const { return state() == BlockState::Free; }
  BlockWord as(BlockState state) const { return {generation(), kind(), state}; }

 private:
  uint64_t raw_ = 0;
};

// Stands before what the block holds.
struct alignas(16) Block {
  std::atomic<uint64_t> word{0};
  std::atomic<BlockOwner*> owner{nullptr};
  Block* next = nullptr;       // in the free list
  uint32_t payload_bytes = 0;  // asked for
  uint8_t size_class = 0;

  void* payload() { return this + 1; }
  template <class T>
  T& as() {
    return *static_cast<T*>(payload());
  }
  BlockWord read() const { return BlockWord(word.load()); }
  // False: it is not, or no more, as `from` says.
  bool change(BlockWord from, BlockState to) {
    uint64_t expected = from.raw();
    return word.compare_exchange_strong(expected, from.as(to).raw());
  }
  bool claim(BlockWord from) { return change(from, BlockState::Free); }
};

// The largest block that is kept for others; larger ones have memory of their own.
inline constexpr size_t kBlockBytesMax = 16384;
// Pieces of 64 KiB, and large blocks, that all drivers together may have.
inline constexpr size_t kBlockSlabsMax = 4096;

class ListBlocks {
 public:
  ListBlocks();
  ~ListBlocks();
  ListBlocks(const ListBlocks&) = delete;
  ListBlocks& operator=(const ListBlocks&) = delete;

  // A live block of `owner`, counted; its payload holds anything. Null: no memory.
  Block* allocate(BlockKind kind, size_t bytes, BlockOwner& owner);
  // Gives back, and counts. REQUIRES: claimed by this caller (Block::claim).
  void recycle(Block& block);

  // The block whose payload begins there, be it live or free; null: none. Reads nothing there.
  Block* find(const void* payload) const;

  // It lies in a block.
  bool owns(const void* address) const { return slab_of(address) != nullptr; }

  // Every block of `owner` that is not free. What others do meanwhile may be missed.
  std::vector<Block*> of(const BlockOwner& owner);

  // For tests: the `n`th allocation from now fails (1 is the next), once; 0: none. Returns how many
  // were asked for since the last call.
  uint64_t fail_allocation(uint64_t n);

 private:
  struct alignas(64) Slab {
    size_t block_bytes;  // from one block to the next
    size_t block_count;

    uint8_t* first() { return reinterpret_cast<uint8_t*>(this + 1); }
    Block& at(size_t index) { return *reinterpret_cast<Block*>(first() + index * block_bytes); }
  };
  struct alignas(64) SizeClass {
    std::mutex mutex;
    Block* first = nullptr;
    Block* last = nullptr;
  };
  static constexpr size_t kSlabBytes = 65536;
  static constexpr size_t kSizeMin = 128;
  static constexpr size_t kSizeClasses = 8;  // 128 B to 16 KiB
  static_assert(kSizeMin << (kSizeClasses - 1) == kBlockBytesMax);
  static constexpr uint8_t kLarge = 0xFF;
  static constexpr size_t kPlaces = 2 * kBlockSlabsMax;
  static constexpr uintptr_t kGone = 1;

  Slab* slab_of(const void* address) const;
  bool is_failing();
  Block* pop(SizeClass& size_class);
  void push(SizeClass& size_class, Block& block);
  Block* grow(size_t size_class, size_t block_bytes);
  Slab* make_slab(size_t block_bytes, size_t block_count, uint8_t size_class);
  void free_slab(Slab* slab);
  bool enter(Slab* slab);
  static size_t place_of(uintptr_t base) {
    return (base >> 16) * 0x9E3779B97F4A7C15ULL >> 51;  // 13 bits: kPlaces
  }

  std::array<SizeClass, kSizeClasses> classes_;
  std::atomic<uint64_t> asked_{0};
  std::atomic<uint64_t> fail_at_{0};
  // By address: open addressing. Read without a lock, changed under slabs_mutex_.
  std::array<std::atomic<uintptr_t>, kPlaces> places_{};
  std::mutex slabs_mutex_;
  std::vector<Slab*> slabs_;
};

}  // namespace hookline::inject
