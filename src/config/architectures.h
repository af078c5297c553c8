// Names for the client architectures of PXE: option 93, RFC 4578 and IANA's "Processor Architecture
// Types".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hookline::config {

// Empty: no such name. "efi-x64" is 7 and 9, because RFC 4578 was printed with the two swapped and
// clients of either reading are in the field.
std::span<const uint16_t> architecture_codes(std::string_view name);
std::span<const std::string_view> architecture_names();
std::string architecture_name_list();

}  // namespace hookline::config
