// NTSTATUS values as an operator reads them.
#pragma once

#include <cstdint>
#include <string>

namespace hookline::driver {

// "STATUS_INVALID_PARAMETER (0xC000000D)"; only the number where the name is not known.
std::string status_text(uint32_t status);

}  // namespace hookline::driver
