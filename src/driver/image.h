// A driver's file in memory, with the functions that hookline/driver_entry.h promises.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "hookline/driver_entry.h"
#include "hookline/driver_host.h"
#include "io/library.h"

namespace hookline::driver {

struct Image {
  std::unique_ptr<io::Library> library;
  HooklineDriverAttach attach = nullptr;
  HooklineDriverStart start = nullptr;
  HooklineDriverUnload unload = nullptr;
  HooklineDriverControl control = nullptr;
  HooklineDriverSetIrql set_irql = nullptr;
  HooklineDriverLocksHeld locks_held = nullptr;
  HooklineDriverSetClock set_clock = nullptr;
  HooklineDriverClockChanged clock_changed = nullptr;
};

// Maps the file, which runs its constructors, and nothing else of it. The error says what is wrong
// with the file: missing, no library, one for another machine, or no driver and what instead.
Result<Image> open_image(io::Libraries& libraries, const std::string& path);

}  // namespace hookline::driver
