#include "callout/host.h"

namespace hookline::callout {

std::string_view hook_name(Hook hook) {
  static constexpr std::array<std::string_view, kHookCount> kNames = {
      "DhcpControlHook",       "DhcpNewPktHook",      "DhcpPktDropHook",
      "DhcpPktSendHook",       "DhcpAddressDelHook",  "DhcpAddressOfferHook",
      "DhcpHandleOptionsHook", "DhcpDeleteClientHook"};
  return kNames[static_cast<size_t>(hook)];
}

std::string_view breach_name(Breach breach) {
  static constexpr std::array<std::string_view, kBreachCount> kNames = {
      "bad_size", "bad_pointer", "wrote_outside", "exception"};
  return kNames[static_cast<size_t>(breach)];
}

}  // namespace hookline::callout
