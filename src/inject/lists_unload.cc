// What an unloaded driver left: reported, and freed.

#include <fmt/format.h>

#include "base/check.h"
#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {
namespace {

struct Leak {
  BlockKind kind;
  std::string_view function;
  std::string_view what;
};
constexpr Leak kLeaks[] = {
    {BlockKind::Reference, "FwpsReferenceNetBufferList0", "reference"},
    {BlockKind::Clone, "FwpsAllocateCloneNetBufferList0", "clone"},
    {BlockKind::List, "FwpsAllocateNetBufferAndNetBufferList0", "list"},
    {BlockKind::Mdl, "NdisRetreatNetBufferDataStart", "MDL"},
    {BlockKind::ListPool, "NdisAllocateNetBufferListPool", "pool"},
    {BlockKind::BufferPool, "NdisAllocateNetBufferPool", "pool"},
    {BlockKind::Object, "NdisAllocateGenericObject", "object"},
};

}  // namespace

void Lists::driver_unloaded(Driver& driver) {
  if (find_owner(driver) == nullptr) return;
  BlockOwner& owner = owner_of(driver);
  report_leaks(driver, owner);
  free_references(owner);
  for (Block* block : blocks_.of(owner)) {
    const BlockWord word = block->read();
    if (word.kind() != BlockKind::List && word.kind() != BlockKind::Clone) continue;
    CHECK(word.state() != BlockState::Lent, "injections end before their driver is unloaded");
    retire(*block, word);
  }
  // By now no list is left in whose chain an MDL could stand, nor one from a pool.
  for (Block* block : blocks_.of(owner)) {
    if (block->claim(block->read())) blocks_.recycle(*block);
  }
  owner.driver.store(kGoneDriver);
}

void Lists::report_leaks(Driver& driver, const BlockOwner& owner) const {
  for (const Leak& leak : kLeaks) {
    const size_t count = owner.count(leak.kind);
    if (count == 0) continue;
    driver.breach(leak.function, fmt::format("{} {}{} left at unload; freed now", count, leak.what,
                                             count == 1 ? " is" : "s are"));
  }
}

}  // namespace hookline::inject
