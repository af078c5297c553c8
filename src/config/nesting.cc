#include "config/nesting.h"

#include <algorithm>

namespace hookline::config {

namespace {

// The length of the text or comment that begins at the front of `rest`; 0: none does.
size_t skip_length(std::string_view rest) {
  if (rest[0] == '#') return std::min(rest.find('\n'), rest.size());
  if (rest[0] != '"' && rest[0] != '\'') return 0;
  const char quote = rest[0];
  const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
  const bool lines = rest.starts_with(triple);
  size_t i = lines ? 3 : 1;
  while (i < rest.size()) {
    if (!lines && rest[i] == '\n') return i;  // not closed: the parser will say so
    if (lines ? rest.substr(i).starts_with(triple) : rest[i] == quote) return i + (lines ? 3 : 1);
    i += quote == '"' && rest[i] == '\\' ? 2 : 1;
  }
  return rest.size();
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A list that was not closed ends here at the latest: no value begins with [letter.
bool begins_header(std::string_view line) {
  const size_t open = line.find_first_not_of(" \t");
  if (open == std::string_view::npos || line[open] != '[') return false;
  const size_t name = line.find_first_not_of('[', open);
  return name != std::string_view::npos && is_letter(line[name]);
}

}  // namespace

std::optional<Position> find_deep_nesting(std::string_view text) {
  uint32_t line = 1;
  size_t line_begin = 0;
  size_t dots = 0;
  size_t open = 0;  // brackets and braces
  for (size_t i = 0; i < text.size(); ++i) {
    if (const size_t length = skip_length(text.substr(i)); length != 0) {
      for (const char c : text.substr(i, length)) line += c == '\n';
      i += length - 1;
      continue;
    }
    const char c = text[i];
    if (c == '[' || c == '{') ++open;
    if ((c == ']' || c == '}') && open > 0) --open;
    if (c == '.' && ++dots > kConfigDotsMax) {
      return Position{line, static_cast<uint32_t>(i - line_begin + 1)};
    }
    if (c != '\n') continue;
    ++line;
    line_begin = i + 1;
    if (open == 0 || begins_header(text.substr(i + 1))) open = dots = 0;
  }
  return std::nullopt;
}

}  // namespace hookline::config
