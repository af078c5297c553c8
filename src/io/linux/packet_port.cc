#include "io/linux/packet_port.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/inet_frame.h"
#include "io/linux/socket_options.h"

namespace hookline::io {
namespace {

constexpr size_t kBatch = kTurnPacketsMax;
constexpr int kNotTried = -1;
// Up to here, asking every socket costs less than asking epoll which one has something.
constexpr size_t kFewInterfaces = 4;
// Opened while there are privileges to give them their large buffers, for interfaces that appear
// after those were dropped.
constexpr size_t kSpareSockets = 4;

// "ip and udp and dst port 67 and not a later fragment", of frames that are meant for this machine:
// what a bridge or a promiscuous interface lets us overhear is another server's. The kernel has
// already taken an outer VLAN tag off. Offsets are from the Ethernet header.
constexpr std::array<sock_filter, 13> kServerFilter = {{
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},            // EtherType
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 10, ETH_P_IP},    //
    {BPF_LD | BPF_B | BPF_ABS, 0, 0, 23},            // protocol
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 8, IPPROTO_UDP},  //
    {BPF_LD | BPF_H | BPF_ABS, 0, 0, 20},            // fragment offset
    {BPF_JMP | BPF_JSET | BPF_K, 6, 0, 0x1FFF},      //
    {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 14},           // X = size of the IP header
    {BPF_LD | BPF_H | BPF_IND, 0, 0, 16},            // UDP destination port
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, kServerPort},  //
    {BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)},
    {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, PACKET_OTHERHOST},
    {BPF_RET | BPF_K, 0, 0, 0x40000},  // the whole frame
    {BPF_RET | BPF_K, 0, 0, 0},
}};

// As much as was asked for, or as much as the system's limit gives an unprivileged process.
void set_buffer(int fd, int forced, int limited, uint32_t bytes) {
  const int value = static_cast<int>(bytes);
  if (set_option(fd, SOL_SOCKET, forced, value) != 0) set_option(fd, SOL_SOCKET, limited, value);
}

Result<Fd> open_udp() {
  Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return system_failure("opening a UDP socket");
  const int on = 1;
  // The filter comes before the port, so that nothing is ever queued.
  if (set_filter(fd.get(), kNothingFilter) != 0 ||
      set_option(fd.get(), SOL_SOCKET, SO_BROADCAST, on) != 0) {
    return system_failure("setting up the UDP socket");
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(kServerPort);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EADDRINUSE) {
      return fail(ErrorKind::Busy,
                  "UDP port 67 is in use: another DHCP server or relay runs on this machine");
    }
    return system_failure("binding UDP port 67");
  }
  return fd;
}

// What an event's data says: one of these, or the Attachment.
constexpr uint64_t kWakeToken = 0;
constexpr uint64_t kWatchedToken = 1;

// Both with everything set but their interface. Protocol 0: deaf until bound to one.
Result<PacketSockets> open_packet_sockets(const PacketPortOptions& options) {
  PacketSockets sockets{Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
                        Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  if (!sockets.receiving || !sockets.sending) return system_failure("opening a packet socket");
  const int on = 1;
  if (set_filter(sockets.receiving.get(), kServerFilter) != 0 ||
      set_option(sockets.receiving.get(), SOL_PACKET, PACKET_AUXDATA, on) != 0 ||
      set_option(sockets.receiving.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, on) != 0) {
    return system_failure("setting up a packet socket");
  }
  set_buffer(sockets.receiving.get(), SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  set_buffer(sockets.sending.get(), SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  return sockets;
}

int bind_packet_socket(int fd, uint16_t protocol, uint32_t ifindex) {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = static_cast<int>(ifindex);
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// Makes it deaf again and throws away what it holds.
bool silence(int fd) {
  if (bind_packet_socket(fd, 0, 0) != 0) return false;
  char byte;
  while (::recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
  }
  return true;
}

int add_to_epoll(int epoll, int fd, uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// A full socket buffer and a full queue are the same to the sender.
int errno_of_send() { return errno == EAGAIN || errno == ENOMEM ? ENOBUFS : errno; }

}  // namespace

struct LinuxPacketPort::Attachment {
  uint32_t ifindex;
  PacketSockets sockets;
  uint64_t drops = 0;
  bool ready = false;  // during receive(): there may be more

  // Reading the kernel's counter clears it.
  uint64_t read_drops() {
    tpacket_stats stats{};
    socklen_t size = sizeof stats;
    if (::getsockopt(sockets.receiving.get(), SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0) {
      drops += stats.tp_drops;
    }
    return drops;
  }
};

// Everything that the system calls need, set up once.
struct LinuxPacketPort::Buffers {
  union Control {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> bytes;
  };

  std::array<mmsghdr, kBatch> receive_headers{};
  std::array<iovec, kBatch> receive_parts{};
  std::array<Control, kBatch> controls{};
  std::array<mmsghdr, kBatch> send_headers{};
  std::array<iovec, kBatch> send_parts{};
  std::array<TxFrame*, kBatch> group{};
  std::array<epoll_event, kInterfacesMax + 16> events{};

  Buffers() {
    for (size_t i = 0; i < kBatch; ++i) {
      msghdr& receive = receive_headers[i].msg_hdr;
      receive.msg_iov = &receive_parts[i];
      receive.msg_iovlen = 1;
      receive.msg_control = &controls[i];
      msghdr& send = send_headers[i].msg_hdr;
      send.msg_iov = &send_parts[i];
      send.msg_iovlen = 1;
    }
  }
};

Result<std::unique_ptr<LinuxPacketPort>> LinuxPacketPort::open(const PacketPortOptions& options) {
  auto udp = open_udp();
  if (!udp) return tl::unexpected(udp.error());
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_failure("opening epoll");
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake || add_to_epoll(epoll.get(), wake.get(), kWakeToken) != 0) {
    return system_failure("opening eventfd");
  }
  std::unique_ptr<LinuxPacketPort> port(
      new LinuxPacketPort(options, std::move(*udp), std::move(epoll), std::move(wake)));
  while (port->spares_.size() < kSpareSockets) {
    auto spare = open_packet_sockets(options);
    if (!spare) return tl::unexpected(spare.error());
    port->spares_.push_back(std::move(*spare));
  }
  return port;
}

LinuxPacketPort::LinuxPacketPort(const PacketPortOptions& options, Fd udp, Fd epoll, Fd wake)
    : options_(options),
      udp_(std::move(udp)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      buffers_(std::make_unique<Buffers>()) {
  attachments_.reserve(kInterfacesMax);
}

LinuxPacketPort::~LinuxPacketPort() = default;

void LinuxPacketPort::serve(const LinkTable& table, std::vector<std::string>* failures) {
  std::erase_if(attachments_, [&](const std::unique_ptr<Attachment>& attachment) {
    if (table.find(attachment->ifindex) != nullptr) return false;
    detach(*attachment);
    return true;
  });
  for (const Link& link : table.links) {
    if (find(link.ifindex) != nullptr) continue;
    if (auto attached = attach(link); !attached && failures != nullptr) {
      failures->push_back(attached.error().text);
    }
  }
}

Result<void> LinuxPacketPort::attach(const Link& link) {
  if (attachments_.size() == kInterfacesMax) {
    return fail(ErrorKind::NoSpace, fmt::format("{}: {} interfaces are served, no more is possible",
                                                link.name, kInterfacesMax));
  }
  PacketSockets sockets;
  if (!spares_.empty()) {
    sockets = std::move(spares_.back());
    spares_.pop_back();
  } else if (auto opened = open_packet_sockets(options_); opened) {
    sockets = std::move(*opened);
  } else {
    return fail(opened.error().kind, link.name + ": " + opened.error().text);
  }
  // Not ETH_P_IP: the kernel would hide the VLAN tags.
  if (bind_packet_socket(sockets.receiving.get(), ETH_P_ALL, link.ifindex) != 0 ||
      bind_packet_socket(sockets.sending.get(), 0, link.ifindex) != 0) {
    return system_failure(link.name + ": binding the packet sockets");
  }
  auto attachment = std::make_unique<Attachment>(Attachment{link.ifindex, std::move(sockets)});
  if (add_to_epoll(epoll_.get(), attachment->sockets.receiving.get(),
                   reinterpret_cast<uintptr_t>(attachment.get())) != 0) {
    return system_failure(link.name + ": watching the packet socket");
  }
  attachments_.push_back(std::move(attachment));
  return {};
}

void LinuxPacketPort::detach(Attachment& attachment) {
  drops_of_detached_ += attachment.read_drops();
  PacketSockets& sockets = attachment.sockets;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, sockets.receiving.get(), nullptr);
  if (spares_.size() < kSpareSockets && silence(sockets.receiving.get()) &&
      silence(sockets.sending.get())) {
    spares_.push_back(std::move(sockets));
  }
}

LinuxPacketPort::Attachment* LinuxPacketPort::find(uint32_t ifindex) {
  for (const auto& attachment : attachments_) {
    if (attachment->ifindex == ifindex) return attachment.get();
  }
  return nullptr;
}

Result<void> LinuxPacketPort::watch(int fd) {
  if (add_to_epoll(epoll_.get(), fd, kWatchedToken) != 0)
    return system_failure("watching a descriptor");
  return {};
}

// Every interface gets an equal share; what one leaves goes to the others. Who is first rotates.
size_t LinuxPacketPort::receive(std::span<RxFrame> frames) {
  const size_t count = attachments_.size();
  if (count == 0 || frames.empty()) return 0;
  if (count == 1) return receive_from(*attachments_[0], frames);
  size_t ready = mark_ready();
  first_ = (first_ + 1) % count;
  size_t received = 0;
  while (ready != 0 && received < frames.size()) {
    const size_t share = std::max<size_t>((frames.size() - received) / ready, 1);
    for (size_t i = 0; i < count && received < frames.size(); ++i) {
      Attachment& from = *attachments_[(first_ + i) % count];
      if (!from.ready) continue;
      const size_t room = std::min(share, frames.size() - received);
      const size_t n = receive_from(from, frames.subspan(received, room));
      received += n;
      from.ready = n == room;
      if (!from.ready) --ready;
    }
  }
  return received;
}

size_t LinuxPacketPort::mark_ready() {
  const bool few = attachments_.size() <= kFewInterfaces;
  for (const auto& attachment : attachments_) attachment->ready = few;
  if (few) return attachments_.size();
  auto& events = buffers_->events;
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  size_t ready = 0;
  for (int i = 0; i < n; ++i) {
    const uint64_t token = events[static_cast<size_t>(i)].data.u64;
    if (token == kWakeToken || token == kWatchedToken) continue;
    reinterpret_cast<Attachment*>(token)->ready = true;
    ++ready;
  }
  return ready;
}

size_t LinuxPacketPort::receive_from(Attachment& from, std::span<RxFrame> frames) {
  Buffers& b = *buffers_;
  const size_t count = std::min(frames.size(), kBatch);
  for (size_t i = 0; i < count; ++i) {
    b.receive_parts[i] = {frames[i].buffer.data(), frames[i].buffer.size()};
    b.receive_headers[i].msg_hdr.msg_controllen = sizeof(Buffers::Control);
  }
  // MSG_TRUNC: msg_len is the size that the frame had, however large.
  const int n = ::recvmmsg(from.sockets.receiving.get(), b.receive_headers.data(),
                           static_cast<unsigned>(count), MSG_DONTWAIT | MSG_TRUNC, nullptr);
  // An error here is the interface's (ENETDOWN): it is delivered once, and the link monitor tells.
  if (n <= 0) return 0;
  const size_t received = static_cast<size_t>(n);
  for (size_t i = 0; i < received; ++i) {
    RxFrame& frame = frames[i];
    frame.wire_size = b.receive_headers[i].msg_len;
    frame.size = std::min(frame.wire_size, static_cast<uint32_t>(frame.buffer.size()));
    frame.ifindex = from.ifindex;
    frame.vlan = 0;
    frame.checksum_partial = false;
    const cmsghdr* control = CMSG_FIRSTHDR(&b.receive_headers[i].msg_hdr);
    if (control == nullptr || control->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(control), sizeof aux);
    frame.checksum_partial = (aux.tp_status & TP_STATUS_CSUMNOTREADY) != 0;
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) != 0) frame.vlan = aux.tp_vlan_tci & kVlanIdMask;
  }
  return received;
}

void LinuxPacketPort::send(std::span<TxFrame> frames) {
  for (TxFrame& frame : frames) frame.error = kNotTried;
  for (size_t first = 0; first < frames.size(); ++first) {
    if (frames[first].error != kNotTried) continue;
    const uint32_t ifindex = frames[first].ifindex;
    const Attachment* attachment = find(ifindex);
    bool full = false;
    size_t count = 0;
    const auto send_gathered = [&] {
      if (count == 0) return;
      send_group(attachment->sockets.sending.get(), count);
      full = buffers_->group[count - 1]->error == ENOBUFS;
      count = 0;
    };
    for (TxFrame& frame : frames.subspan(first)) {
      if (frame.ifindex != ifindex) continue;
      if (attachment == nullptr || full) {
        frame.error = full ? ENOBUFS : ENXIO;
        continue;
      }
      buffers_->group[count++] = &frame;
      if (count == kBatch) send_gathered();
    }
    send_gathered();
  }
}

void LinuxPacketPort::send_group(int fd, size_t count) {
  Buffers& b = *buffers_;
  for (size_t i = 0; i < count; ++i) {
    const Bytes frame = b.group[i]->frame;
    b.send_parts[i] = {const_cast<uint8_t*>(frame.data()), frame.size()};
  }
  size_t at = 0;
  while (at < count) {
    const int n =
        ::sendmmsg(fd, &b.send_headers[at], static_cast<unsigned>(count - at), MSG_DONTWAIT);
    for (int i = 0; i < n; ++i) b.group[at++]->error = 0;
    if (at == count) return;
    // sendmmsg may lose the errno of the frame that it stopped at, or report an error of the past
    // that the socket still had: that frame alone tells its own.
    TxFrame& failing = *b.group[at++];
    const ssize_t sent = ::send(fd, failing.frame.data(), failing.frame.size(), MSG_DONTWAIT);
    failing.error = sent >= 0 ? 0 : errno_of_send();
    if (failing.error == ENOBUFS) break;
  }
  while (at < count) b.group[at++]->error = ENOBUFS;
}

int LinuxPacketPort::send_udp(Ipv4 from, Ipv4 to, uint16_t to_port, uint32_t ifindex,
                              Bytes payload) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to_port);
  address.sin_addr.s_addr = htonl(to.value);
  union {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
  } control{};
  iovec part{const_cast<uint8_t*>(payload.data()), payload.size()};
  msghdr message{};
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  control.header.cmsg_level = IPPROTO_IP;
  control.header.cmsg_type = IP_PKTINFO;
  control.header.cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  in_pktinfo info{};
  info.ipi_ifindex = static_cast<int>(ifindex);
  info.ipi_spec_dst.s_addr = htonl(from.value);
  std::memcpy(CMSG_DATA(&control.header), &info, sizeof info);
  return ::sendmsg(udp_.get(), &message, MSG_DONTWAIT) >= 0 ? 0 : errno_of_send();
}

uint64_t LinuxPacketPort::kernel_drops() const {
  uint64_t drops = drops_of_detached_;
  for (const auto& attachment : attachments_) drops += attachment->read_drops();
  return drops;
}

void LinuxPacketPort::wait(int64_t timeout_ns) {
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(timeout_ns / 1'000'000'000);
  timeout.tv_nsec = static_cast<long>(timeout_ns % 1'000'000'000);
  auto& events = buffers_->events;
  const int n = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                               &timeout, nullptr);
  for (int i = 0; i < n; ++i) {
    if (events[static_cast<size_t>(i)].data.u64 != kWakeToken) continue;
    uint64_t count;
    [[maybe_unused]] const ssize_t drained = ::read(wake_.get(), &count, sizeof count);
  }
}

void LinuxPacketPort::wake() {
  const uint64_t one = 1;
  // It fails only when the counter is full, and then the wake-up is certain anyway.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

}  // namespace hookline::io
