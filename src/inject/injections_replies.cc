// The server's replies on their way: packet thread.
#include <algorithm>
#include <cerrno>

#include "inject/injection_call.h"
#include "inject/injections.h"

namespace hookline::inject {
namespace {

size_t mac_header_bytes(const UdpHeaders& headers) {
  return kEthernetHeaderBytes + (headers.vlan != 0 ? kVlanTagBytes : 0);
}

}  // namespace

static_assert(offsetof(ReplyList, indication) == 0, "a list's address is its ReplyList's");
static_assert(kReplyHeadroom >= kUdpFrameHeaderBytesMax);

HANDLE Injections::open_for_replies(Driver& server) {
  CHECK(server_ == nullptr, "the server has one handle");
  HANDLE handle = nullptr;
  const NTSTATUS status = FwpsInjectionHandleCreate0(
      server, HOOKLINE_AF_UNSPEC, FWPS_INJECTION_TYPE_L2 | FWPS_INJECTION_TYPE_TRANSPORT, &handle);
  CHECK(status == STATUS_SUCCESS, "there are enough handles");
  server_ = &server;
  Lock lock(mutex_);
  server_place_ = static_cast<uint32_t>(find(handle) - handles_.data());
  return handle;
}

// Nothing of it can be wrong. The handle's counts are brought up to date by the next pump.
void Injections::inject_reply(const Call& call) {
  CHECK(!free_replies_.empty(), "who replies has asked for room before");
  Injection& injection = *free_replies_.back();
  free_replies_.pop_back();
  injection.reply = &ReplyList::of(*call.lists);
  injection.kind = call.kind;
  injection.driver = server_;
  injection.handle = server_place_;
  injection.list = call.lists;
  injection.completion = call.completion;
  injection.context = call.completion_context;
  injection.first = &injection;
  injection.parts_left = 1;
  injection.awaited = true;
  injection.list_status = STATUS_SUCCESS;
  injection.counted = injection.completed = injection.held = injection.shown = false;
  started_.push(injection);
  ++replies_[static_cast<size_t>(call.kind)];
}

void Injections::count_replies(Handle& handle) {
  for (size_t i = 0; i < kKindCount; ++i) {
    handle.pending += replies_[i];
    handle.counts.injected[i] += std::exchange(replies_[i], 0);
  }
}

// The way was found when it was addressed. What the kernel gets to send has no MAC header that
// anybody here knows; and its headers are written for callouts only.
void Injections::send_reply(Injection& injection, Now now) {
  ReplyList& reply = *injection.reply;
  const Outbound& out = reply.out;
  if (out.error != 0) return settle(injection, status_of(out.error));
  const size_t ip_bytes = kIpv4HeaderBytes + kUdpHeaderBytes + reply.payload.size();
  if (!out.by_socket && ip_bytes > out.mtu) return settle(injection, STATUS_INVALID_BUFFER_SIZE);
  TransmitQueue::Item item{injection.place,
                           out.ifindex,
                           {},
                           now.boot_ns + kInjectDeadlineNs,
                           reply.payload,
                           out.headers.source,
                           out.headers.destination,
                           out.headers.destination_port,
                           true,
                           0};
  const bool concerned = classifier_.concerns(Direction::Outbound, Depth::Datagram, Depth::Mac);
  if (!out.by_socket || concerned) {
    const Bytes frame = write_udp_headers(out.headers, reply.payload);
    if (!out.by_socket) item.frame = frame;
    if (concerned) {
      injection.shown = true;
      // The bytes are the packet's own.
      const MutableBytes shown(const_cast<uint8_t*>(frame.data()), frame.size());
      const Verdict verdict = classify_reply(reply, shown, now);
      if (verdict == Verdict::Block) return settle(injection, STATUS_ACCESS_DENIED);
      if (verdict == Verdict::Absorb) return settle(injection, STATUS_SUCCESS);
    }
  }
  ++transmitting_;
  queue_.push(item);
}

Verdict Injections::classify_reply(ReplyList& reply, MutableBytes frame, Now now) {
  const Outbound& out = reply.out;
  Traffic traffic = outbound_traffic(out.headers, out.ifindex, !out.by_socket, now.boot_ns);
  traffic.relay = reply.relay;
  Indication& indication = reply.indication;
  if (out.by_socket) {
    indication.describe(frame.subspan(mac_header_bytes(out.headers)));
    return classifier_.classify(traffic, &indication.list, Depth::Datagram, Depth::Network);
  }
  if (out.headers.destination != kBroadcast) {
    neighbours_.note(
        {out.headers.destination, out.ifindex, out.headers.vlan, out.headers.destination_mac});
  }
  indication.describe(frame);
  indication.tell_frame(out.ifindex, out.headers.vlan);
  return classifier_.classify(traffic, &indication.list, Depth::Datagram, Depth::Mac);
}

void Injections::abandon_held(Now now) {
  for (Injection* injection : held_) {
    if (injection->counted) continue;
    if (NT_SUCCESS(injection->fate)) injection->fate = STATUS_CANCELLED;
    injection->shown = false;  // whatever a clone had to tell
    injection->held = false;
    count_part(*injection);
  }
  std::erase_if(held_, [](const Injection* injection) { return !injection->held; });
  pump(now);
}

}  // namespace hookline::inject
