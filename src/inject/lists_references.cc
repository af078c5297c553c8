// References: what a driver holds of lists, so that a Dereference too many is noticed, and those
// of an unloaded driver are given back.

#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {
namespace {

size_t bucket_of(const NET_BUFFER_LIST* list) {
  return (reinterpret_cast<uintptr_t>(list) >> 4) * 0x9E3779B97F4A7C15ULL >> 54;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the API's own names.
void Lists::FwpsReferenceNetBufferList0(Driver& driver, NET_BUFFER_LIST* list, BOOLEAN) {
  if (!is_usable(driver, "FwpsReferenceNetBufferList0", list)) return;
  hold(*list);
  note_reference(list, owner_of(driver));
}

void Lists::FwpsDereferenceNetBufferList0(Driver& driver, NET_BUFFER_LIST* list, BOOLEAN) {
  if (strike_reference(list, owner_of(driver))) {
    let_go(*list);
  } else {
    driver.breach("FwpsDereferenceNetBufferList0", "it holds no reference of this list: ignored");
  }
}
// NOLINTEND(readability-identifier-naming)

// The pointer to it, in its bucket; to null: there is none. REQUIRES: references_mutex_.
Lists::Reference** Lists::find_reference(const NET_BUFFER_LIST* list, const BlockOwner& owner) {
  Reference** at = &references_[bucket_of(list)];
  while (*at != nullptr && ((*at)->list != list || (*at)->owner != &owner)) at = &(*at)->next;
  return at;
}

void Lists::note_reference(NET_BUFFER_LIST* list, BlockOwner& owner) {
  const std::lock_guard lock(references_mutex_);
  Reference** at = find_reference(list, owner);
  if (*at == nullptr) {
    if (Block* block = blocks_.allocate(BlockKind::Reference, sizeof(Reference), owner)) {
      *at = &(block->as<Reference>() = Reference{list, &owner, 1, nullptr});
      return;
    }
    owner.references_unnoted.fetch_add(1);
  } else {
    ++(*at)->count;
  }
  owner.count(BlockKind::Reference).fetch_add(1);
}

bool Lists::strike_reference(const NET_BUFFER_LIST* list, BlockOwner& owner) {
  const std::lock_guard lock(references_mutex_);
  Reference** at = find_reference(list, owner);
  if (Reference* found = *at; found != nullptr && found->count == 1) {
    *at = found->next;
    drop(found);
    return true;
  }
  if (*at != nullptr) {
    --(*at)->count;
  } else {
    if (list == nullptr || owner.references_unnoted.load() == 0) return false;
    owner.references_unnoted.fetch_sub(1);
  }
  owner.count(BlockKind::Reference).fetch_sub(1);
  return true;
}

void Lists::free_references(BlockOwner& owner) {
  for (Block* block : blocks_.of(owner)) {
    if (block->read().kind() != BlockKind::Reference) continue;
    const Reference reference = block->as<Reference>();
    for (size_t i = 0; i < reference.count; ++i) {
      strike_reference(reference.list, owner);
      let_go(*reference.list);
    }
  }
  // Of which lists is not known: they stay held.
  owner.count(BlockKind::Reference).fetch_sub(owner.references_unnoted.exchange(0));
}

}  // namespace hookline::inject
