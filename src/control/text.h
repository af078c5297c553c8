// How values look to the operator, in every format alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "line/lease.h"

namespace hookline::control {

// RFC 3339 in UTC: "2026-11-21T22:30:00Z"; "never" for 0, "infinite" for kForever.
std::string time_text(int64_t wall_s);
// "3d 4h 5m 6s", without leading zero parts.
std::string duration_text(int64_t seconds);
// "1.5 MiB"
std::string size_text(uint64_t bytes);
// What a client sent, as text that cannot harm a terminal or a table: printable ASCII stays, the
// rest and '\' become \xNN.
std::string printable(Bytes bytes);
// "01:52:54:00"
std::string id_text(Bytes bytes);

// An id as the operator writes it: "hex:0152", hex with ':' or '-' between bytes, else text taken
// byte by byte. None: "hex:" followed by something else, empty, or longer than `bytes_max`.
std::optional<std::vector<uint8_t>> parse_id(std::string_view text,
                                             size_t bytes_max = kClientIdBytesMax);
// "02:00:00:00:00:07", 1 to 16 bytes.
std::optional<std::vector<uint8_t>> parse_hardware_address(std::string_view text);
std::optional<LeaseState> parse_lease_state(std::string_view text);

}  // namespace hookline::control
