#include "base/log.h"

#include <fmt/chrono.h>

#include <chrono>

namespace hookline {

namespace {

constexpr const char* kNames[] = {"error", "warning", "info", "debug"};
constexpr int kPriorities[] = {3, 4, 6, 7};

// logfmt: a value is quoted when it holds anything that would end or confuse it. What clients sent
// (host names) lands here too, so control characters never reach the terminal raw.
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
  for (char c : value) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (u < 32 || u == 127) {
      line += fmt::format("\\x{:02x}", u);
    } else {
      line += c;
    }
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
