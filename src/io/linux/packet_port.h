// Frames by AF_PACKET: one raw socket per served interface, a classic BPF filter in front of it
// that lets through only IPv4 UDP for port 67, batches by recvmmsg and sendmmsg.
//
// A UDP socket owns port 67: no other server can bind it, and the kernel does not answer clients
// with "port unreachable". Its input is discarded; it only sends, where the kernel has to resolve a
// neighbour. It is also where the packet thread sleeps: one epoll over all of it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "io/links.h"
#include "io/linux/fd.h"
#include "io/packet_port.h"
#include "io/wakeups.h"

namespace hookline::io {

struct PacketPortOptions {
  uint32_t receive_buffer_bytes = 16u << 20;  // per interface, in the kernel
  uint32_t send_buffer_bytes = 4u << 20;      // per interface
};

// The packet sockets of one interface. Each frame that has left tells its socket so; were that the
// one that epoll watches, every frame would also wake its waiters in vain, at 5 % of a busy
// server's time.
struct PacketSockets {
  Fd receiving;
  Fd sending;
};

class LinuxPacketPort final : public PacketPort, public Wakeups {
 public:
  // Takes port 67: ErrorKind::Busy when another program has it. Needs CAP_NET_RAW and
  // CAP_NET_BIND_SERVICE; with CAP_NET_ADMIN the buffers may exceed the system's limit.
  static Result<std::unique_ptr<LinuxPacketPort>> open(const PacketPortOptions& options = {});
  ~LinuxPacketPort() override;

  // Attaches to the links of `table` that are new and detaches from those that are gone. A link
  // that is down stays attached. Links that could not be attached are passed over; `failures` says
  // why, one line each, and they are tried again at the next call. Allocates; not on the packet
  // path.
  void serve(const LinkTable& table, std::vector<std::string>* failures = nullptr);

  // wait() returns also when `fd` can be read (netlink, signals). The caller drains and owns it.
  Result<void> watch(int fd);

  // PacketPort
  size_t receive(std::span<RxFrame> frames) override;
  void send(std::span<TxFrame> frames) override;
  int send_udp(Ipv4 from, Ipv4 to, uint16_t to_port, uint32_t ifindex, Bytes payload) override;
  uint64_t kernel_drops() const override;

  // Wakeups
  void wait(int64_t timeout_ns) override;
  void wake() override;

 private:
  struct Attachment;
  struct Buffers;

  LinuxPacketPort(const PacketPortOptions& options, Fd udp, Fd epoll, Fd wake);
  Result<void> attach(const Link& link);
  void detach(Attachment& attachment);
  Attachment* find(uint32_t ifindex);
  // Sets Attachment::ready of those that may have frames; returns how many.
  size_t mark_ready();
  size_t receive_from(Attachment& from, std::span<RxFrame> frames);
  // Sends the buffers' group[0, count), all of one interface; sets their errors.
  void send_group(int fd, size_t count);

  PacketPortOptions options_;
  Fd udp_;
  Fd epoll_;
  Fd wake_;
  std::vector<std::unique_ptr<Attachment>> attachments_;
  std::vector<PacketSockets> spares_;  // not bound
  size_t first_ = 0;                   // whose turn it is to be received from first
  uint64_t drops_of_detached_ = 0;
  std::unique_ptr<Buffers> buffers_;
};

}  // namespace hookline::io
