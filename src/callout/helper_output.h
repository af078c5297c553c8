// What a callout in a helper process says, on its way to the server's log: one line of its pipe for
// each line of the log. What it prints by itself arrives as other lines. All of it is hostile text.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"
#include "io/helper.h"

namespace hookline::callout {

// In the helper: a line for the pipe, cut to what is written whole.
std::string output_line(uint32_t severity, std::string_view source, uint32_t event_id,
                        std::string_view text);

// In the server: one for each helper.
class HelperOutput {
 public:
  // `callout` is its name, for lines that it printed by itself.
  HelperOutput(std::string callout, Logger& log) : callout_(std::move(callout)), log_(log) {}

  // Logs what has come in, at most kCalloutLinesMax lines.
  void read(io::HelperProcess& process);
  // The last line may have no end.
  void end();

 private:
  size_t take_lines(size_t size);
  void log_line(std::string_view line);

  std::string callout_;
  Logger& log_;
  std::array<char, 16384> buffer_;
  size_t held_ = 0;  // bytes of a line that has not ended
};

}  // namespace hookline::callout
