// What a helper process does: loads the callout that the server named, and runs its hooks.
#pragma once

#include "callout/setup.h"
#include "io/clock.h"
#include "io/fault_trap.h"
#include "io/helper_side.h"
#include "io/library.h"
#include "io/memory.h"

namespace hookline::hosted {

// What the server wrote for this helper. Invalid: it is a server of another version.
Result<callout::Setup> read_setup(io::HelperSide& side);

// Loads the callout, says what came of it, and serves until the server says to stop. The process's
// exit status: 0 after a stop. `trap`: what its code is called through, if there is one.
int host_callout(io::HelperSide& side, const callout::Setup& setup, io::Libraries& libraries,
                 io::Clock& clock, io::Memory& memory, io::FaultTrap* trap = nullptr);

}  // namespace hookline::hosted
