#include "config/problems.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "base/limits.h"

namespace hookline::config {

void Problems::add(std::vector<Problem>& list, Position at, std::string text) {
  if (list.size() < kProblemsMax) {
    list.push_back({file_, at.line, at.column, std::move(text)});
  }
}

void Problems::hand_over(Loaded& out) {
  const auto by_place = [](const Problem& a, const Problem& b) {
    return std::tie(a.line, a.column) < std::tie(b.line, b.column);
  };
  std::stable_sort(errors_.begin(), errors_.end(), by_place);
  std::stable_sort(warnings_.begin(), warnings_.end(), by_place);
  out.errors = std::move(errors_);
  out.warnings = std::move(warnings_);
}

std::string format(const Problem& problem) {
  if (problem.line == 0) return fmt::format("{}: {}", problem.file, problem.text);
  return fmt::format("{}:{}:{}: {}", problem.file, problem.line, problem.column, problem.text);
}

}  // namespace hookline::config
