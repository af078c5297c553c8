// Where frames come in and go out: whole Ethernet frames on all served interfaces. src/io/linux has
// AF_PACKET, tests/sim a fake wire. Used by the packet thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/inet.h"

namespace hookline::io {

// The UDP port of a DHCP server: RFC 2131 section 4.1.
inline constexpr uint16_t kServerPort = 67;

// One received frame. The caller sets `buffer`, the port the rest.
struct RxFrame {
  MutableBytes buffer;     // at least kFrameBytesMax; the frame starts at its beginning
  uint32_t size = 0;       // bytes of the frame in the buffer, without a VLAN tag
  uint32_t wire_size = 0;  // bytes that the frame had; larger than `size`: truncated
  uint32_t ifindex = 0;
  uint16_t vlan = 0;              // the tag that the kernel took off; 0: none
  bool checksum_partial = false;  // made on this machine: transport checksum not filled in yet
};

// One frame to send. `error` is that frame's own outcome.
struct TxFrame {
  Bytes frame;
  uint32_t ifindex = 0;
  int error = 0;  // 0 or an errno value: ENETDOWN, ENXIO, EMSGSIZE, ENOBUFS, …
};

class PacketPort {
 public:
  virtual ~PacketPort() = default;

  // Fills frames from the front without waiting, returns how many. 0: nothing is there.
  virtual size_t receive(std::span<RxFrame> frames) = 0;

  // Tries every frame, in order per interface, and sets each one's `error`. After a frame that gets
  // ENOBUFS (the queue is full) the call's later frames of that interface get it too, untried, so
  // that a retry keeps the order.
  virtual void send(std::span<TxFrame> frames) = 0;

  // The way out for an address whose neighbour is not resolved: the kernel resolves and sends.
  // `payload` is the UDP payload; the source is `from`:67. Returns 0 or an errno value.
  virtual int send_udp(Ipv4 from, Ipv4 to, uint16_t to_port, uint32_t ifindex, Bytes payload) = 0;

  // Frames that the kernel dropped before receive() could take them, since the start.
  virtual uint64_t kernel_drops() const = 0;
};

}  // namespace hookline::io
