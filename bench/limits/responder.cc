// A DHCP responder without leases, options or conscience: the least work that answers a DORA over
// AF_PACKET with recvmmsg and sendmmsg. What a server can reach at most on this packet path.
//
//   bench_responder INTERFACE SERVER-ADDRESS FIRST-ADDRESS
//
// A client's address is FIRST-ADDRESS plus the last four bytes of its hardware address.
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "base/bytes.h"
#include "base/inet.h"

namespace {

using hookline::Ipv4;
using hookline::load_be16;
using hookline::load_be32;
using hookline::store_be16;
using hookline::store_be32;

constexpr size_t kBatch = 64;
constexpr size_t kBuffer = 2048;
constexpr size_t kDhcp = 14 + 20 + 8;
constexpr size_t kReply = 300;
constexpr uint32_t kLease_s = 3600;
constexpr uint8_t kClientIdMax = 16;  // longer ones are not echoed

// IPv4, UDP, unfragmented, to port 67.
constexpr sock_filter kRequests[] = {
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x0800, 0, 8),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 6),
    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 4, 0),
    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
    BPF_STMT(BPF_LD | BPF_H | BPF_IND, 16),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 67, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, 0x40000),
    BPF_STMT(BPF_RET | BPF_K, 0),
};
constexpr sock_filter kNothing[] = {BPF_STMT(BPF_RET | BPF_K, 0)};

struct Server {
  std::array<uint8_t, 6> mac{};
  Ipv4 address;
  Ipv4 first;
};

uint16_t checksum(const uint8_t* p, size_t size, uint32_t sum) {
  for (; size > 1; size -= 2, p += 2) sum += load_be16(p);
  if (size == 1) sum += static_cast<uint32_t>(*p << 8);
  while (sum >> 16 != 0) sum = (sum & 0xFFFF) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

struct Asked {
  uint8_t type = 0;
  const uint8_t* client_id = nullptr;  // option 61, from its code on
};

Asked read_options(const uint8_t* options, size_t size) {
  Asked asked;
  for (size_t at = 0; at + 2 < size && options[at] != 255;) {
    if (options[at] == 0) {
      ++at;
      continue;
    }
    if (options[at] == 53) asked.type = options[at + 2];
    if (options[at] == 61 && at + 2 + options[at + 1] <= size) asked.client_id = options + at;
    at += 2u + options[at + 1];
  }
  return asked;
}

uint8_t* put32(uint8_t* p, uint8_t code, uint32_t value) {
  *p++ = code;
  *p++ = 4;
  store_be32(p, value);
  return p + 4;
}

// The reply to `in`, or 0.
size_t answer(const uint8_t* in, size_t size, const Server& server, uint8_t* out) {
  if (size < kDhcp + 244 || in[14] != 0x45 || in[kDhcp] != 1) return 0;
  const uint8_t* request = in + kDhcp;
  const Asked asked = read_options(request + 240, size - kDhcp - 240);
  const uint8_t type = asked.type;
  if (type != 1 && type != 3 && type != 8) return 0;
  const uint32_t giaddr = load_be32(request + 24);
  const uint32_t ciaddr = load_be32(request + 12);
  const uint32_t address = server.first.value + load_be32(request + 30);
  std::memset(out, 0, kDhcp + 240);
  uint8_t* reply = out + kDhcp;
  std::memcpy(reply, request, 44);
  reply[0] = 2;
  reply[3] = 0;
  if (type != 8) store_be32(reply + 16, address);
  store_be32(reply + 236, 0x63825363);
  uint8_t* p = reply + 240;
  *p++ = 53;
  *p++ = 1;
  *p++ = type == 1 ? 2 : 5;
  p = put32(p, 54, server.address.value);
  if (type != 8) p = put32(p, 51, kLease_s);
  p = put32(p, 1, 0xFFC00000);
  p = put32(p, 3, server.address.value);
  if (asked.client_id != nullptr && asked.client_id[1] <= kClientIdMax) {
    std::memcpy(p, asked.client_id, 2u + asked.client_id[1]);
    p += 2 + asked.client_id[1];
  }
  *p++ = 255;
  std::memset(p, 0, static_cast<size_t>(reply + kReply - p));

  std::memcpy(out, in + 6, 6);
  std::memcpy(out + 6, server.mac.data(), 6);
  store_be16(out + 12, 0x0800);
  uint8_t* ip = out + 14;
  ip[0] = 0x45;
  store_be16(ip + 2, 20 + 8 + kReply);
  ip[8] = 64;
  ip[9] = 17;
  server.address.store(ip + 12);
  store_be32(ip + 16, giaddr != 0 ? giaddr : ciaddr != 0 ? ciaddr : address);
  store_be16(ip + 10, checksum(ip, 20, 0));
  uint8_t* udp = ip + 20;
  store_be16(udp, 67);
  store_be16(udp + 2, giaddr != 0 ? 67 : 68);
  store_be16(udp + 4, 8 + kReply);
  const uint16_t sum = checksum(ip + 12, 8 + 8 + kReply, 17 + 8 + kReply);
  store_be16(udp + 6, sum == 0 ? 0xFFFF : sum);
  return kDhcp + kReply;
}

int open_socket(const char* interface, Server& server) {
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  const sock_fprog filter{std::size(kRequests), const_cast<sock_filter*>(kRequests)};
  const int on = 1;
  const int buffer = 16 << 20;
  sockaddr_ll where{};
  where.sll_family = AF_PACKET;
  where.sll_protocol = htons(ETH_P_IP);
  where.sll_ifindex = static_cast<int>(if_nametoindex(interface));
  ifreq request{};
  std::strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request) != 0) return -1;
  std::memcpy(server.mac.data(), request.ifr_hwaddr.sa_data, 6);
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
  setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
  return bind(fd, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0 ? fd : -1;
}

// Keeps port 67, so that the kernel does not answer with ICMP errors.
bool own_port() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const sock_fprog filter{std::size(kNothing), const_cast<sock_filter*>(kNothing)};
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(67);
  return bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) == 0;
}

[[noreturn]] void serve(int fd, const Server& server) {
  static std::array<std::array<uint8_t, kBuffer>, kBatch> in;
  static std::array<std::array<uint8_t, kBuffer>, kBatch> out;
  std::array<iovec, kBatch> rx_vectors{};
  std::array<iovec, kBatch> tx_vectors{};
  std::array<mmsghdr, kBatch> rx{};
  std::array<mmsghdr, kBatch> tx{};
  for (size_t i = 0; i < kBatch; ++i) {
    rx_vectors[i] = {in[i].data(), kBuffer};
    rx[i].msg_hdr.msg_iov = &rx_vectors[i];
    rx[i].msg_hdr.msg_iovlen = 1;
    tx[i].msg_hdr.msg_iov = &tx_vectors[i];
    tx[i].msg_hdr.msg_iovlen = 1;
  }
  for (;;) {
    const int got = recvmmsg(fd, rx.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (got <= 0) {
      pollfd ready{fd, POLLIN, 0};
      poll(&ready, 1, -1);
      continue;
    }
    unsigned size = 0;
    for (size_t i = 0; i < static_cast<size_t>(got); ++i) {
      const size_t bytes = answer(in[i].data(), rx[i].msg_len, server, out[size].data());
      if (bytes != 0) tx_vectors[size] = {out[size].data(), bytes}, ++size;
    }
    for (unsigned done = 0; done < size;) {
      const int taken = sendmmsg(fd, tx.data() + done, size - done, 0);
      if (taken <= 0) break;
      done += static_cast<unsigned>(taken);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: bench_responder INTERFACE SERVER-ADDRESS FIRST-ADDRESS\n");
    return 2;
  }
  const auto address = Ipv4::parse(argv[2]);
  const auto first = Ipv4::parse(argv[3]);
  if (!address || !first) {
    std::fprintf(stderr, "bench_responder: not an IPv4 address\n");
    return 2;
  }
  Server server;
  server.address = *address;
  server.first = *first;
  const int fd = open_socket(argv[1], server);
  if (fd < 0 || !own_port()) {
    std::perror("bench_responder");
    return 1;
  }
  serve(fd, server);
}
