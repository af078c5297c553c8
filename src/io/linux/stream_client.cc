#include "io/linux/stream_client.h"

#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "io/linux/stream_address.h"
#include "io/linux/transfer.h"

namespace hookline::io {

namespace {

std::string text_of(const StreamAddress& address) {
  return fmt::format("{}:{}", address.address.text(), address.port);
}

// False: `timeout_ms` passed.
bool wait_for(int fd, short events, int timeout_ms) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, timeout_ms) > 0;
}

tl::unexpected<Error> not_connected(const StreamAddress& to, int error) {
  if (error == ECONNREFUSED) {
    return fail(ErrorKind::Missing, text_of(to) + ": nobody listens there");
  }
  return system_failure(text_of(to), error);
}

}  // namespace

Result<StreamClient> StreamClient::connect(const StreamAddress& to, Ipv4 from, int timeout_ms) {
  Fd descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor) return system_failure("opening a TCP socket");
  const int fd = descriptor.get();
  if (from) {
    const sockaddr_in own = socket_address({from, 0});
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
      return system_failure("using " + from.text());
    }
  }
  const sockaddr_in at = socket_address(to);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    if (errno != EINPROGRESS) return not_connected(to, errno);
    if (!wait_for(fd, POLLOUT, timeout_ms)) return not_connected(to, ETIMEDOUT);
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return not_connected(to, error);
  }
  return StreamClient(std::move(descriptor));
}

Transfer StreamClient::read(MutableBytes into, int timeout_ms) {
  if (!wait_for(descriptor_.get(), POLLIN, timeout_ms)) {
    return {Transfer::Outcome::WouldBlock, 0, 0};
  }
  return transfer_of(::recv(descriptor_.get(), into.data(), into.size(), 0));
}

Result<void> StreamClient::write(Bytes bytes, int timeout_ms) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(descriptor_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes = bytes.subspan(static_cast<size_t>(n));
    } else if (errno != EAGAIN && errno != EINTR) {
      return system_failure("sending the query");
    } else if (!wait_for(descriptor_.get(), POLLOUT, timeout_ms)) {
      return fail(ErrorKind::Io, "sending the query: the server takes nothing");
    }
  }
  return {};
}

Result<RelaySocket> RelaySocket::open(const StreamAddress& to, Ipv4 from) {
  Fd descriptor(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!descriptor) return system_failure("opening a UDP socket");
  const int fd = descriptor.get();
  sockaddr_in own = socket_address({from, 67});
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
    return system_failure("the relay's port, " + text_of({from, 67}));
  }
  const sockaddr_in at = socket_address(to);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    return not_connected(to, errno);
  }
  socklen_t size = sizeof own;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
    return system_failure("asking for the own address");
  }
  return RelaySocket(std::move(descriptor), {ntohl(own.sin_addr.s_addr)});
}

Result<void> RelaySocket::send(Bytes message) {
  if (::send(descriptor_.get(), message.data(), message.size(), 0) >= 0) return {};
  return system_failure("sending the query");
}

Result<size_t> RelaySocket::receive(MutableBytes into, int timeout_ms) {
  if (!wait_for(descriptor_.get(), POLLIN, timeout_ms)) return size_t{0};
  const ssize_t n = ::recv(descriptor_.get(), into.data(), into.size(), 0);
  if (n < 0) return system_failure("waiting for the answer");
  return static_cast<size_t>(n);
}

}  // namespace hookline::io
