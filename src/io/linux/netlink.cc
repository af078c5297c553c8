#include "io/linux/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "io/linux/fd.h"

namespace hookline::io {
namespace {

// libmnl asks for at least 8 KiB; the kernel fills dumps up to 32 KiB at a time.
constexpr size_t kBufferBytes = 32 * 1024;
constexpr int kNotificationBytes = 4 << 20;
// The kernel answers before the request's system call returns; this is for when it does not.
constexpr timeval kAnswerTimeout{2, 0};
constexpr int kDumpTriesMax = 8;

size_t header_bytes_of(uint16_t dump_type) {
  switch (dump_type) {
    case RTM_GETLINK:
      return sizeof(ifinfomsg);
    case RTM_GETADDR:
      return sizeof(ifaddrmsg);
    default:
      return sizeof(ndmsg);
  }
}

int error_of(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(nlmsgerr)) return EBADMSG;
  return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message))->error;
}

}  // namespace

void NetlinkSocket::Close::operator()(mnl_socket* socket) const { mnl_socket_close(socket); }

NetlinkSocket::NetlinkSocket(mnl_socket* socket) : socket_(socket), buffer_(kBufferBytes) {}

Result<NetlinkSocket> NetlinkSocket::open(uint32_t groups) {
  const int flags = groups == 0 ? SOCK_CLOEXEC : SOCK_CLOEXEC | SOCK_NONBLOCK;
  mnl_socket* const raw = mnl_socket_open2(NETLINK_ROUTE, flags);
  if (raw == nullptr) return system_failure("opening netlink");
  NetlinkSocket socket(raw);
  if (mnl_socket_bind(raw, groups, MNL_SOCKET_AUTOPID) != 0)
    return system_failure("binding netlink");
  const int fd = mnl_socket_get_fd(raw);
  if (groups == 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof kAnswerTimeout);
  } else if (::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kNotificationBytes, sizeof(int)) != 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kNotificationBytes, sizeof(int));
  }
  return socket;
}

int NetlinkSocket::fd() const { return mnl_socket_get_fd(socket_.get()); }

int NetlinkSocket::send(nlmsghdr& request) {
  request.nlmsg_seq = ++sequence_;
  return mnl_socket_sendto(socket_.get(), &request, request.nlmsg_len) < 0 ? errno : 0;
}

int NetlinkSocket::receive(const OnMessage& each) {
  ssize_t size;
  do {
    size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
  } while (size < 0 && errno == EINTR);
  if (size < 0) return -errno;
  int left = static_cast<int>(size);
  const nlmsghdr* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());
  for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) each(*message);
  return static_cast<int>(size);
}

Result<void> NetlinkSocket::dump(uint16_t type, const std::function<void()>& restart,
                                 const OnMessage& each) {
  for (int tries = 0; tries < kDumpTriesMax; ++tries) {
    restart();
    alignas(nlmsghdr) std::array<char, 256> storage{};
    nlmsghdr* const request = mnl_nlmsg_put_header(storage.data());
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    // Every one of these headers starts with the family.
    auto* const header =
        static_cast<uint8_t*>(mnl_nlmsg_put_extra_header(request, header_bytes_of(type)));
    *header = type == RTM_GETLINK ? AF_UNSPEC : AF_INET;
    if (const int error = send(*request); error != 0)
      return system_failure("asking netlink", error);
    bool done = false;
    bool interrupted = false;
    int error = 0;
    while (!done && error == 0) {
      const int n = receive([&](const nlmsghdr& message) {
        if (message.nlmsg_seq != sequence_ || done) return;
        interrupted = interrupted || (message.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (message.nlmsg_type == NLMSG_DONE) {
          done = true;
        } else if (message.nlmsg_type == NLMSG_ERROR) {
          error = error_of(message);
        } else {
          each(message);
        }
      });
      if (n < 0) error = -n;
    }
    if (error != 0) return system_failure("reading netlink", error);
    if (!interrupted) return {};
  }
  return fail(ErrorKind::Io, "reading netlink: it changes faster than it can be read");
}

int NetlinkSocket::ask(nlmsghdr& request, const OnMessage& answer) {
  if (const int error = send(request); error != 0) return error;
  bool answered = false;
  int error = 0;
  while (!answered) {
    const int n = receive([&](const nlmsghdr& message) {
      if (message.nlmsg_seq != sequence_) return;  // late, of an earlier request
      answered = true;
      if (message.nlmsg_type == NLMSG_ERROR) {
        error = error_of(message);
      } else {
        answer(message);
      }
    });
    if (n < 0) return -n;
  }
  return error;
}

NetlinkSocket::Drained NetlinkSocket::drain(const OnMessage& each) {
  Drained drained = Drained::All;
  while (true) {
    const int n = receive(each);
    if (n == -ENOBUFS) {
      drained = Drained::Lost;
    } else if (n < 0) {
      return drained;
    }
  }
}

}  // namespace hookline::io
