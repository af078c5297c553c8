// A reply of the server as it is injected: its NET_BUFFER_LIST, and the way that it was addressed
// to. The injection functions take it as it is, without looking whether it is sound, and without a
// copy: the bytes are the packet's own until the completion. Packet thread.
#pragma once

#include "inject/addressing.h"
#include "line/net_buffers.h"

namespace hookline::inject {

struct ReplyList {
  Indication indication;  // first: the list's address is the ReplyList's
  Outbound out;
  MutableBytes payload;  // kReplyHeadroom bytes in front of it are free for headers
  Ipv4 relay;            // giaddr

  static ReplyList& of(NET_BUFFER_LIST& list) { return reinterpret_cast<ReplyList&>(list); }
};

}  // namespace hookline::inject
