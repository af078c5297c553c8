// One call of an injection function, as the functions have it in common.
#pragma once

#include "inject/injections.h"

namespace hookline::inject {

// Where the data of a call begin.
enum class Shape : uint8_t {
  Ethernet,   // the whole frame
  Ip,         // the IP header
  Transport,  // the transport header; the IP header comes from elsewhere
};

struct Injections::Call {
  Kind kind;
  uint32_t type;  // FWPS_INJECTION_TYPE_… that the handle needs
  Shape shape;
  HANDLE injection_context;
  uint32_t flags;
  NET_BUFFER_LIST* lists;
  FWPS_INJECT_COMPLETE0 completion;
  HANDLE completion_context;
  uint32_t ifindex = 0;  // 0: not given
  // Transport send.
  Ipv4 remote{};
  Bytes ip_header{};  // of the caller's
  uint64_t endpoint = 0;

  bool is_mac() const { return shape == Shape::Ethernet; }
};

}  // namespace hookline::inject
