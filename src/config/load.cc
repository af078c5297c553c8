#include "config/load.h"

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/limits.h"
#include "config/callouts.h"
#include "config/draft.h"
#include "config/nesting.h"
#include "config/syntax.h"
#include "config/toml.h"

namespace hookline::config {

namespace {

// None: a syntax error, which was reported.
std::optional<toml::table> parse(std::string_view text, const std::string& path,
                                 Problems& problems) {
  if (const auto deep = find_deep_nesting(text)) {
    problems.error(*deep, "lists and tables are nested too deeply");
    return std::nullopt;
  }
  try {
    return toml::parse(text, path);
  } catch (const toml::parse_error& e) {
    const Position at{e.source().begin.line, e.source().begin.column};
    SyntaxError error = explain_syntax_error(e.description(), at, text);
    problems.error(error.at, std::move(error.text));
    return std::nullopt;
  }
}

Loaded only_error(std::string path, std::string text) {
  Loaded out;
  out.errors.push_back({std::move(path), 0, 0, std::move(text)});
  return out;
}

// Absolute, so that a path stays right wherever it is used.
std::string folder_of(const std::string& path) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? std::string(".") : absolute.lexically_normal().parent_path().string();
}

}  // namespace

Loaded load_text(std::string_view text, std::string path, const ReadFile& read) {
  if (text.size() > kConfigBytesMax) {
    return only_error(std::move(path),
                      fmt::format("the file has more than {} bytes", kConfigBytesMax));
  }
  Problems problems(path);
  Loaded out;
  if (const auto table = parse(text, path, problems)) {
    Draft draft = decode(*table, problems);
    if (draft.callouts) {
      finish_callouts(*draft.callouts, folder_of(path), read, problems);
    }
    draft.filter.dir = folder_of(path);
    check(draft, problems);
    if (!problems.any_error()) {
      Config config = resolve(std::move(draft));
      config.path = std::move(path);
      out.config = std::make_shared<const Config>(std::move(config));
    }
  }
  problems.hand_over(out);
  return out;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return fail(ErrorKind::Missing, fmt::format("cannot be opened: {}", std::strerror(errno)));
  }
  std::string text;
  char block[65536];
  while (text.size() <= kConfigBytesMax) {
    file.read(block, sizeof block);
    text.append(block, static_cast<size_t>(file.gcount()));
    if (!file) break;
  }
  // Opening a directory works; reading it is what fails.
  if (file.bad()) return fail(ErrorKind::Io, "cannot be read; is it a regular file?");
  if (text.size() > kConfigBytesMax) {
    return fail(ErrorKind::Invalid,
                fmt::format("the file has more than {} bytes", kConfigBytesMax));
  }
  return text;
}

Loaded load_file(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return only_error(path, text.error().text);
  return load_text(*text, path);
}

}  // namespace hookline::config
