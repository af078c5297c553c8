#include "io/linux/stream_port.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "io/linux/stream_address.h"
#include "io/linux/transfer.h"

namespace hookline::io {

namespace {

constexpr int kStreamBacklog = 128;
// A turn's answers find room: the kernel takes them while the peer still reads those before.
constexpr int kSendBufferBytes = 1 << 20;
constexpr uint64_t kListenerToken = kStreamListener;

StreamAddress name_of(int fd, decltype(&::getsockname) get) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (get(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return stream_address(address);
}

void set(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

}  // namespace

Result<std::unique_ptr<LinuxStreamPort>> LinuxStreamPort::open(size_t connections_max) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_failure("opening epoll");
  return std::unique_ptr<LinuxStreamPort>(
      new LinuxStreamPort(connections_max + 1, std::move(epoll)));
}

LinuxStreamPort::LinuxStreamPort(size_t connections_max, Fd epoll)
    : epoll_(std::move(epoll)), connections_(connections_max) {
  for (size_t i = connections_max; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
}

LinuxStreamPort::~LinuxStreamPort() = default;

Result<LinuxStreamPort::Listener> LinuxStreamPort::open_listener(const StreamAddress& address) {
  const std::string name = fmt::format("{}:{}", address.address.text(), address.port);
  Fd descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor) return system_failure("opening a TCP socket");
  set(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  const sockaddr_in at = socket_address(address);
  if (::bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    if (errno == EACCES) {
      return fail(ErrorKind::Io, "listening at " + name +
                                     ": not permitted any more; a restart opens ports below 1024");
    }
    return system_failure("listening at " + name);
  }
  if (::listen(descriptor.get(), kStreamBacklog) != 0)
    return system_failure("listening at " + name);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = kListenerToken;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor.get(), &event) != 0) {
    return system_failure("watching a TCP socket");
  }
  return Listener{address, std::move(descriptor)};
}

Result<void> LinuxStreamPort::listen(std::span<const StreamAddress> addresses) {
  const auto has = [](const auto& all, const StreamAddress& one, auto which) {
    return std::ranges::find(all, one, which) != all.end();
  };
  std::vector<Listener> fresh;
  for (const StreamAddress& address : addresses) {
    if (has(listeners_, address, &Listener::asked)) continue;
    auto listener = open_listener(address);
    if (!listener) return tl::unexpected(listener.error());
    fresh.push_back(std::move(*listener));
  }
  std::erase_if(listeners_,
                [&](const Listener& l) { return !has(addresses, l.asked, std::identity{}); });
  for (Listener& listener : fresh) listeners_.push_back(std::move(listener));
  next_listener_ = 0;
  return {};
}

std::vector<StreamAddress> LinuxStreamPort::listening() const {
  std::vector<StreamAddress> out;
  for (const Listener& l : listeners_) {
    out.push_back(name_of(l.descriptor.get(), ::getsockname));
  }
  return out;
}

std::optional<StreamPeer> LinuxStreamPort::accept() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    const Listener& listener = listeners_[next_listener_];
    next_listener_ = (next_listener_ + 1) % listeners_.size();
    Fd descriptor(
        ::accept4(listener.descriptor.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!descriptor) continue;
    if (auto peer = take(std::move(descriptor))) return peer;
  }
  return std::nullopt;
}

std::optional<StreamPeer> LinuxStreamPort::take(Fd descriptor) {
  CHECK(!free_.empty(), "a connection too many is closed before another is accepted");
  const uint32_t number = free_.back();
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = number;
  const int fd = descriptor.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return std::nullopt;
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_SNDBUF, kSendBufferBytes);
  free_.pop_back();
  connections_[number] = {std::move(descriptor), EPOLLIN};
  return StreamPeer{number, name_of(fd, ::getsockname), name_of(fd, ::getpeername)};
}

size_t LinuxStreamPort::ready(std::span<StreamReady> out) {
  std::array<epoll_event, 64> events;
  const size_t most = std::min(out.size(), events.size());
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(most), 0);
  size_t count = 0;
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    out[count++] = {static_cast<uint32_t>(event.data.u64), (event.events & EPOLLIN) != 0,
                    (event.events & EPOLLOUT) != 0, (event.events & (EPOLLHUP | EPOLLERR)) != 0};
  }
  return count;
}

void LinuxStreamPort::watch(uint32_t number, bool reading, bool writing) {
  Connection& connection = connections_[number];
  const uint32_t events = (reading ? EPOLLIN : 0u) | (writing ? EPOLLOUT : 0u);
  if (events == connection.events) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = number;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.descriptor.get(), &event) == 0) {
    connection.events = events;
  }
}

Transfer LinuxStreamPort::read(uint32_t number, MutableBytes into) {
  return transfer_of(::recv(connections_[number].descriptor.get(), into.data(), into.size(), 0));
}

Transfer LinuxStreamPort::write(uint32_t number, Bytes bytes) {
  return transfer_of(
      ::send(connections_[number].descriptor.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

void LinuxStreamPort::finish_writing(uint32_t number) {
  (void)::shutdown(connections_[number].descriptor.get(), SHUT_WR);
}

void LinuxStreamPort::close(uint32_t number) {
  connections_[number] = {};
  free_.push_back(number);
}

void LinuxStreamPort::reset(uint32_t number) {
  const linger at_once{1, 0};
  ::setsockopt(connections_[number].descriptor.get(), SOL_SOCKET, SO_LINGER, &at_once,
               sizeof at_once);
  close(number);
}

}  // namespace hookline::io
