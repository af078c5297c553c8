#include "base/log.h"

#include <fmt/chrono.h>

#include <chrono>

namespace hookline {

namespace {

constexpr const char* kNames[] = {"error", "warning", "info", "debug"};
constexpr int kPriorities[] = {3, 4, 6, 7};

// How many bytes the character of UTF-8 that begins `text` has; 0: it is none, or a control.
size_t utf8_size(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first < 32 || first == 127 ? 0 : 1;
  const size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const unsigned char second = byte(1);
  const bool is_control = first == 0xC2 && second < 0xA0;
  const bool is_long = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_no_character = (first == 0xED && second > 0x9F) || (first == 0xF4 && second > 0x8F);
  return is_control || is_long || is_no_character ? 0 : size;
}

// logfmt: a value is quoted when it holds anything that would end or confuse it. What clients sent
// (host names) lands here too, so what is no text never reaches the terminal raw.
void append_value(std::string& line, std::string_view value) {
  const auto plain = [](char c) {
    return c > ' ' && c != '"' && c != '=' && c != '\\' && c != 127;
  };
  bool quote = value.empty();
  for (char c : value) quote |= !plain(c);
  if (!quote) {
    line += value;
    return;
  }
  line += '"';
  for (size_t at = 0; at < value.size();) {
    const size_t size = utf8_size(value.substr(at));
    if (size == 0) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(value[at++]));
      continue;
    }
    if (value[at] == '"' || value[at] == '\\') line += '\\';
    line += value.substr(at, size);
    at += size;
  }
  line += '"';
}

}  // namespace

Logger::Logger(std::FILE* out, LogLevel level, bool journald)
    : out_(out), level_(level), journald_(journald) {}

void Logger::log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!enabled(level)) return;
  const auto index = static_cast<size_t>(level);
  std::string line;
  if (journald_) {
    line = fmt::format("<{}>", kPriorities[index]);
  } else {
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto ms = now.time_since_epoch().count() % 1000;
    line = fmt::format("{:%FT%T}.{:03}Z {:<7} ",
                       fmt::gmtime(std::chrono::system_clock::to_time_t(now)), ms, kNames[index]);
  }
  line += event;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  line += '\n';
  // One call for one line keeps lines whole; a log that can't be written must not stop the server.
  std::fwrite(line.data(), 1, line.size(), out_);
}

}  // namespace hookline
