// AF_PACKET. The only file of the generator with system headers: it is a client program, not a
// stage, and the simulator has no use for it.
#include <arpa/inet.h>
#include <dirent.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "load/wire.h"

namespace hookline::load {
namespace {

Error system_error(std::string_view what) {
  const int error = errno;
  const ErrorKind kind = error == ENODEV ? ErrorKind::Missing : ErrorKind::Io;
  return {kind, fmt::format("{}: {}", what, std::strerror(error))};
}

class Socket {
 public:
  explicit Socket(int fd = -1) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }
  bool set(int level, int name, int value) const {
    return setsockopt(fd_, level, name, &value, sizeof value) == 0;
  }

 private:
  int fd_;
};

// IPv4, UDP, not a later fragment, from port 67 to port 67 or 68.
constexpr sock_filter kReplies[] = {
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 11),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 9),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 7, 0),
    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 0, 4),
    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 0x40000),
    BPF_STMT(BPF_RET | BPF_K, 0),
};
constexpr sock_filter kNothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};

template <size_t N>
bool attach(const Socket& socket, const sock_filter (&program)[N]) {
  const sock_fprog what{N, const_cast<sock_filter*>(program)};
  return setsockopt(socket.fd(), SOL_SOCKET, SO_ATTACH_FILTER, &what, sizeof what) == 0;
}

class LinuxWire final : public Wire {
 public:
  LinuxWire(Socket socket, Socket port) : socket_(std::move(socket)), port_(std::move(port)) {
    for (size_t i = 0; i < kBatch; ++i) {
      rx_vectors_[i] = {rx_buffers_[i].data(), kFrameMax};
      msghdr& rx = rx_[i].msg_hdr;
      rx.msg_iov = &rx_vectors_[i];
      rx.msg_iovlen = 1;
      msghdr& tx = tx_[i].msg_hdr;
      tx.msg_iov = &tx_vectors_[i];
      tx.msg_iovlen = 1;
    }
  }

  int64_t now_ns() override {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return int64_t{now.tv_sec} * kNsPerSecond + now.tv_nsec;
  }

  size_t receive(std::span<RxPacket> packets) override {
    const size_t room = std::min(packets.size(), kBatch);
    for (size_t i = 0; i < room; ++i) {
      rx_[i].msg_hdr.msg_control = rx_control_[i].data();
      rx_[i].msg_hdr.msg_controllen = rx_control_[i].size();
    }
    const int got =
        recvmmsg(socket_.fd(), rx_.data(), static_cast<unsigned>(room), MSG_DONTWAIT, nullptr);
    if (got <= 0) return 0;
    for (size_t i = 0; i < static_cast<size_t>(got); ++i) {
      packets[i] = {{rx_buffers_[i].data(), rx_[i].msg_len}, partial(rx_[i].msg_hdr)};
    }
    return static_cast<size_t>(got);
  }

  size_t send(std::span<const Bytes> frames) override {
    const size_t size = std::min(frames.size(), kBatch);
    for (size_t i = 0; i < size; ++i) {
      tx_vectors_[i] = {const_cast<uint8_t*>(frames[i].data()), frames[i].size()};
    }
    const int taken = sendmmsg(socket_.fd(), tx_.data(), static_cast<unsigned>(size), 0);
    return taken < 0 ? 0 : static_cast<size_t>(taken);
  }

  void wait(int64_t until_ns) override {
    const int64_t left_ns = std::max<int64_t>(0, until_ns - now_ns());
    const timespec left{left_ns / kNsPerSecond, left_ns % kNsPerSecond};
    pollfd ready{socket_.fd(), POLLIN, 0};
    ppoll(&ready, 1, &left, nullptr);
  }

 private:
  static bool partial(msghdr& message) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
      if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
      tpacket_auxdata aux;
      std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
      return (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
    }
    return false;
  }

  Socket socket_;
  Socket port_;
  std::array<mmsghdr, kBatch> rx_{};
  std::array<mmsghdr, kBatch> tx_{};
  std::array<iovec, kBatch> rx_vectors_{};
  std::array<iovec, kBatch> tx_vectors_{};
  std::array<std::array<uint8_t, kFrameMax>, kBatch> rx_buffers_;
  struct alignas(cmsghdr) Control : std::array<uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> {};
  std::array<Control, kBatch> rx_control_;
};

// Port 67 in its own hands, with everything thrown away: a relay has that port open, and without
// it the kernel would answer every reply with an ICMP error.
Result<Socket> own_relay_port(const std::string& interface) {
  Socket port(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (port.fd() < 0) return tl::unexpected(system_error("UDP socket"));
  port.set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (setsockopt(port.fd(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                 static_cast<socklen_t>(interface.size() + 1)) != 0 ||
      !attach(port, kNothing)) {
    return tl::unexpected(system_error("UDP port 67 on " + interface));
  }
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(67);
  // Somebody else having it serves as well.
  if (bind(port.fd(), reinterpret_cast<sockaddr*>(&any), sizeof any) != 0 && errno != EADDRINUSE) {
    return tl::unexpected(system_error("UDP port 67 on " + interface));
  }
  return port;
}

Result<MacAddress> mac_of(const Socket& any, const std::string& interface) {
  ifreq request{};
  if (interface.empty() || interface.size() >= sizeof request.ifr_name) {
    return fail(ErrorKind::Invalid, fmt::format("\"{}\" is not an interface's name", interface));
  }
  std::memcpy(request.ifr_name, interface.c_str(), interface.size());
  if (ioctl(any.fd(), SIOCGIFHWADDR, &request) != 0) {
    return tl::unexpected(system_error(interface));
  }
  MacAddress mac;
  std::memcpy(mac.octets.data(), request.ifr_hwaddr.sa_data, 6);
  return mac;
}

Result<Socket> packet_socket(const std::string& interface) {
  // Protocol 0: nothing is received before the filter is on.
  Socket socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return tl::unexpected(system_error("AF_PACKET socket"));
  if (!attach(socket, kReplies)) return tl::unexpected(system_error("packet filter"));
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_IP);
  where.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (where.sll_ifindex == 0) {
    return fail(ErrorKind::Missing, fmt::format("there is no interface {}", interface));
  }
  socket.set(SOL_PACKET, PACKET_AUXDATA, 1);
  socket.set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  socket.set(SOL_PACKET, PACKET_QDISC_BYPASS, 1);
  socket.set(SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20);
  socket.set(SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20);
  if (bind(socket.fd(), reinterpret_cast<sockaddr*>(&where), sizeof where) != 0) {
    return tl::unexpected(system_error(interface));
  }
  return socket;
}

// One thread's CPU time: the first number of its schedstat.
int64_t thread_cpu_ns(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return 0;
  long long ns = 0;
  if (std::fscanf(file, "%lld", &ns) != 1) ns = 0;
  std::fclose(file);
  return ns;
}

uint64_t resident_bytes(int pid) {
  std::FILE* file = std::fopen(fmt::format("/proc/{}/statm", pid).c_str(), "re");
  if (file == nullptr) return 0;
  unsigned long long total = 0;
  unsigned long long resident = 0;
  if (std::fscanf(file, "%llu %llu", &total, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

// The kernel's entry for a neighbour; Missing while it is not resolved.
Result<MacAddress> neighbour(const Socket& any, const std::string& interface, Ipv4 address) {
  arpreq request{};
  auto* to = reinterpret_cast<sockaddr_in*>(&request.arp_pa);
  to->sin_family = AF_INET;
  to->sin_addr.s_addr = htonl(address.value);
  std::strncpy(request.arp_dev, interface.c_str(), sizeof request.arp_dev - 1);
  if (ioctl(any.fd(), SIOCGARP, &request) != 0 || (request.arp_flags & ATF_COM) == 0) {
    return fail(ErrorKind::Missing,
                fmt::format("{} does not answer on {}", address.text(), interface));
  }
  MacAddress mac;
  std::memcpy(mac.octets.data(), request.arp_ha.sa_data, 6);
  return mac;
}

}  // namespace

Result<OpenWire> open_wire(const WireOptions& options) {
  if (options.cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<size_t>(options.cpu), &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) {
      return tl::unexpected(system_error(fmt::format("CPU {}", options.cpu)));
    }
  }
  Result<Socket> socket = packet_socket(options.interface);
  if (!socket) return tl::unexpected(socket.error());
  Result<MacAddress> mac = mac_of(*socket, options.interface);
  if (!mac) return tl::unexpected(mac.error());
  Socket port;
  if (options.own_relay_port) {
    Result<Socket> own = own_relay_port(options.interface);
    if (!own) return tl::unexpected(own.error());
    port = std::move(*own);
  }
  return OpenWire{std::make_unique<LinuxWire>(std::move(*socket), std::move(port)), *mac};
}

Result<MacAddress> resolve_neighbour(const std::string& interface, Ipv4 address) {
  Socket socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.fd() < 0) return tl::unexpected(system_error("UDP socket"));
  setsockopt(socket.fd(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
             static_cast<socklen_t>(interface.size() + 1));
  Result<MacAddress> mac = neighbour(socket, interface, address);
  if (mac) return mac;
  // A datagram to the discard port makes the kernel ask.
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(9);
  to.sin_addr.s_addr = htonl(address.value);
  for (int i = 0; i < 20 && !mac; ++i) {
    if (i % 10 == 0) sendto(socket.fd(), "", 0, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    usleep(50'000);
    mac = neighbour(socket, interface, address);
  }
  return mac;
}

ProcessUsage process_usage(int pid) {
  ProcessUsage usage;
  const std::string tasks = fmt::format("/proc/{}/task", pid);
  DIR* directory = opendir(tasks.c_str());
  if (directory == nullptr) return usage;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    usage.cpu_ns += thread_cpu_ns(fmt::format("{}/{}/schedstat", tasks, entry->d_name));
  }
  closedir(directory);
  usage.rss_bytes = resident_bytes(pid);
  return usage;
}

}  // namespace hookline::load
