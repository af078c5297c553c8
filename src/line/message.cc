#include "line/message.h"

namespace hookline {

std::string_view message_type_name(MessageType type) {
  static constexpr std::array<std::string_view, kMessageTypeCount> kNames = {
      "bootp",        "discover",   "offer",  "request",    "decline",    "ack",
      "nak",          "release",    "inform", "forcerenew", "leasequery", "leaseunassigned",
      "leaseunknown", "leaseactive"};
  const auto index = static_cast<size_t>(type);
  return index < kNames.size() ? kNames[index] : "unknown";
}

Bytes Message::relay_suboption(uint8_t code) const {
  const Bytes info = options.find(option::kRelayAgentInfo);
  for (size_t i = 0; i + 2 <= info.size();) {
    const size_t size = info[i + 1];
    if (i + 2 + size > info.size()) break;
    if (info[i] == code) return info.subspan(i + 2, size);
    i += 2 + size;
  }
  return {};
}

}  // namespace hookline
