// Exceptions of Windows, by their codes.
#pragma once

#include <cstdint>
#include <string>

namespace hookline::io {

// The 32 bits of an exception of Windows, not the number of a signal.
constexpr bool is_exception_code(uint32_t code) { return code >= 0x100; }

// "exception 0xC0000005 (access violation)"
std::string exception_text(uint32_t code);

}  // namespace hookline::io
