// The bytes of a NET_BUFFER as one piece. A driver's lists are not believed: what does not hold
// together is refused, and nothing outside its MDLs is read.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "hookline/netbuffer.h"
#include "inject/mark.h"

namespace hookline::inject {

// Whether the data lies within the MDLs from CurrentMdl on, and there is some.
bool is_sound(const NET_BUFFER& buffer);

// Copies the data's first out.size() bytes. REQUIRES: is_sound(buffer), and DataLength >=
// out.size().
void copy_out(const NET_BUFFER& buffer, MutableBytes out);

// The list that this is a clone of, at the end of a chain of clones; itself when it is none.
const NET_BUFFER_LIST& root_of(const NET_BUFFER_LIST& list);
// The list's mark, or that of the nearest list that it is a clone of. Null: never injected.
const Mark* mark_of(const NET_BUFFER_LIST& list);
// Tells every list that this is a clone of that it has failed; the first failure stays.
void tell_parents(NET_BUFFER_LIST& list, NTSTATUS status);

}  // namespace hookline::inject
