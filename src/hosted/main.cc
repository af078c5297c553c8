// hookline-host: started by the server for one callout, never by hand.
#include <fmt/core.h>

#include "hosted/hosted.h"
#include "hosted/wine.h"
#include "io/linux/clock.h"
#include "io/linux/helper_sandbox.h"
#include "io/linux/helper_side.h"
#include "io/linux/helpers.h"
#include "io/linux/library.h"
#include "io/linux/memory.h"

int main() {
  using namespace hookline;
  auto side = io::attach_helper();
  if (!side) {
    fmt::print(stderr, "hookline-host is started by hookline only ({})\n", side.error().text);
    return 2;
  }
  const auto setup = hosted::read_setup(**side);
  if (!setup) {
    fmt::print(stderr, "{}\n", setup.error().text);
    return 2;
  }
  if (hosted::is_for_wine(*setup)) {
    return hosted::host_in_wine(**side, *setup,
                                io::LinuxHelpers::program_beside("hookline-host.exe"));
  }
#ifndef HOOKLINE_SANITIZED  // a sanitizer does more than any callout may
  const auto confined = io::enter_sandbox({setup->readable, setup->writable, setup->network});
  if (!confined || !confined->empty()) {
    fmt::print(stderr, "{}\n", confined ? *confined : confined.error().text);
    if (!confined) return 2;
  }
#endif
  io::LinuxLibraries libraries;
  io::LinuxClock clock;
  io::LinuxMemory memory;
  return hosted::host_callout(**side, *setup, libraries, clock, memory);
}
