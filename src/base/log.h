// Structured log lines: an event, then key=value fields. One Logger is made in main() and handed
// down. Any thread may log; a line is written whole.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>
#include <string_view>

namespace hookline {

enum class LogLevel : uint8_t { Error, Warning, Info, Debug };

// A field: its value is rendered at once, so that nothing is kept.
struct LogField {
  std::string_view key;
  std::string value;

  template <class T>
  LogField(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
};

class Logger {
 public:
  // `journald`: prefix each line with its <priority> (sd-daemon(3)) instead of the time.
  explicit Logger(std::FILE* out = stderr, LogLevel level = LogLevel::Info, bool journald = false);

  bool enabled(LogLevel level) const { return level <= level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) { level_ = level; }

  // `event` is a sentence without a full stop: "lease journal opened".
  void log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
  void error(std::string_view e, std::initializer_list<LogField> f = {}) {
    log(LogLevel::Error, e, f);
  }
  void warning(std::string_view e, std::initializer_list<LogField> f = {}) {
    log(LogLevel::Warning, e, f);
  }
  void info(std::string_view e, std::initializer_list<LogField> f = {}) {
    log(LogLevel::Info, e, f);
  }
  void debug(std::string_view e, std::initializer_list<LogField> f = {}) {
    log(LogLevel::Debug, e, f);
  }

 private:
  std::FILE* out_;
  std::atomic<LogLevel> level_;
  bool journald_;
};

}  // namespace hookline
