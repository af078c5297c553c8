// Options of sockets. 0, or -1 with errno, as setsockopt() says.
#pragma once

#include <linux/filter.h>
#include <sys/socket.h>

#include <array>

namespace hookline::io {

template <class T>
int set_option(int fd, int level, int name, const T& value) {
  return ::setsockopt(fd, level, name, &value, sizeof value);
}

// From now on; what has been received before stays.
template <size_t N>
int set_filter(int fd, const std::array<sock_filter, N>& filter) {
  const sock_fprog program{N, const_cast<sock_filter*>(filter.data())};
  return set_option(fd, SOL_SOCKET, SO_ATTACH_FILTER, program);
}

// Passes nothing.
inline constexpr std::array<sock_filter, 1> kNothingFilter = {{{BPF_RET | BPF_K, 0, 0, 0}}};

}  // namespace hookline::io
