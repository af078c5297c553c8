#include "config/hosting.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "config/duration.h"

namespace hookline::config {

namespace {

// Less is not enough for a helper to start.
constexpr uint64_t kMemoryMin = uint64_t{48} << 20;
constexpr uint64_t kMemoryMax = uint64_t{1} << 40;

template <class Value>
struct Word {
  std::string_view text;
  Value value;
};
constexpr Word<CalloutPlace> kPlaces[] = {{"isolated", CalloutPlace::Isolated},
                                          {"in-process", CalloutPlace::InProcess},
                                          {"wine", CalloutPlace::Wine}};
constexpr Word<OnFault> kOnFault[] = {{"open", OnFault::Open}, {"closed", OnFault::Closed}};

template <class Value, size_t kCount>
void decode_word(const Reader& table, std::string_view key, const Word<Value> (&words)[kCount],
                 Value& out, Problems& problems) {
  const auto found = table.text(key);
  if (!found) return;
  std::string expected;
  for (const Word<Value>& word : words) {
    if (word.text == found->value) {
      out = word.value;
      return;
    }
    expected += (expected.empty() ? "\"" : " or \"") + std::string(word.text) + "\"";
  }
  problems.error(found->at, fmt::format("{}: {} is unknown; expected {}", key,
                                        in_quotes(found->value), expected));
}

void decode_memory(const Reader& table, CalloutHosting& out, Problems& problems) {
  const auto found = table.text("memory-max");
  if (!found) return;
  const auto bytes = parse_memory(found->value);
  if (!bytes || (*bytes != 0 && *bytes < kMemoryMin) || *bytes > kMemoryMax) {
    problems.error(found->at, fmt::format("memory-max: expected 48M to 1024G, or \"0\" for no "
                                          "limit; found {}",
                                          in_quotes(found->value)));
  } else {
    out.memory_max_bytes = *bytes;
  }
}

void decode_restart(const Reader& table, CalloutHosting& out, Problems& problems) {
  const toml::table* const found = table.table("restart");
  if (found == nullptr) return;
  const Reader restart(*found, Section::CalloutRestart, problems);
  if (const auto first = restart.fine_duration("first")) out.restart_first_ns = first->value;
  if (const auto longest = restart.fine_duration("longest")) {
    out.restart_longest_ns = longest->value;
    if (longest->value < out.restart_first_ns) {
      problems.error(longest->at, fmt::format("longest: expected at least first, which is {}",
                                              fine_duration_text(out.restart_first_ns)));
    }
  } else if (restart.has("first")) {
    out.restart_longest_ns = std::max(out.restart_longest_ns, out.restart_first_ns);
  }
  if (const auto faults = restart.integer("faults-max")) {
    out.faults_max = static_cast<uint32_t>(faults->value);
  }
}

void decode_paths(const Reader& table, std::string_view key, std::vector<std::string>& out) {
  if (!table.has(key)) return;
  out.clear();
  for (const auto& path : table.texts(key)) out.push_back(path.value);
}

}  // namespace

std::optional<uint64_t> parse_memory(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kMemoryMax) return std::nullopt;
  const std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.empty() && value == 0) return 0;
  if (unit == "K") return value << 10;
  if (unit == "M") return value << 20;
  if (unit == "G" && value <= kMemoryMax >> 30) return value << 30;
  return std::nullopt;
}

void decode_hosting(const Reader& table, CalloutHosting& out, Problems& problems) {
  decode_word(table, "host", kPlaces, out.place, problems);
  decode_word(table, "on-fault", kOnFault, out.on_fault, problems);
  if (const auto budget = table.fine_duration("budget")) out.budget_ns = budget->value;
  decode_memory(table, out, problems);
  decode_restart(table, out, problems);
  if (const auto network = table.boolean("network")) out.network = network->value;
  decode_paths(table, "readable", out.readable);
  decode_paths(table, "writable", out.writable);
}

}  // namespace hookline::config
