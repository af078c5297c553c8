// Simulated clients, well-behaved and rude: what they send, and what they believe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "load/packet.h"
#include "world.h"

namespace hookline::sim {

struct Client {
  uint32_t number = 0;
  MacAddress mac;
  std::vector<uint8_t> client_id;  // empty: none
  bool relayed = false;
  uint32_t xid = 0;
  Ipv4 offered;
  Ipv4 offered_by;
  Ipv4 bound;  // believes to hold it
  int64_t until_ns = 0;
};

enum class Say : uint8_t {
  Discover,
  RapidDiscover,
  Select,
  SelectOther,
  InitReboot,
  Renew,
  Release,
  Decline,
  Inform,
  ForeignRelease,
  Bootp,
  Garbage,
};
inline constexpr int kSayCount = 12;

// The frame, addressed to the server as RFC 2131 says; empty when this client can't say that now.
std::vector<uint8_t> make_frame(const Client& client, Say what, Random& random);

// `payload` (UDP's) as the client's frame, or as its relay's: to the server itself or to everybody.
std::vector<uint8_t> make_frame(const Client& client, Bytes payload, bool unicast);

}  // namespace hookline::sim
