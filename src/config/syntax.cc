#include "config/syntax.h"

#include <fmt/core.h>

#include <algorithm>

#include "config/reader.h"

namespace hookline::config {

namespace {

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Line `number` (from 1) of the file, without its end.
std::string_view line_of(std::string_view file, uint32_t number) {
  for (uint32_t i = 1; i < number; ++i) {
    const size_t end = file.find('\n');
    if (end == std::string_view::npos) return {};
    file.remove_prefix(end + 1);
  }
  std::string_view line = file.substr(0, file.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The byte at which the character in `column` (from 1) begins.
size_t offset_of(std::string_view line, uint32_t column) {
  size_t i = 0;
  for (uint32_t seen = 1; i < line.size() && seen < column; ++seen) {
    ++i;
    while (i < line.size() && (static_cast<uint8_t>(line[i]) & 0xC0) == 0x80) ++i;
  }
  return i;
}

uint32_t column_of(std::string_view line, size_t offset) {
  uint32_t column = 1;
  for (const char c : line.substr(0, offset)) {
    if ((static_cast<uint8_t>(c) & 0xC0) != 0x80) ++column;
  }
  return column;
}

struct Token {
  std::string_view text;
  uint32_t column = 0;
};

// The word that the character in `column` belongs to.
Token token_at(std::string_view line, uint32_t column) {
  constexpr std::string_view kBefore = "=[{, \t";
  constexpr std::string_view kAfter = "]}, \t#";
  size_t begin = offset_of(line, column);
  while (begin > 0 && !has(kBefore, line.substr(begin - 1, 1))) --begin;
  const size_t end = std::min(line.size(), line.find_first_of(kAfter, begin));
  return {line.substr(begin, end - begin), column_of(line, begin)};
}

// The line before `number` that sets the key `name` in the same table, or opens the table
// `header`; 0: not found.
uint32_t line_before(std::string_view file, uint32_t number, std::string_view name, bool header) {
  const std::string single = fmt::format("[{}]", name);
  uint32_t found = 0;
  for (uint32_t i = 1; i < number && !file.empty(); ++i) {
    const size_t end = file.find('\n');
    const std::string_view line = trim(file.substr(0, end));
    file.remove_prefix(end == std::string_view::npos ? file.size() : end + 1);
    if (header && (line.starts_with(single) || line.starts_with('[' + single))) found = i;
    if (header) continue;
    if (line.starts_with('[')) found = 0;
    if (line.starts_with(name) && trim(line.substr(name.size())).starts_with('=')) found = i;
  }
  return found;
}

// The line before `number` on which a list was opened that is still open there; 0: none.
uint32_t open_list_before(std::string_view file, uint32_t number) {
  uint32_t opened = 0;
  for (uint32_t i = number > 20 ? number - 20 : 1; i < number; ++i) {
    const std::string_view line = line_of(file, i);
    const size_t open = line.rfind('[');
    const size_t close = line.rfind(']');
    if (has(line, "=") && open != std::string_view::npos &&
        (close == std::string_view::npos || close < open)) {
      opened = i;
    } else if (close != std::string_view::npos) {
      opened = 0;
    }
  }
  return opened;
}

SyntaxError explain_redefinition(std::string_view what, Position at, std::string_view file) {
  const size_t from = what.find('\'');
  const size_t to = what.rfind('\'');
  const std::string_view key = from < to ? what.substr(from + 1, to - from - 1) : "key";
  const std::string name = shown(key);
  const bool header = has(what, "table header");
  const uint32_t first = line_before(file, at.line, key, header);
  const std::string above = first == 0 ? "above" : fmt::format("on line {}", first);
  if (has(what, "as array-of-tables")) {
    return {at, fmt::format("[[{0}]] is one table {1}; expected [[{0}]] there too, or nowhere",
                            name, above)};
  }
  if (has(what, "array '") && has(what, "as table")) {
    return {at,
            fmt::format("[{0}] is a list of tables {1}; expected [[{0}]] here too", name, above)};
  }
  if (header) {
    return {at, fmt::format("[{}] stands {} already; expected each table once", name, above)};
  }
  const std::string_view line = line_of(file, at.line);
  const size_t begin = std::min(line.find_first_not_of(" \t"), line.size());
  if (line.substr(begin).starts_with(key)) at.column = column_of(line, begin);
  return {at, fmt::format("\"{}\" is set {} already; expected each key once", name, above)};
}

// A bare word, address or duration where a quoted text was meant.
SyntaxError explain_value(Position at, std::string_view file) {
  const auto [value, column] = token_at(line_of(file, at.line), at.column);
  at.column = column;
  for (const std::string_view yes : {"True", "TRUE", "yes", "on"}) {
    if (value == yes) {
      return {at, fmt::format("{} is not a value; expected true, in lower case", value)};
    }
  }
  for (const std::string_view no : {"False", "FALSE", "no", "off"}) {
    if (value == no) {
      return {at, fmt::format("{} is not a value; expected false, in lower case", value)};
    }
  }
  if (has(value, "“") || has(value, "”") || has(value, "‘") || has(value, "’")) {
    return {at, "these are a typesetter's quotes; texts stand in plain ones: \"…\""};
  }
  if (value.size() > 1 && value.ends_with(';')) {
    return {at, "a line does not end in \";\"; expected the end of the line or a # comment"};
  }
  if (value.empty()) return {at, "expected a value, such as \"text\", 5, true or [\"a\", \"b\"]"};
  return {at, fmt::format("{} is not a value; texts, addresses and durations stand in quotes: {}",
                          shown(value), in_quotes(value))};
}

std::string explain_text(std::string_view what, Position at, std::string_view file) {
  if (has(what, "unknown escape") || has(what, "unicode")) {
    return "unknown escape in a text; a backslash is written \\\\, or the text stands in '…'";
  }
  const std::string_view line = line_of(file, at.line);
  if (offset_of(line, at.column) < line.size()) {
    return "a text must not hold control characters";
  }
  return "the text is not closed: a quote is missing";
}

// Empty: it is a value that is wrong.
std::string explain(std::string_view what, Position at, std::string_view file) {
  const std::string_view line = line_of(file, at.line);
  if (has(what, "utf-8") || has(what, "UTF-8")) return "the file is not UTF-8 text from here on";
  if (has(what, "parsing string")) return explain_text(what, at, file);
  if (has(what, "parsing table header")) {
    constexpr std::string_view kExpected = "expected [name] or [[name]] alone on the line";
    return fmt::format("not a table's header; {}, found {}", kExpected, in_quotes(trim(line)));
  }
  if (has(what, "end-of-file")) {
    return has(what, "inline table") ? "the file ends within { … }: a \"}\" is missing"
                                     : "the file ends within a list: a \"]\" is missing";
  }
  if (const uint32_t opened = open_list_before(file, at.line);
      opened != 0 && (has(what, "value type") || has(what, "array"))) {
    return fmt::format(
        "the list that opens on line {} is not closed: a \"]\" or a comma is missing", opened);
  }
  if (has(what, "parsing array")) return "expected a comma between the values, or \"]\"";
  if (has(what, "inline table")) {
    return "within { … }, expected key = value, separated by commas, on one line, none after the "
           "last";
  }
  if (has(what, "expected value")) return "a value is missing after \"=\"";
  if (has(what, "expected '='")) {
    return fmt::format("expected key = value, found {}", in_quotes(trim(line)));
  }
  if (has(what, "comment or whitespace")) {
    return "something follows the value; expected the end of the line or a # comment";
  }
  if (has(what, "root table")) {
    return fmt::format("expected key = value, a [table] or a # comment, found {}",
                       in_quotes(trim(line)));
  }
  if (has(what, "nested")) return "lists and tables are nested too deeply";
  if (has(what, "representable")) return "the number is too large";
  if (has(what, "leading zeroes")) return "a number must not begin with 0";
  return {};
}

}  // namespace

SyntaxError explain_syntax_error(std::string_view what, Position at, std::string_view file) {
  if (has(what, "cannot redefine")) return explain_redefinition(what, at, file);
  std::string text = explain(what, at, file);
  if (text.empty()) return explain_value(at, file);
  return {at, std::move(text)};
}

}  // namespace hookline::config
