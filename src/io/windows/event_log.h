// The event log, which Wine does not keep: what a DLL reports goes to whoever wants it instead, and
// so does what it says to a debugger.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace hookline::io {

// Severities are those of Windows' event log; of a debugger's texts, kDebugText, without an event.
// Any thread of the DLL's.
using EventSink = std::function<void(uint32_t severity, std::string_view source, uint32_t event_id,
                                     std::string_view text)>;
inline constexpr uint32_t kDebugText = 0x100;

// From here on `sink` gets them. Once, before other threads are there.
void take_events(EventSink sink);
// The functions are replaced in memory, where they are: after a DLL was loaded that may need them.
void redirect_events();

}  // namespace hookline::io
