#include "io/linux/local_socket.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "base/check.h"
#include "io/linux/transfer.h"

namespace hookline::io {

namespace {

constexpr int kBacklog = 64;

std::string reason(int error) { return std::generic_category().message(error); }

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(ErrorKind::Invalid, fmt::format("{}: a socket's path has 1 to {} bytes", path,
                                                sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<Fd> local_socket(int flags) {
  Fd descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!descriptor) return fail(ErrorKind::Io, fmt::format("local socket: {}", reason(errno)));
  return descriptor;
}

// The directory that it made, or an empty text.
std::string make_parent_directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = path.substr(0, slash);
  // What is wrong with it, bind() says.
  return mkdir(directory.c_str(), 0755) == 0 ? directory : std::string();
}

// Nothing: the path is free now.
Result<void> clear_path(const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return fail(ErrorKind::Io, fmt::format("{}: {}", path, reason(errno)));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorKind::Invalid, fmt::format("{}: is there already and is not a socket", path));
  }
  const auto answer = LocalConnection::connect(path);
  if (answer || answer.error().kind == ErrorKind::Busy) {
    return fail(ErrorKind::Busy, fmt::format("{}: another server answers on it", path));
  }
  if (answer.error().kind != ErrorKind::Missing) return tl::unexpected(answer.error());
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail(ErrorKind::Io, fmt::format("{}: left by a dead server, and cannot be removed: {}",
                                           path, reason(errno)));
  }
  return {};
}

}  // namespace

Result<LocalConnection> LocalConnection::connect(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected(address.error());
  auto descriptor = local_socket(SOCK_NONBLOCK);
  if (!descriptor) return tl::unexpected(descriptor.error());
  const auto* target = reinterpret_cast<const sockaddr*>(&*address);
  if (::connect(descriptor->get(), target, sizeof *address) == 0) {
    return LocalConnection(std::move(*descriptor));
  }
  const int error = errno;
  ErrorKind kind = ErrorKind::Io;
  if (error == ENOENT || error == ECONNREFUSED || error == ENOTDIR) kind = ErrorKind::Missing;
  if (error == EAGAIN) kind = ErrorKind::Busy;  // its backlog is full
  return fail(kind, fmt::format("{}: {}", path, reason(error)));
}

Transfer LocalConnection::read(MutableBytes into) {
  return transfer_of(recv(fd(), into.data(), into.size(), MSG_DONTWAIT));
}

Transfer LocalConnection::write(Bytes bytes) {
  return transfer_of(send(fd(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

void LocalConnection::finish_writing() { (void)shutdown(fd(), SHUT_WR); }

LocalConnection::Peer LocalConnection::peer() const {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return {};
  return {credentials.pid, credentials.uid};
}

Result<LocalListener> LocalListener::open(const std::string& path, unsigned mode) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected(address.error());
  std::string made_directory = make_parent_directory(path);
  if (auto cleared = clear_path(path); !cleared) return tl::unexpected(cleared.error());
  auto descriptor = local_socket(SOCK_NONBLOCK);
  if (!descriptor) return tl::unexpected(descriptor.error());
  // The mode of the socket becomes the path's, less the umask: nobody gets in before chmod().
  (void)fchmod(descriptor->get(), mode);
  const auto* target = reinterpret_cast<const sockaddr*>(&*address);
  struct stat status {};
  if (bind(descriptor->get(), target, sizeof *address) != 0 || chmod(path.c_str(), mode) != 0 ||
      lstat(path.c_str(), &status) != 0 || listen(descriptor->get(), kBacklog) != 0) {
    return fail(errno == EADDRINUSE ? ErrorKind::Busy : ErrorKind::Io,
                fmt::format("{}: {}", path, reason(errno)));
  }
  LocalListener listener(std::move(*descriptor), path, status.st_dev, status.st_ino);
  listener.made_directory_ = std::move(made_directory);
  return listener;
}

LocalListener::~LocalListener() {
  if (!descriptor_) return;
  struct stat status {};
  if (lstat(path_.c_str(), &status) != 0) return;
  if (status.st_dev == device_ && status.st_ino == inode_) unlink(path_.c_str());
}

Result<void> LocalListener::give_to(uint32_t uid, uint32_t gid) {
  if (lchown(path_.c_str(), uid, gid) != 0) return system_failure(path_);
  if (!made_directory_.empty() && lchown(made_directory_.c_str(), uid, gid) != 0) {
    return system_failure(made_directory_);
  }
  return {};
}

std::optional<LocalConnection> LocalListener::accept() {
  Fd descriptor(accept4(fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!descriptor) return std::nullopt;
  return LocalConnection(std::move(descriptor));
}

WakeEvent::WakeEvent() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  CHECK(descriptor_, "a process has room for one more descriptor at its start");
}

void WakeEvent::wake() {
  const uint64_t one = 1;
  // A full counter wakes as well.
  [[maybe_unused]] const ssize_t written = ::write(fd(), &one, sizeof one);
}

void WakeEvent::clear() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd(), &count, sizeof count);
}

void wait(std::span<Watch> watches, int timeout_ms) {
  std::vector<pollfd> entries(watches.size());
  for (size_t i = 0; i < watches.size(); ++i) {
    entries[i].fd = watches[i].fd;
    entries[i].events =
        static_cast<short>((watches[i].read ? POLLIN : 0) | (watches[i].write ? POLLOUT : 0));
  }
  const int ready = poll(entries.data(), entries.size(), timeout_ms);
  for (size_t i = 0; i < watches.size(); ++i) {
    const short events = ready > 0 ? entries[i].revents : short{0};
    watches[i].readable = (events & POLLIN) != 0;
    watches[i].writable = (events & POLLOUT) != 0;
    watches[i].hung_up = (events & (POLLHUP | POLLERR | POLLNVAL)) != 0;
  }
}

}  // namespace hookline::io
