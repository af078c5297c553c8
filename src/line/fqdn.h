// The client FQDN option (81): flags, two result codes, a name. RFC 4702 section 2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hookline::fqdn {

// Section 2.1: who updates the DNS.
inline constexpr uint8_t kServerUpdates = 0x01;  // S: the server updates the name's address
inline constexpr uint8_t kOverridden = 0x02;     // O: S is not what the client asked for
inline constexpr uint8_t kWireFormat = 0x04;     // E: labels as in RFC 1035 section 3.1, else ASCII
inline constexpr uint8_t kNoUpdates = 0x08;      // N: the server updates nothing

inline constexpr size_t kNameAt = 3;
// Section 2.2: what a server puts into both, and clients ignore.
inline constexpr uint8_t kResultCode = 255;
inline constexpr size_t kLabelBytesMax = 63;

}  // namespace hookline::fqdn
