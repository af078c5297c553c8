#include "callout/helper_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/time.h"
#include "callout/services.h"

namespace hookline::callout {

namespace {

// Begins a line of the services, and ends its parts: severity, event, source, text.
constexpr char kMark = '\x01';
constexpr size_t kLineBytesMax = 4096;  // what a pipe takes whole
constexpr size_t kSourceBytesMax = 256;

std::string harmless(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\n' || c == kMark; }, ' ');
  return out;
}

// Up to the next mark; takes it away from `line`.
std::optional<std::string_view> part(std::string_view& line) {
  const size_t end = line.find(kMark);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view out = line.substr(0, end);
  line.remove_prefix(end + 1);
  return out;
}

std::optional<uint32_t> number(std::optional<std::string_view> text) {
  uint32_t value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

}  // namespace

std::string output_line(uint32_t severity, std::string_view source, uint32_t event_id,
                        std::string_view text) {
  std::string line = fmt::format("{0}{1}{0}{2}{0}{3}{0}{4}", kMark, severity, event_id,
                                 harmless(source.substr(0, kSourceBytesMax)), harmless(text));
  line.resize(std::min(line.size(), kLineBytesMax - 1));
  return line += '\n';
}

void OutputLimit::tell(std::string_view callout, int64_t now_ns, bool is_last, Logger& log) {
  left_out_ += lines_.take_suppressed();
  if (left_out_ == 0 || (!is_last && now_ns - told_ns_ < kNsPerSecond)) return;
  told_ns_ = now_ns;
  log.warning("a callout says too much; lines of it are left out",
              {{"callout", callout}, {"lines", std::exchange(left_out_, 0)}});
}

void HelperOutput::read(io::HelperProcess& process, int64_t now_ns) {
  size_t taken = 0;
  for (int reads = 0; reads < kOutputReadsAtOnce && taken < kOutputBytesAtOnce; ++reads) {
    auto* const at = reinterpret_cast<uint8_t*>(buffer_.data());
    const size_t size = process.read_output({at + held_, buffer_.size() - held_});
    if (size == 0) break;
    taken += size;
    take_lines(held_ + size, now_ns);
  }
  limit_.tell(callout_, now_ns, false, log_);
}

void HelperOutput::read_now_and_then(io::HelperProcess& process, int64_t now_ns) {
  if (now_ns >= pause_until_ns_) read(process, now_ns);
}

void HelperOutput::take_lines(size_t size, int64_t now_ns) {
  std::string_view left(buffer_.data(), size);
  while (!left.empty()) {
    const size_t end = left.find('\n');
    // A line that fills the buffer is cut.
    if (end == std::string_view::npos && left.size() < kLineBytesMax) break;
    const size_t length = std::min(end, kLineBytesMax);
    take_line(left.substr(0, length), now_ns);
    left.remove_prefix(std::min(left.size(), end == length ? length + 1 : length));
  }
  held_ = left.size();
  std::memmove(buffer_.data(), left.data(), held_);
}

void HelperOutput::end(int64_t now_ns) {
  if (held_ != 0) take_line({buffer_.data(), held_}, now_ns);
  held_ = 0;
  limit_.tell(callout_, now_ns, true, log_);
}

void HelperOutput::take_line(std::string_view line, int64_t now_ns) {
  if (line.ends_with('\r')) line.remove_suffix(1);  // Windows ends lines with it
  if (!limit_.allows(now_ns)) {
    pause_until_ns_ = now_ns + kOutputPauseNs;
  } else if (!line.empty()) {
    log_line(line);
  }
}

void HelperOutput::log_line(std::string_view line) {
  if (line.front() == kMark) {
    std::string_view rest = line.substr(1);
    const auto severity = number(part(rest));
    const auto event = number(part(rest));
    const auto source = part(rest);
    if (severity && event && source) {
      return log_callout_line(log_, *severity, *source, *event, rest);
    }
  }
  log_.info("callout printed", {{"callout", callout_}, {"text", line}});
}

}  // namespace hookline::callout
