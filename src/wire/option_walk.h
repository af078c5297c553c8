// The options of one field of a message, one by one (RFC 2132 section 2).
#pragma once

#include "base/bytes.h"
#include "line/message.h"

namespace hookline::wire {

// Calls on_option(code, value) for each option up to the end option or the field's end, which
// stands for a missing end option. False when an option runs past the field.
template <class OnOption>
bool walk_options(Bytes field, OnOption&& on_option) {
  const uint8_t* p = field.data();
  const uint8_t* const end = p + field.size();
  while (p != end) {
    const uint8_t code = *p++;
    if (code == option::kPad) continue;
    if (code == option::kEnd) return true;
    if (p == end || end - p - 1 < *p) return false;
    const uint8_t size = *p++;
    on_option(code, Bytes(p, size));
    p += size;
  }
  return true;
}

}  // namespace hookline::wire
