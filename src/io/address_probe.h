// Asking the network whether somebody uses an address, before it is given to a client. src/io/linux
// has ARP and ICMP sockets, tests/sim a wire with squatters. Used by the packet thread only; never
// waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/inet.h"

namespace hookline::io {

struct AddressQuestion {
  Ipv4 address;
  // The link to ask on, by an ARP probe (RFC 5227 section 2.1.1). 0: it is beyond our links, and is
  // asked by an ICMP echo (RFC 792) wherever the route leads.
  uint32_t ifindex = 0;
  uint16_t vlan = 0;      // ARP: 0 is untagged
  MacAddress source_mac;  // ARP: the link's
};

// Somebody uses `address`.
struct AddressAnswer {
  Ipv4 address;
  uint32_t ifindex = 0;           // as in the question
  std::optional<MacAddress> mac;  // ARP: whose it is
};

class AddressProbe {
 public:
  virtual ~AddressProbe() = default;
  // 0, or the errno value of a question that did not leave.
  virtual int ask(const AddressQuestion& question) = 0;
  // What came in since the last call, fills from the front, returns how many. Answers to questions
  // that nobody asked may be among them.
  virtual size_t answers(std::span<AddressAnswer> out) = 0;
  // Nothing is asked any more, until the next ask(): answers are thrown away unseen.
  virtual void rest() = 0;
};

}  // namespace hookline::io
