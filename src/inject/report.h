// What `hookline filter` shows of injections.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "inject/status.h"

namespace hookline::inject {

enum class Kind : uint8_t {
  MacSend,
  MacReceive,
  NetworkSend,
  NetworkReceive,
  TransportSend,
  TransportReceive,
};
inline constexpr size_t kKindCount = 6;
std::string_view kind_name(Kind kind);
// "FwpsInjectMacSendAsync0": that of the API.
std::string_view function_name(Kind kind);

struct HandleReport {
  uint64_t handle = 0;  // as the driver has it
  std::string driver;   // who created it
  uint32_t types = 0;   // FWPS_INJECTION_TYPE_…
  uint16_t family = 0;
  bool closing = false;
  std::array<uint64_t, kKindCount> injected{};  // lists that were accepted, by Kind
  std::array<uint64_t, kEndCount> ended{};      // their completions, by End
  uint64_t refused = 0;                         // lists that were not accepted
  uint64_t loops_cut = 0;                       // injected too often; part of `ended`
  uint64_t too_many = 0;                        // more than packets account for; part of `refused`
  uint32_t in_flight = 0;
};

struct Report {
  std::vector<HandleReport> handles;  // those that exist
  size_t in_flight = 0;               // packets
  size_t held = 0;                    // of those: waiting for a callout to let go
  size_t replies_held = 0;            // the server's own that wait for that
  uint64_t loops_cut = 0;             // of all handles that ever were
  uint64_t abandoned = 0;             // lists whose driver was unloaded before they completed
};

}  // namespace hookline::inject
