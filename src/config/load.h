// From TOML text to one immutable Config, or to every reason why not. Pure but for reading the
// file; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "line/config.h"

namespace hookline::config {

// One thing that is wrong (or doubtful), where, and what was expected instead.
struct Problem {
  std::string file;
  uint32_t line = 0;    // from 1; 0: the file as a whole
  uint32_t column = 0;  // from 1, in characters
  std::string text;

  bool operator==(const Problem&) const = default;
};

struct Loaded {
  std::shared_ptr<const Config> config;  // null when there are errors
  std::vector<Problem> errors;           // by line and column
  std::vector<Problem> warnings;         // by line and column; the configuration is usable
};

// Every error of meaning is found in one go; a syntax error hides what comes after it. Refuses
// files over kConfigBytesMax and reports no more than kProblemsMax errors.
Loaded load_file(const std::string& path);

// How a file that the configuration names is read: a registry export.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;
// At most kConfigBytesMax bytes.
Result<std::string> read_file(const std::string& path);
// Relative paths in the text begin where `path` lies.
Loaded load_text(std::string_view text, std::string path, const ReadFile& read = read_file);

// "file:line:column: text", the form that editors can jump to.
std::string format(const Problem& problem);

}  // namespace hookline::config
