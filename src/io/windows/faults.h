// What an exception says, for io/windows only.
#pragma once

#include <windows.h>

#include "io/helper_side.h"

namespace hookline::io {

// From here on describe_fault() knows the modules that are loaded now. `thread`: runs the hooks.
void remember_modules(DWORD thread);
// Locks and allocates nothing.
void describe_fault(const EXCEPTION_RECORD& record, Fault& out);

}  // namespace hookline::io
