// toml++'s syntax errors in words that help: what was meant, most likely, and how it is written.
#pragma once

#include <string>
#include <string_view>

#include "config/problems.h"

namespace hookline::config {

struct SyntaxError {
  Position at;
  std::string text;
};

// `what` is toml++'s description of the error at `at` in `file`.
SyntaxError explain_syntax_error(std::string_view what, Position at, std::string_view file);

}  // namespace hookline::config
