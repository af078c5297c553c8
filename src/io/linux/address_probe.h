// ARP probes by one AF_PACKET socket for all links, ICMP echoes by one raw socket. Both are opened
// at start and deaf (a filter that takes nothing) whenever nothing is asked.
#pragma once

#include <array>
#include <memory>

#include "base/result.h"
#include "io/address_probe.h"
#include "io/linux/fd.h"

namespace hookline::io {

class LinuxAddressProbe final : public AddressProbe {
 public:
  // Needs CAP_NET_RAW; what comes later needs nothing.
  static Result<std::unique_ptr<LinuxAddressProbe>> open();

  // They can be read when there are answers: for LinuxPacketPort::watch().
  std::array<int, 2> fds() const { return {arp_.get(), icmp_.get()}; }

  int ask(const AddressQuestion& question) override;
  size_t answers(std::span<AddressAnswer> out) override;
  void rest() override;

 private:
  LinuxAddressProbe(Fd arp, Fd icmp, uint16_t echo_id);
  int listen();
  int ask_by_arp(const AddressQuestion& question);
  int ask_by_icmp(Ipv4 address);
  bool next_arp(AddressAnswer& out);
  bool next_icmp(AddressAnswer& out);

  Fd arp_;
  Fd icmp_;
  uint16_t echo_id_;  // tells our echoes from those of other programs
  uint16_t echo_sequence_ = 0;
  bool bound_ = false;
  bool listening_ = false;
};

}  // namespace hookline::io
