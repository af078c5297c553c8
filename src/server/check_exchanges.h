// Every exchange of docs/callout_guide.md and each of the twelve codes of DhcpPktDropHook, from
// real conditions.
#pragma once

#include <cstdint>
#include <span>

#include "callout/host.h"

namespace hookline::check {

class House;

struct Exchange {
  const char* name;
  // It has happened when this hook is called with this code (NewPkt and others without: 0).
  callout::Hook hook;
  uint32_t code;
  void (*drive)(House& house);
};

// What one server is enough for: starts it with the first exchange, stops it with the last.
struct Act {
  const char* config;  // TOML
  bool with_probe;
  std::span<const Exchange> exchanges;
};

// Exchanges are numbered through all acts.
std::span<const Act> acts();
// Of any number.
const char* exchange_name(uint32_t number);
uint32_t exchange_count();

}  // namespace hookline::check
