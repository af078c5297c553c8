#include "config/duration.h"

#include <fmt/core.h>

#include <charconv>

#include "base/limits.h"

namespace hookline::config {

namespace {

struct Unit {
  char letter;
  uint32_t seconds;
};

constexpr Unit kUnits[] = {{'w', 7 * 86400}, {'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
struct FineUnit {
  std::string_view name;
  int64_t ns;
};

constexpr FineUnit kFineUnits[] = {{"h", 3600 * kNsPerSecond},
                                   {"m", 60 * kNsPerSecond},
                                   {"s", kNsPerSecond},
                                   {"ms", 1'000'000},
                                   {"us", 1000}};

// More than any bound of the schema: beyond those it is for them to say so.
constexpr int64_t kFineDurationNsMax = 1000 * 3600 * kNsPerSecond;

constexpr uint32_t kPpmPerPercent = 10'000;

// Digits from the front of `text`, which loses them.
std::optional<uint32_t> take_number(std::string_view& text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

std::optional<uint32_t> parse_share_ppm(std::string_view percent) {
  const auto whole = take_number(percent);
  if (!whole || *whole > 100) return std::nullopt;
  uint32_t ppm = *whole * kPpmPerPercent;
  if (!percent.empty()) {
    if (percent.size() < 2 || percent.size() > 5 || percent[0] != '.') return std::nullopt;
    uint32_t worth = kPpmPerPercent;
    for (const char c : percent.substr(1)) {
      if (c < '0' || c > '9') return std::nullopt;
      worth /= 10;
      ppm += worth * static_cast<uint32_t>(c - '0');
    }
  }
  if (ppm == 0 || ppm > 100 * kPpmPerPercent) return std::nullopt;
  return ppm;
}

}  // namespace

std::optional<uint32_t> parse_duration(std::string_view text) {
  if (text == "infinite") return kLeaseTimeInfinite;
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  const Unit* unit = std::begin(kUnits);
  while (!text.empty()) {
    const auto count = take_number(text);
    if (!count || text.empty()) return std::nullopt;
    while (unit != std::end(kUnits) && unit->letter != text[0]) ++unit;
    if (unit == std::end(kUnits)) return std::nullopt;
    total += uint64_t{*count} * unit->seconds;
    if (total >= kLeaseTimeInfinite) return std::nullopt;
    text.remove_prefix(1);
    ++unit;
  }
  return static_cast<uint32_t>(total);
}

std::string duration_text(uint32_t seconds) {
  if (seconds == kLeaseTimeInfinite) return "infinite";
  if (seconds == 0) return "0s";
  std::string out;
  for (const Unit& unit : kUnits) {
    if (const uint32_t count = seconds / unit.seconds; count != 0) {
      out += fmt::format("{}{}", count, unit.letter);
      seconds %= unit.seconds;
    }
  }
  return out;
}

std::optional<int64_t> parse_fine_duration(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  for (const FineUnit& unit : kFineUnits) {
    if (unit.name != text) continue;
    return *number <= kFineDurationNsMax / unit.ns ? std::optional(*number * unit.ns)
                                                   : std::nullopt;
  }
  return std::nullopt;
}

std::string fine_duration_text(int64_t ns) {
  for (const FineUnit& unit : kFineUnits) {
    if (ns != 0 && ns % unit.ns == 0) return fmt::format("{}{}", ns / unit.ns, unit.name);
  }
  return fmt::format("{}us", ns / 1000);
}

std::optional<LeasePoint> parse_lease_point(std::string_view text) {
  if (!text.empty() && text.back() == '%') {
    const auto ppm = parse_share_ppm(text.substr(0, text.size() - 1));
    if (!ppm) return std::nullopt;
    return LeasePoint{true, *ppm, 0};
  }
  const auto seconds = parse_duration(text);
  if (!seconds) return std::nullopt;
  return LeasePoint{false, 0, *seconds};
}

std::string lease_point_text(const LeasePoint& point) {
  if (!point.is_share) return duration_text(point.seconds);
  std::string out = fmt::format("{}", point.share_ppm / kPpmPerPercent);
  if (const uint32_t rest = point.share_ppm % kPpmPerPercent; rest != 0) {
    out += fmt::format(".{:04}", rest);
    while (out.back() == '0') out.pop_back();
  }
  return out + "%";
}

}  // namespace hookline::config
