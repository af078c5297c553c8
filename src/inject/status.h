// What an injection's end is called: NTSTATUS for drivers, errno for the server's own completions.
#pragma once

#include <string_view>

#include "hookline/fwp.h"

namespace hookline::inject {

// 0 is STATUS_SUCCESS. What is not in the table is STATUS_UNSUCCESSFUL.
NTSTATUS status_of(int error);
// The other way; every success is 0, what is not in the table is EIO.
int error_of(NTSTATUS status);

// Whether the same send may work a moment later: an interface that goes down and comes up tells its
// socket so once, with the next frame. A queue that stays full is not among them: it has been
// waited for.
bool is_transient(int error);

// For reports: classes of ends.
enum class End : unsigned char { Success, Blocked, Failed, Cancelled };
inline constexpr size_t kEndCount = 4;
End end_of(NTSTATUS status);
std::string_view end_name(End end);

}  // namespace hookline::inject
