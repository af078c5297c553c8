// What a driver left behind in a list that it frees: said by name, and put right by dismantle().

#include <fmt/format.h>

#include "inject/list_parts.h"
#include "inject/lists.h"

namespace hookline::inject {

void Lists::inspect(Driver& driver, Function function, const List& list) const {
  const bool has_buffers = list.first.chain != nullptr || list.parent == nullptr;
  bool is_own = list.list.FirstNetBuffer == (has_buffers ? &list.first.buffer : nullptr);
  bool forgotten = false;
  intptr_t retreated = 0;
  for (const Part* part = &list.first; part != nullptr; part = part->next) {
    is_own &= part->buffer.Next == (part->next != nullptr ? &part->next->buffer : nullptr);
    is_own &= is_own_chain(*part, forgotten);
    const auto moved = reinterpret_cast<intptr_t>(part->buffer.NdisReserved[0]);
    const auto header = reinterpret_cast<intptr_t>(part->buffer.NdisReserved[1]);
    if (retreated == 0 && (moved > 0 || moved + header < 0)) retreated = moved;
  }
  if (!is_own) {
    driver.breach(function,
                  "freed with NET_BUFFERs or MDLs that are not its own; they were left out");
  }
  if (forgotten) {
    driver.breach(function,
                  "freed with an MDL that a retreat made: the advance was forgotten; it is freed");
  } else if (retreated != 0) {
    driver.breach(function,
                  fmt::format("freed with its data start {} by {} bytes, and not put back",
                              retreated > 0 ? "retreated" : "advanced", std::abs(retreated)));
  }
}

// Looks at nothing but what was allocated here: a driver's own MDLs may have been freed by now.
bool Lists::is_own_chain(const Part& part, bool& forgotten) const {
  const MDL* mdl = part.buffer.MdlChain;
  for (size_t i = 0; mdl != part.chain; ++i) {
    const Room* room = room_of(mdl);
    // A driver that takes its own MDLs out before has done no harm.
    if (room == nullptr || i == kMdlsMax) return mdl == nullptr && !part.is_clone();
    if (!room->by_engine) forgotten = true;
    mdl = room->mdl.Next;
  }
  if (!part.is_clone()) return true;
  for (const CloneMdl* more = part.more;; more = more->next) {
    if (mdl->Next != (more != nullptr ? &more->mdl : nullptr)) return false;
    if (more == nullptr) return true;
    mdl = &more->mdl;
  }
}

}  // namespace hookline::inject
