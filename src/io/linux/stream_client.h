// The asking side of a TCP connection, and of a UDP exchange: for command-line clients, which may
// wait.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/inet.h"
#include "base/result.h"
#include "io/linux/fd.h"
#include "io/stream_port.h"
#include "io/transfer.h"

namespace hookline::io {

class StreamClient {
 public:
  // `from`: the own address; none: as the kernel chooses. Missing: nobody listens there.
  static Result<StreamClient> connect(const StreamAddress& to, Ipv4 from, int timeout_ms);

  // Waits. WouldBlock: nothing within `timeout_ms` (-1: waits without end).
  Transfer read(MutableBytes into, int timeout_ms);
  // All of it, or an error.
  Result<void> write(Bytes bytes, int timeout_ms);

 private:
  explicit StreamClient(Fd descriptor) : descriptor_(std::move(descriptor)) {}
  Fd descriptor_;
};

// A relay's end of RFC 4388: port 67, to which servers answer.
class RelaySocket {
 public:
  // `from`: an address of this machine; none: the one that leads to `to`. Busy: another program,
  // such as a DHCP server, has port 67.
  static Result<RelaySocket> open(const StreamAddress& to, Ipv4 from);
  Ipv4 address() const { return address_; }

  Result<void> send(Bytes message);
  // The size of the datagram that came; 0: none within `timeout_ms`.
  Result<size_t> receive(MutableBytes into, int timeout_ms);

 private:
  RelaySocket(Fd descriptor, Ipv4 address)
      : descriptor_(std::move(descriptor)), address_(address) {}
  Fd descriptor_;
  Ipv4 address_;
};

}  // namespace hookline::io
