#include "inject/gather.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "inject/mdl_chain.h"

namespace hookline::inject {
namespace {

// Clones of clones; who makes more is not followed.
constexpr int kParentsMax = 64;

}  // namespace

bool is_sound(const NET_BUFFER& buffer) {
  if (buffer.DataLength == 0) return false;
  const MDL* mdl = buffer.CurrentMdl;
  if (mdl == nullptr || buffer.CurrentMdlOffset > mdl->ByteCount) return false;
  uint64_t found = 0;
  uint32_t skipped = buffer.CurrentMdlOffset;
  for (size_t i = 0; mdl != nullptr && i < kMdlsMax; ++i, mdl = mdl->Next) {
    if (mdl->MappedSystemVa == nullptr && mdl->ByteCount != 0) return false;
    found += mdl->ByteCount - skipped;
    skipped = 0;
    if (found >= buffer.DataLength) return true;
  }
  return false;
}

void copy_out(const NET_BUFFER& buffer, MutableBytes out) {
  const MDL* mdl = buffer.CurrentMdl;
  uint32_t skipped = buffer.CurrentMdlOffset;
  while (!out.empty()) {
    CHECK(mdl != nullptr, "whoever calls has looked at the list before");
    const size_t piece = std::min<size_t>(mdl->ByteCount - skipped, out.size());
    std::memcpy(out.data(), static_cast<const uint8_t*>(mdl->MappedSystemVa) + skipped, piece);
    out = out.subspan(piece);
    skipped = 0;
    mdl = mdl->Next;
  }
}

const NET_BUFFER_LIST& root_of(const NET_BUFFER_LIST& list) {
  const NET_BUFFER_LIST* root = &list;
  for (int i = 0; i < kParentsMax && root->ParentNetBufferList != nullptr; ++i) {
    root = root->ParentNetBufferList;
  }
  return *root;
}

const Mark* mark_of(const NET_BUFFER_LIST& list) {
  const NET_BUFFER_LIST* from = &list;
  for (int i = 0; i < kParentsMax && from != nullptr; ++i, from = from->ParentNetBufferList) {
    if (const Mark* mark = Mark::of(*from)) return mark;
  }
  return nullptr;
}

void tell_parents(NET_BUFFER_LIST& list, NTSTATUS status) {
  NET_BUFFER_LIST* parent = list.ParentNetBufferList;
  for (int i = 0; i < kParentsMax && parent != nullptr; ++i, parent = parent->ParentNetBufferList) {
    NDIS_STATUS none = STATUS_SUCCESS;
    __atomic_compare_exchange_n(&parent->Status, &none, status, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
  }
}

}  // namespace hookline::inject
