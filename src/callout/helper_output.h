// What a callout in a helper process says, on its way to the server's log: one line of its pipe for
// each line of the log. What it prints by itself arrives as other lines. All of it is hostile text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "io/helper.h"

namespace hookline::callout {

// In the helper: a line for the pipe, cut to what is written whole.
std::string output_line(uint32_t severity, std::string_view source, uint32_t event_id,
                        std::string_view text);

inline constexpr uint32_t kCalloutLinesPerSecond = 1000;
// What is read of it at once, and how often it is read while its lines are left out: who writes
// more waits for that.
inline constexpr size_t kOutputBytesAtOnce = 64 * 1024;
inline constexpr int kOutputReadsAtOnce = 64;  // its pipe may give a byte at a time
inline constexpr int64_t kOutputPauseNs = 10'000'000;

// How much a callout may say: for all its helpers, one after the other. Packet thread.
class OutputLimit {
 public:
  bool allows(int64_t now_ns) { return lines_.allows(now_ns); }
  // Says how many lines were left out, once a second at most; or now, where nothing more comes.
  void tell(std::string_view callout, int64_t now_ns, bool is_last, Logger& log);

 private:
  LogLimit lines_{kCalloutLinesMax, kCalloutLinesPerSecond};
  uint64_t left_out_ = 0;
  int64_t told_ns_ = 0;
};

// In the server: one for each helper.
class HelperOutput {
 public:
  // `callout` is its name, for lines that it printed by itself. The references outlive it.
  HelperOutput(std::string callout, OutputLimit& limit, Logger& log)
      : callout_(std::move(callout)), limit_(limit), log_(log) {}

  // Logs what has come in, as far as the limit goes; kOutputBytesAtOnce of it.
  void read(io::HelperProcess& process, int64_t now_ns);
  // The same where nobody waits for the helper: one that says too much is read now and then.
  void read_now_and_then(io::HelperProcess& process, int64_t now_ns);
  // Nothing more comes: the last line may have no end.
  void end(int64_t now_ns);

 private:
  void take_lines(size_t size, int64_t now_ns);
  void take_line(std::string_view line, int64_t now_ns);
  void log_line(std::string_view line);

  std::string callout_;
  OutputLimit& limit_;
  Logger& log_;
  std::array<char, 16384> buffer_;
  size_t held_ = 0;  // bytes of a line that has not ended
  int64_t pause_until_ns_ = 0;
};

}  // namespace hookline::callout
