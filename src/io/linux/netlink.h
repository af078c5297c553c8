// One rtnetlink socket: requests with their answers, or notifications. Around libmnl.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"

struct mnl_socket;

namespace hookline::io {

class NetlinkSocket {
 public:
  // REQUIRES: not to keep the message beyond the call.
  using OnMessage = std::function<void(const nlmsghdr&)>;

  enum class Drained { All, Lost };  // Lost: the kernel had more than the socket could hold

  // `groups` is a mask of RTMGRP_*; 0: for requests.
  static Result<NetlinkSocket> open(uint32_t groups);

  int fd() const;

  // Asks for all objects of `type` (RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH), starting over when
  // they change meanwhile: `restart` is called before each try.
  Result<void> dump(uint16_t type, const std::function<void()>& restart, const OnMessage& each);

  // Sends `request` (its sequence number is set here) and takes its one answer. Returns 0, the
  // errno value that the kernel answered, or that of the failing system call.
  int ask(nlmsghdr& request, const OnMessage& answer);

  // Takes in all notifications that are there, without waiting.
  Drained drain(const OnMessage& each);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const;
  };

  explicit NetlinkSocket(mnl_socket* socket);
  int send(nlmsghdr& request);
  // Reads one datagram into buffer_ and calls `each` for its messages. Returns its size, or minus
  // an errno value.
  int receive(const OnMessage& each);

  std::unique_ptr<mnl_socket, Close> socket_;
  std::vector<uint8_t> buffer_;
  uint32_t sequence_ = 0;
};

}  // namespace hookline::io
