// What the clients of a test host say.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/inet.h"
#include "line/message.h"

namespace hookline::check {

// Option 53 (RFC 2132 section 9.6).
inline constexpr uint8_t kDiscover = 1, kRequest = 3, kDecline = 4, kRelease = 7, kInform = 8;

struct Client {
  uint32_t number = 0;        // of its hardware address and transaction
  Ipv4 relay{};               // none: on the wire
  uint8_t hardware_size = 6;  // hlen; chaddr is filled that far
};

using Options = std::vector<std::pair<uint8_t, std::vector<uint8_t>>>;

std::vector<uint8_t> address_value(Ipv4 address);
// With option 53, first.
Options typed(uint8_t type, Options more = {});
// DISCOVER with rapid commit (RFC 4039): a lease in one exchange.
Options rapid(Options more = {});
// REQUEST that selects an offer (RFC 2131 section 4.3.2).
Options select(Ipv4 address, Ipv4 server);
// One of each that DHCP_SERVER_OPTIONS has a field for, and option 82.
Options every_option();

// A BOOTP message with these options and, if they are any, an END. Values longer than 255 bytes
// are split (RFC 3396). At least 300 bytes.
std::vector<uint8_t> message(const Client& client, const Options& options, Ipv4 ciaddr = {});
// `payload` (UDP's) as the client's frame, or its relay's: to everybody, or to the server where
// there is a relay or a ciaddr.
std::vector<uint8_t> frame(const Client& client, Bytes payload, Ipv4 ciaddr = {});

}  // namespace hookline::check
