#include "inject/injector.h"

#include <algorithm>

#include "inject/addressing.h"
#include "inject/status.h"

namespace hookline::inject {

Injector::Injector(Injections& injections, io::LinkMonitor& links, Counters& counters, Logger& log)
    : injections_(injections),
      links_(links),
      counters_(counters),
      log_(log),
      handle_(injections.open_for_replies(*this)),
      replies_(kInjectionsMax) {
  free_.reserve(kInjectionsMax);
  done_.reserve(kInjectionsMax);
  for (Reply& reply : replies_) reply.injector = this;
  // Last in, first out: the same few places stay warm in the cache.
  for (size_t i = kInjectionsMax; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
}

Injector::~Injector() { CHECK(in_flight() == 0, "every injection completes"); }

void Injector::submit(Batch<Datagram> batch, Now now) {
  CHECK(batch.size() <= room(), "the caller asked room() before");
  for (Datagram& datagram : batch) inject(std::move(datagram));
  injections_.pump(now);
}

void Injector::inject(Datagram datagram) {
  Reply& reply = replies_[free_.back()];
  free_.pop_back();
  reply.datagram.emplace(std::move(datagram));
  Packet& packet = reply.datagram->packet();
  reply.list.out = address_reply(packet, links_);
  reply.list.payload = {packet.reply_data(), packet.reply_size};
  reply.list.relay = packet.message.giaddr;
  const bool routed = packet.destination.reach == Reach::Routed;
  const NTSTATUS status = routed ? transport_send(reply) : mac_send(reply);
  CHECK(status == STATUS_SUCCESS, "the server's own lists are accepted");
}

NTSTATUS Injector::mac_send(Reply& reply) {
  NET_BUFFER_LIST& list = reply.list.indication.list;
  return injections_.FwpsInjectMacSendAsync0(
      *this, handle_, nullptr, 0, FWPS_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, reply.list.out.ifindex,
      NDIS_DEFAULT_PORT_NUMBER, &list, &Injector::injected, &reply);
}

NTSTATUS Injector::transport_send(Reply& reply) {
  NET_BUFFER_LIST& list = reply.list.indication.list;
  const UdpHeaders& headers = reply.list.out.headers;
  std::array<UCHAR, 4> remote;
  headers.destination.store(remote.data());
  FWPS_TRANSPORT_SEND_PARAMS1 args{};
  args.remoteAddress = remote.data();
  const UINT64 endpoint = uint64_t{headers.source.value} << 32 | reply.list.out.ifindex;
  return injections_.FwpsInjectTransportSendAsync1(*this, handle_, nullptr, endpoint, 0, &args,
                                                   HOOKLINE_AF_INET, DEFAULT_COMPARTMENT_ID, &list,
                                                   &Injector::injected, &reply);
}

void NTAPI Injector::injected(void* context, NET_BUFFER_LIST* list, BOOLEAN) {
  Reply& reply = *static_cast<Reply*>(context);
  reply.injector->end(reply, error_of(list->Status));
}

void Injector::end(Reply& reply, int error) {
  if (error == 0) {
    counters_.sent[static_cast<size_t>(reply.datagram->packet().reply_type)].add();
  } else {
    counters_.send_failures.add();
  }
  done_.push_back({static_cast<uint32_t>(&reply - replies_.data()), error});
}

Batch<Completion> Injector::completions(Now now) {
  injections_.pump(now);
  Batch<Completion> batch;
  const size_t count = std::min(done_.size(), kTurnPacketsMax);
  for (size_t i = 0; i < count; ++i) {
    std::optional<Datagram>& reply = replies_[done_[i].place].datagram;
    batch.push(Completion({}, std::move(*reply), done_[i].error));
    reply.reset();
    free_.push_back(done_[i].place);
  }
  done_.erase(done_.begin(), done_.begin() + static_cast<ptrdiff_t>(count));
  return batch;
}

// The injections find nothing wrong with what the server does, or the server is wrong.
void Injector::breach(std::string_view function, std::string_view text) {
  log_.error("the server broke a rule of injection", {{"function", function}, {"what", text}});
}

}  // namespace hookline::inject
