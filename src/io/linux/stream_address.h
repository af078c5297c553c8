// StreamAddress as the kernel has it.
#pragma once

#include <netinet/in.h>

#include "io/stream_port.h"

namespace hookline::io {

inline sockaddr_in socket_address(const StreamAddress& address) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(address.port);
  out.sin_addr.s_addr = htonl(address.address.value);
  return out;
}

inline StreamAddress stream_address(const sockaddr_in& address) {
  return {{ntohl(address.sin_addr.s_addr)}, ntohs(address.sin_port)};
}

}  // namespace hookline::io
