#include "server/callout_trace.h"

#include <fmt/core.h>

#include <algorithm>

namespace hookline::server {

namespace {

constexpr size_t kPlacesShown = 8;
constexpr size_t kBytesShown = 16;

std::string shown(Bytes bytes) {
  if (bytes.empty()) return "(nothing)";
  std::string text = to_hex(bytes.first(std::min(bytes.size(), kBytesShown)));
  if (bytes.size() > kBytesShown) text += fmt::format("... ({} bytes)", bytes.size());
  return text;
}

Bytes part(Bytes bytes, size_t begin, size_t end) {
  begin = std::min(begin, bytes.size());
  return bytes.subspan(begin, std::min(end, bytes.size()) - begin);
}

}  // namespace

std::string describe_change(Bytes before, Bytes after) {
  std::string text = before.size() == after.size()
                         ? fmt::format("{} bytes", after.size())
                         : fmt::format("{} -> {} bytes", before.size(), after.size());
  const size_t size = std::max(before.size(), after.size());
  const auto same = [&](size_t i) {
    return i < before.size() && i < after.size() && before[i] == after[i];
  };
  size_t places = 0;
  for (size_t i = 0; i < size;) {
    if (same(i)) {
      ++i;
      continue;
    }
    const size_t begin = i;
    while (i < size && !same(i)) ++i;
    if (++places > kPlacesShown) return text + ", ...";
    text += fmt::format(", @{}: {} -> {}", begin, shown(part(before, begin, i)),
                        shown(part(after, begin, i)));
  }
  return text;
}

void CalloutTrace::changed(const Packet& packet, callout::Hook hook, std::string_view host,
                           Bytes before, Bytes after) {
  traces_.line(packet, "edited",
               fmt::format("by {} in {}: {}", host, callout::hook_name(hook),
                           describe_change(before, after)));
}

}  // namespace hookline::server
