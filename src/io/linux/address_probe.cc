#include "io/linux/address_probe.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/inet_frame.h"
#include "io/linux/socket_options.h"

namespace hookline::io {
namespace {

constexpr size_t kArpBytes = 28;  // RFC 826, for Ethernet and IPv4
constexpr size_t kEchoBytes = 16;
constexpr size_t kSenderIpOffset = kEthernetHeaderBytes + 14;
// More than a socket's buffer can hold.
constexpr int kDrainMax = 4096;

// Whoever speaks of an address as its own: an ARP packet with a sender address (replies to our
// probe, gratuitous ones, and requests alike).
constexpr std::array<sock_filter, 4> kArpWithSender = {{
    {BPF_LD | BPF_W | BPF_ABS, 0, 0, kSenderIpOffset},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
    {BPF_RET | BPF_K, 0, 0, 0x40000},
    {BPF_RET | BPF_K, 0, 0, 0},
}};

// Echo replies with our id. Offsets are from the IP header.
std::array<sock_filter, 7> echo_replies_of(uint16_t id) {
  return {{
      {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0},  // X = size of the IP header
      {BPF_LD | BPF_B | BPF_IND, 0, 0, 0},   // type
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, ICMP_ECHOREPLY},
      {BPF_LD | BPF_H | BPF_IND, 0, 0, 4},  // id
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, id},
      {BPF_RET | BPF_K, 0, 0, 0x40000},
      {BPF_RET | BPF_K, 0, 0, 0},
  }};
}

// What came in before the filter was there.
void drain(int fd) {
  char byte;
  for (int i = 0; i < kDrainMax; ++i) {
    if (::recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) < 0 && errno == EAGAIN) return;
  }
}

Result<Fd> open_deaf(int family, int protocol, const char* what) {
  Fd fd(::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd || set_filter(fd.get(), kNothingFilter) != 0) return system_failure(what);
  drain(fd.get());
  return fd;
}

}  // namespace

Result<std::unique_ptr<LinuxAddressProbe>> LinuxAddressProbe::open() {
  auto arp = open_deaf(AF_PACKET, 0, "opening a packet socket for ARP");
  if (!arp) return tl::unexpected(arp.error());
  const int on = 1;
  if (::setsockopt(arp->get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) {
    return system_failure("setting up the packet socket for ARP");
  }
  auto icmp = open_deaf(AF_INET, IPPROTO_ICMP, "opening a raw socket for ICMP");
  if (!icmp) return tl::unexpected(icmp.error());
  const auto id = static_cast<uint16_t>(::getpid());
  return std::unique_ptr<LinuxAddressProbe>(
      new LinuxAddressProbe(std::move(*arp), std::move(*icmp), id));
}

LinuxAddressProbe::LinuxAddressProbe(Fd arp, Fd icmp, uint16_t echo_id)
    : arp_(std::move(arp)), icmp_(std::move(icmp)), echo_id_(echo_id) {}

// Bound for good at the first question: to unbind a packet socket the kernel waits for every CPU.
int LinuxAddressProbe::listen() {
  if (listening_) return 0;
  if (!bound_) {
    sockaddr_ll any_link{};
    any_link.sll_family = AF_PACKET;
    any_link.sll_protocol = htons(ETH_P_ARP);
    if (::bind(arp_.get(), reinterpret_cast<const sockaddr*>(&any_link), sizeof any_link) != 0) {
      return errno;
    }
    bound_ = true;
  }
  if (set_filter(arp_.get(), kArpWithSender) != 0) return errno;
  if (set_filter(icmp_.get(), echo_replies_of(echo_id_)) != 0) return errno;
  listening_ = true;
  return 0;
}

void LinuxAddressProbe::rest() {
  if (!listening_) return;
  listening_ = false;
  for (const int fd : fds()) {
    if (set_filter(fd, kNothingFilter) == 0) drain(fd);
  }
}

int LinuxAddressProbe::ask(const AddressQuestion& question) {
  if (const int error = listen(); error != 0) return error;
  return question.ifindex != 0 ? ask_by_arp(question) : ask_by_icmp(question.address);
}

int LinuxAddressProbe::ask_by_arp(const AddressQuestion& question) {
  std::array<uint8_t, kEthernetHeaderBytes + kVlanTagBytes + kArpBytes> frame{};
  uint8_t* at = frame.data();
  const auto put16 = [&at](unsigned value) {
    store_be16(at, static_cast<uint16_t>(value));
    at += 2;
  };
  const auto put_mac = [&at](const MacAddress& mac) {
    at = std::copy(mac.octets.begin(), mac.octets.end(), at);
  };
  put_mac(kBroadcastMac);
  put_mac(question.source_mac);
  if (question.vlan != 0) {
    put16(ETH_P_8021Q);
    put16(question.vlan);
  }
  put16(ETH_P_ARP);
  put16(ARPHRD_ETHER);
  put16(ETH_P_IP);
  *at++ = 6;
  *at++ = 4;
  put16(ARPOP_REQUEST);
  put_mac(question.source_mac);
  at += 4;  // RFC 5227 2.1.1: from 0.0.0.0, so that no cache learns anything from it
  at += 6;
  question.address.store(at);
  at += 4;
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_protocol = htons(ETH_P_ARP);
  to.sll_ifindex = static_cast<int>(question.ifindex);
  const auto size = static_cast<size_t>(at - frame.data());
  const ssize_t sent = ::sendto(arp_.get(), frame.data(), size, MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return sent >= 0 ? 0 : errno;
}

int LinuxAddressProbe::ask_by_icmp(Ipv4 address) {
  std::array<uint8_t, kEchoBytes> echo{};
  echo[0] = ICMP_ECHO;
  store_be16(&echo[4], echo_id_);
  store_be16(&echo[6], ++echo_sequence_);
  store_be16(&echo[2], checksum_finish(checksum_add(echo)));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(address.value);
  const ssize_t sent = ::sendto(icmp_.get(), echo.data(), echo.size(), MSG_DONTWAIT,
                                reinterpret_cast<const sockaddr*>(&to), sizeof to);
  return sent >= 0 ? 0 : errno;
}

size_t LinuxAddressProbe::answers(std::span<AddressAnswer> out) {
  size_t count = 0;
  while (count < out.size() && next_arp(out[count])) ++count;
  while (count < out.size() && next_icmp(out[count])) ++count;
  return count;
}

// False: there is none. An error of a link (ENETDOWN) is told once and means nothing here.
bool LinuxAddressProbe::next_arp(AddressAnswer& out) {
  std::array<uint8_t, kEthernetHeaderBytes + kArpBytes> frame;
  sockaddr_ll from{};
  for (int i = 0; i < kDrainMax; ++i) {
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(arp_.get(), frame.data(), frame.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got < static_cast<ssize_t>(frame.size())) continue;
    const uint8_t* arp = &frame[kEthernetHeaderBytes];
    const bool ethernet = load_be16(arp) == ARPHRD_ETHER && load_be16(arp + 2) == ETH_P_IP &&
                          arp[4] == 6 && arp[5] == 4;
    if (!ethernet) continue;
    MacAddress mac;
    std::copy(arp + 8, arp + 14, mac.octets.begin());
    out = {Ipv4::load(&frame[kSenderIpOffset]), static_cast<uint32_t>(from.sll_ifindex), mac};
    return true;
  }
  return false;
}

bool LinuxAddressProbe::next_icmp(AddressAnswer& out) {
  std::array<uint8_t, 60 + kEchoBytes> packet;
  sockaddr_in from{};
  for (int i = 0; i < kDrainMax; ++i) {
    socklen_t size = sizeof from;
    const ssize_t got = ::recvfrom(icmp_.get(), packet.data(), packet.size(), MSG_DONTWAIT,
                                   reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (got < 0) continue;
    out = {Ipv4{ntohl(from.sin_addr.s_addr)}, 0, std::nullopt};
    return true;
  }
  return false;
}

}  // namespace hookline::io
