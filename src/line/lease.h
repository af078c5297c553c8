// A lease as it is stored, shown and passed between the engine and the journal.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/inet.h"
#include "base/limits.h"
#include "base/time.h"
#include "line/message.h"

namespace hookline {

// The values are in the journal's format: never renumber.
enum class LeaseState : uint8_t {
  Free = 0,      // no binding, nothing remembered (an operator deleted it)
  Active = 1,    // bound; also when its expiry has passed and nobody has taken it out yet
  Released = 2,  // the client gave it back; remembered for that client
  Expired = 3,   // ran out; remembered for that client
  Declined = 4,  // in quarantine until `expiry`: somebody else uses the address
};
inline constexpr size_t kLeaseStateCount = 5;

constexpr std::string_view lease_state_name(LeaseState state) {
  constexpr std::string_view kNames[] = {"free", "active", "released", "expired", "declined"};
  return kNames[static_cast<size_t>(state)];
}

// One address's record: the whole truth about it from `sequence` on. A view: the bytes belong to
// whoever made it (a packet's slot, the engine's tables, a mapped journal).
struct LeaseRecord {
  Ipv4 address;
  LeaseState state = LeaseState::Free;
  bool bootp = false;
  uint8_t hardware_type = 0;
  uint32_t scope_key = 0;             // Scope::key
  LeaseSeconds start = 0;             // of the binding: renewals keep it
  LeaseSeconds expiry = 0;            // kLeaseTimeInfinite: never
  LeaseSeconds last_transaction = 0;  // of the client, RFC 4388
  uint64_t sequence = 0;              // given by the journal; later is larger
  Bytes hardware_address;             // 0 to 16
  Bytes client_id;                    // 0 to 255
  Bytes hostname;                     // 0 to 255, as sent: not text to be trusted
  Bytes relay_info;                   // option 82, 0 to 255

  ClientIdentity identity() const {
    if (!client_id.empty()) return {true, 0, client_id};
    return {false, hardware_type, hardware_address};
  }
};

}  // namespace hookline
