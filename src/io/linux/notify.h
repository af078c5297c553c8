// What the service manager is told: sd_notify(3), spoken by hand.
#pragma once

#include <cstdint>
#include <string_view>

namespace hookline::io {

// Sends `state` ("READY=1", "RELOADING=1", "STOPPING=1", "STATUS=…", several by lines) to
// $NOTIFY_SOCKET. False when there is no service manager or it can't be reached: nobody minds.
// For RELOADING=1 the caller need not add MONOTONIC_USEC: it is added here.
bool notify(std::string_view state);

// Is standard error connected to the journal ($JOURNAL_STREAM)? Then lines carry priorities.
bool under_journald();

int64_t own_process_id();

}  // namespace hookline::io
