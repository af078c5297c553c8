// From the bytes of a registry export to its text.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/bytes.h"

namespace hookline::config {

// UTF-8 without a mark, whatever the file was in. Fails, with a reason, on UTF-16 that is none.
// Bytes that are not UTF-8 are Windows-1252, which every byte is.
tl::expected<std::string, std::string> reg_text(Bytes file);

// Text of the code page Windows-1252, in which REGEDIT4 writes its strings.
std::u16string from_windows_1252(Bytes bytes);

}  // namespace hookline::config
