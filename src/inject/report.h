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
  StreamSend,
  StreamReceive,
};
inline constexpr size_t kKindCount = 8;
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

  void add(const HandleReport& other) {
    for (size_t i = 0; i < kKindCount; ++i) injected[i] += other.injected[i];
    for (size_t i = 0; i < kEndCount; ++i) ended[i] += other.ended[i];
    refused += other.refused;
    loops_cut += other.loops_cut;
    too_many += other.too_many;
  }
};

struct Report {
  HandleReport replies;               // the server's own
  std::vector<HandleReport> handles;  // of drivers, those that exist
  std::vector<HandleReport> retired;  // sums of those that were, one for each driver
  size_t in_flight = 0;               // packets
  size_t held = 0;                    // of those: waiting for a callout to let go
  size_t replies_held = 0;            // the server's own that wait for that
  uint64_t loops_cut = 0;             // of all handles that ever were
  uint64_t abandoned = 0;             // lists whose driver was unloaded before they completed

  // One sum for the server, and one for each driver that ever had a handle.
  std::vector<HandleReport> by_driver() const;
};

}  // namespace hookline::inject
