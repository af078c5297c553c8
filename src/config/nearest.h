// "Did you mean": the known word nearest to a misspelt one.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace hookline::config {

// Insertions, deletions, replacements and swaps of neighbours that make one word the other.
size_t edit_distance(std::string_view a, std::string_view b);

// None when nothing is near enough to be a slip of the same word.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> known);

}  // namespace hookline::config
