// Whatever ranges a file has: they load exactly when a plain model says so, and come out in order.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "config/testing.h"

namespace hookline::config {
namespace {

constexpr uint32_t kBase = 0x0A000000;  // 10.0.0.0/26: small, so that random ranges meet
constexpr uint32_t kSize = 64;

std::vector<AddressRange> random_ranges() {
  std::vector<AddressRange> out;
  const auto count = *rc::gen::inRange<size_t>(0, 6);
  for (size_t i = 0; i < count; ++i) {
    const auto first = *rc::gen::inRange<uint32_t>(0, kSize + 2);
    const auto length = *rc::gen::inRange<uint32_t>(0, 12);
    out.push_back({Ipv4{kBase + first}, Ipv4{kBase + first + length}});
  }
  return out;
}

std::string as_toml(const std::vector<AddressRange>& ranges) {
  std::string out;
  for (const AddressRange& r : ranges) {
    out += fmt::format("\"{}-{}\", ", r.first.text(), r.last.text());
  }
  return "[" + out + "]";
}

// How many ranges hold each address of the subnet; none: a range leaves it.
std::optional<std::vector<int>> coverage(const std::vector<AddressRange>& ranges) {
  std::vector<int> counts(kSize);
  for (const AddressRange& r : ranges) {
    for (uint32_t a = r.first.value; a <= r.last.value; ++a) {
      if (a >= kBase + kSize) return std::nullopt;
      ++counts[a - kBase];
    }
  }
  return counts;
}

void assert_ascending(const std::vector<AddressRange>& ranges) {
  for (size_t i = 1; i < ranges.size(); ++i) RC_ASSERT(ranges[i - 1].last < ranges[i].first);
}

RC_GTEST_PROP(RangesTest, LoadExactlyWhenValid, ()) {
  const auto ranges = random_ranges();
  const auto excluded = random_ranges();
  const auto counts = coverage(ranges);
  const auto excluded_counts = coverage(excluded);
  bool valid = counts && excluded_counts && counts->front() == 0 && counts->back() == 0;
  if (valid) {
    valid = std::all_of(counts->begin(), counts->end(), [](int count) { return count <= 1; });
  }
  const Loaded loaded = load_text(
      kServer + fmt::format("[[scope]]\nid = \"a\"\nsubnet = \"10.0.0.0/26\"\nranges = {}\n"
                            "exclude = {}\n",
                            as_toml(ranges), as_toml(excluded)),
      "f");
  RC_ASSERT((loaded.config != nullptr) == valid);
  RC_ASSERT(loaded.errors.empty() == valid);
  if (!valid) return;
  const Scope& scope = loaded.config->scopes[0];
  assert_ascending(scope.ranges);
  assert_ascending(scope.excluded);
  RC_ASSERT(coverage(scope.ranges) == counts);
  const auto merged = coverage(scope.excluded);
  for (uint32_t i = 0; i < kSize; ++i) {
    RC_ASSERT(((*merged)[i] != 0) == ((*excluded_counts)[i] != 0));
  }
}

}  // namespace
}  // namespace hookline::config
