// What `hookline --version`, the operator's status and the metrics say. CMakeLists.txt has the
// same.
#pragma once

#include <string_view>

namespace hookline {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace hookline
