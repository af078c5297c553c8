// Text in UTF-16, as Windows and its registry have it. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace hookline {

// None: not valid UTF-8 (overlong forms, surrogates and what lies beyond U+10FFFF included).
std::optional<std::u16string> to_utf16(std::string_view utf8);
// None: a surrogate without its other half.
std::optional<std::string> to_utf8(std::u16string_view text);

// Little-endian bytes, as in the registry. An odd last byte is left out when reading.
std::vector<uint8_t> utf16le_bytes(std::u16string_view text);
std::u16string from_utf16le(Bytes bytes);

// As Windows compares names of files and of the registry, but folding the letters A to Z only:
// everything else by its code.
bool equal_ignoring_case(std::string_view a, std::string_view b);
bool less_ignoring_case(std::string_view a, std::string_view b);

}  // namespace hookline
