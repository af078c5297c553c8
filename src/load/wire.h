// What the generator needs of the world: frames in, frames out, a clock. wire_linux.cc is
// AF_PACKET; the tests have a server in memory. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/inet.h"
#include "base/result.h"

namespace hookline::load {

struct RxPacket {
  Bytes frame;  // valid until the next receive()
  bool checksum_partial = false;
};

class Wire {
 public:
  virtual ~Wire() = default;
  virtual int64_t now_ns() = 0;
  // Does not wait. Fills from the front, returns how many.
  virtual size_t receive(std::span<RxPacket> packets) = 0;
  // Returns how many of the frames, from the front, were taken; the kernel refused the next one.
  virtual size_t send(std::span<const Bytes> frames) = 0;
  // Until a frame is there or the clock shows `until_ns`.
  virtual void wait(int64_t until_ns) = 0;
};

inline constexpr size_t kBatch = 64;
inline constexpr size_t kFrameMax = 2048;

struct WireOptions {
  std::string interface;
  int cpu = -1;
  bool own_relay_port = false;  // hold UDP port 67, so that the kernel sends no ICMP error
};

struct OpenWire {
  std::unique_ptr<Wire> wire;
  MacAddress mac;
};

Result<OpenWire> open_wire(const WireOptions& options);

// The neighbour's hardware address by the kernel's table; asks for it if it is not there.
Result<MacAddress> resolve_neighbour(const std::string& interface, Ipv4 address);

struct ProcessUsage {
  int64_t cpu_ns = 0;
  uint64_t rss_bytes = 0;
};

// All threads of a process. Zeros if it is not there.
ProcessUsage process_usage(int pid);

}  // namespace hookline::load
