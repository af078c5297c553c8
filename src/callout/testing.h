// A callout for tests: notes every call, and does in each hook what the test told it to. Included
// by test files only. A table of C functions has no place for an object, so there are kScriptsMax
// of them, static, each with its own table.
#pragma once

#include <fmt/core.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "base/inet.h"
#include "callout/in_process_host.h"

namespace hookline::callout::testing {

struct Event {
  Hook hook = Hook::Control;
  uint32_t code = 0;
  uint32_t address = 0;
  uint32_t alt_address = 0;
  uint32_t addr_type = 0;
  uint32_t lease_s = 0;
  std::vector<uint8_t> bytes{};  // the packet; of DeleteClient: the hardware address
  void* context = nullptr;

  // "NewPkt", "Offer NEW DHCP 10.77.0.100 600 s", "Drop PROCESSED": what a table of exchanges says.
  std::string text() const;
};

struct Script {
  std::vector<Event> events;
  // What it does besides; may be empty.
  std::function<void(LPBYTE* packet, DWORD* size, LPVOID* context, LPBOOL process_it)> new_packet;
  std::function<void(LPBYTE* packet, DWORD* size)> send;
  std::function<void(Event& event)> any;  // in every hook, first
  std::function<void(const DHCP_SERVER_OPTIONS&)> options;

  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    for (const Event& event : events) out.push_back(event.text());
    return out;
  }
  void note(Event event) {
    if (any) any(event);
    events.push_back(std::move(event));
  }
};

inline std::string code_name(Hook hook, uint32_t code) {
  static constexpr std::array<std::string_view, 12> kDropNames = {
      "?",      "DUPLICATE",  "NOMEM",   "INTERNAL_ERROR", "TIMEOUT",   "UNAUTH",
      "PAUSED", "NO_SUBNETS", "INVALID", "WRONG_SERVER",   "NOADDRESS", "PROCESSED"};
  static constexpr std::array<std::string_view, 5> kControlNames = {"?", "START", "STOP", "PAUSE",
                                                                    "CONTINUE"};
  static constexpr std::array<std::string_view, 5> kProbNames = {"?", "CONFLICT", "DECLINE",
                                                                 "RELEASE", "NACKED"};
  if (hook == Hook::Control && code < kControlNames.size()) return std::string(kControlNames[code]);
  if (hook == Hook::PktDrop && code < kDropNames.size()) return std::string(kDropNames[code]);
  if (hook == Hook::PktDrop && code == DHCP_DROP_GEN_FAILURE) return "GEN_FAILURE";
  const uint32_t prob = code - 0x20000000;
  if (hook == Hook::AddressDel && prob < kProbNames.size()) return std::string(kProbNames[prob]);
  return fmt::format("0x{:x}", code);
}

inline std::string Event::text() const {
  const std::string alt = Ipv4{alt_address}.text();
  switch (hook) {
    case Hook::Control:
      return "Control " + code_name(hook, code);
    case Hook::NewPkt:
      return "NewPkt";
    case Hook::PktDrop:
      return "Drop " + code_name(hook, code);
    case Hook::PktSend:
      return "Send";
    case Hook::AddressDel:
      return "Del " + code_name(hook, code) + " " + alt;
    case Hook::AddressOffer:
      return fmt::format("Offer {} {} {} {} s", code == DHCP_GIVE_ADDRESS_NEW ? "NEW" : "OLD",
                         addr_type == DHCP_CLIENT_BOOTP ? "BOOTP" : "DHCP", alt, lease_s);
    case Hook::HandleOptions:
      return "Options";
    case Hook::DeleteClient:
      return "Delete " + Ipv4{address}.text() + " " + to_hex(bytes, ':');
  }
  return "?";
}

inline constexpr int kScriptsMax = 3;
template <int N>
struct ScriptOf {
  static inline Script script;

  static std::vector<uint8_t> copy(LPBYTE packet, DWORD size) { return {packet, packet + size}; }

  static DWORD WINAPI control(DWORD code, LPVOID) {
    script.note({.hook = Hook::Control, .code = code});
    return 0;
  }
  static DWORD WINAPI new_packet(LPBYTE* packet, DWORD* size, DWORD address, LPVOID,
                                 LPVOID* context, LPBOOL process_it) {
    Event event{.hook = Hook::NewPkt, .address = address, .bytes = copy(*packet, *size)};
    event.context = *context;
    script.note(std::move(event));
    if (script.new_packet) script.new_packet(packet, size, context, process_it);
    return 8;  // whatever it returns is ignored
  }
  static DWORD WINAPI drop(LPBYTE* packet, DWORD* size, DWORD code, DWORD address, LPVOID,
                           LPVOID context) {
    script.note({.hook = Hook::PktDrop,
                 .code = code,
                 .address = address,
                 .bytes = copy(*packet, *size),
                 .context = context});
    return 0;
  }
  static DWORD WINAPI send(LPBYTE* packet, DWORD* size, DWORD code, DWORD address, LPVOID,
                           LPVOID context) {
    script.note({.hook = Hook::PktSend,
                 .code = code,
                 .address = address,
                 .bytes = copy(*packet, *size),
                 .context = context});
    if (script.send) script.send(packet, size);
    return 0;
  }
  static DWORD WINAPI address_del(LPBYTE packet, DWORD size, DWORD code, DWORD address, DWORD alt,
                                  LPVOID, LPVOID context) {
    script.note({.hook = Hook::AddressDel,
                 .code = code,
                 .address = address,
                 .alt_address = alt,
                 .bytes = copy(packet, size),
                 .context = context});
    return 0;
  }
  static DWORD WINAPI address_offer(LPBYTE packet, DWORD size, DWORD code, DWORD address, DWORD alt,
                                    DWORD type, DWORD lease_s, LPVOID, LPVOID context) {
    script.note({.hook = Hook::AddressOffer,
                 .code = code,
                 .address = address,
                 .alt_address = alt,
                 .addr_type = type,
                 .lease_s = lease_s,
                 .bytes = copy(packet, size),
                 .context = context});
    return 0;
  }
  static DWORD WINAPI handle_options(LPBYTE packet, DWORD size, LPVOID, LPVOID context,
                                     LPDHCP_SERVER_OPTIONS options) {
    script.note({.hook = Hook::HandleOptions, .bytes = copy(packet, size), .context = context});
    if (script.options) script.options(*options);
    return 0;
  }
  static DWORD WINAPI delete_client(DWORD address, LPBYTE hardware, ULONG size, DWORD, DWORD) {
    script.note({.hook = Hook::DeleteClient, .address = address, .bytes = copy(hardware, size)});
    return 0;
  }

  static DHCP_CALLOUT_TABLE table() {
    DHCP_CALLOUT_TABLE t{};
    t.DhcpControlHook = control;
    t.DhcpNewPktHook = new_packet;
    t.DhcpPktDropHook = drop;
    t.DhcpPktSendHook = send;
    t.DhcpAddressDelHook = address_del;
    t.DhcpAddressOfferHook = address_offer;
    t.DhcpHandleOptionsHook = handle_options;
    t.DhcpDeleteClientHook = delete_client;
    return t;
  }
};

inline Script& script(int n) {
  static Script* const kScripts[kScriptsMax] = {&ScriptOf<0>::script, &ScriptOf<1>::script,
                                                &ScriptOf<2>::script};
  return *kScripts[n];
}
inline DHCP_CALLOUT_TABLE script_table(int n) {
  return n == 0 ? ScriptOf<0>::table() : n == 1 ? ScriptOf<1>::table() : ScriptOf<2>::table();
}
// As if newly loaded.
inline void reset_scripts() {
  for (int n = 0; n < kScriptsMax; ++n) script(n) = Script{};
}

}  // namespace hookline::callout::testing
