#include "inject/injector.h"

#include <algorithm>
#include <cerrno>

#include "inject/addressing.h"
#include "inject/status.h"

namespace hookline::inject {
namespace {

static_assert(kReplyHeadroom >= kUdpFrameHeaderBytesMax);

size_t mac_header_bytes(const UdpHeaders& headers) {
  return kEthernetHeaderBytes + (headers.vlan != 0 ? kVlanTagBytes : 0);
}

}  // namespace

Injector::Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters)
    : Injector(port, links, counters, nullptr) {}

Injector::Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters,
                   Classifier& classifier)
    : Injector(port, links, counters, &classifier) {}

Injector::Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters,
                   Classifier* classifier)
    : links_(links),
      counters_(counters),
      classifier_(classifier),
      queue_(port, kInjectionsMax + kDriverInjectionsMax),
      replies_(kInjectionsMax),
      indications_(classifier != nullptr ? kInjectionsMax : 0) {
  free_.reserve(kInjectionsMax);
  held_.reserve(kInjectionsMax);
  done_.reserve(kInjectionsMax);
  // Last in, first out: the same few places stay warm in the cache.
  for (size_t i = kInjectionsMax; i > 0; --i) free_.push_back(static_cast<uint32_t>(i - 1));
}

Injector::~Injector() { CHECK(in_flight() == 0, "every injection completes"); }

void Injector::submit(Batch<Datagram> batch, Now now) {
  CHECK(batch.size() <= room(), "the caller asked room() before");
  for (Datagram& datagram : batch) enqueue(std::move(datagram), now);
  queue_.flush(now);
}

Batch<Completion> Injector::completions(Now now) {
  queue_.flush(now);
  if (!held_.empty()) release_held();
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

void Injector::abandon(int error) {
  queue_.abandon(*this, error);
  release_held();
}

void Injector::abandon_held(int error) {
  for (const Done& held : held_) end(held.place, held.error != 0 ? held.error : error);
  held_.clear();
}

void Injector::enqueue(Datagram datagram, Now now) {
  const Packet& packet = datagram.packet();
  Outbound out = address_reply(packet, links_);
  const size_t ip_bytes = kIpv4HeaderBytes + kUdpHeaderBytes + packet.reply_size;
  if (out.error == 0 && !out.by_socket && ip_bytes > out.mtu) out.error = EMSGSIZE;
  const uint32_t place = free_.back();
  free_.pop_back();
  replies_[place].datagram.emplace(std::move(datagram));
  replies_[place].shown = false;
  if (out.error != 0) {
    end(place, out.error);
    return;
  }
  Packet& mine = replies_[place].datagram->packet();
  const MutableBytes payload(mine.reply_data(), mine.reply_size);
  TransmitQueue::Item item{this,
                           place,
                           out.ifindex,
                           {},
                           now.boot_ns + kInjectDeadlineNs,
                           payload,
                           out.headers.source,
                           mine.destination.address,
                           mine.destination.port,
                           true,
                           0};
  const bool concerned = classifier_ != nullptr &&
                         classifier_->concerns(Direction::Outbound, Depth::Datagram, Depth::Mac);
  if (!out.by_socket || concerned) {
    const Bytes frame = write_udp_headers(out.headers, payload);
    if (!out.by_socket) item.frame = frame;
    if (concerned) {
      // The bytes are the packet's own.
      const MutableBytes shown(const_cast<uint8_t*>(frame.data()), frame.size());
      const Verdict verdict = classify(place, out, shown, now);
      if (verdict == Verdict::Block) return settle(place, EPERM);
      if (verdict == Verdict::Absorb) return settle(place, 0);
    }
  }
  ++waiting_;
  queue_.push(item);
}

// What the kernel gets to send has no MAC header that anybody here knows.
Verdict Injector::classify(uint32_t place, const Outbound& out, MutableBytes frame, Now now) {
  const Packet& packet = replies_[place].datagram->packet();
  Indication& indication = indications_[place];
  replies_[place].shown = true;
  Traffic traffic = outbound_traffic(out.headers, out.ifindex, !out.by_socket, now.boot_ns);
  traffic.relay = packet.message.giaddr;
  if (out.by_socket) {
    indication.describe(frame.subspan(mac_header_bytes(out.headers)));
    return classifier_->classify(traffic, &indication.list, Depth::Datagram, Depth::Network);
  }
  if (out.headers.destination != kBroadcast) {
    neighbours_.note(
        {out.headers.destination, out.ifindex, out.headers.vlan, out.headers.destination_mac});
  }
  indication.describe(frame);
  indication.tell_frame(out.ifindex, out.headers.vlan);
  return classifier_->classify(traffic, &indication.list, Depth::Datagram, Depth::Mac);
}

void Injector::transmitted(uint32_t token, int error) {
  --waiting_;
  settle(token, error);
}

void Injector::settle(uint32_t place, int error) {
  if (is_held(place)) {
    held_.push_back({place, error});
  } else {
    end(place, error);
  }
}

bool Injector::is_held(uint32_t place) const {
  return replies_[place].shown && indications_[place].children() > 0;
}

// In the order in which their fates were known.
void Injector::release_held() {
  auto kept = held_.begin();
  for (const Done& held : held_) {
    if (is_held(held.place)) {
      *kept++ = held;
    } else {
      end(held.place, held.error);
    }
  }
  held_.erase(kept, held_.end());
}

void Injector::end(uint32_t place, int error) {
  if (error == 0 && replies_[place].shown) {
    error = error_of(__atomic_load_n(&indications_[place].list.Status, __ATOMIC_RELAXED));
  }
  if (error == 0) {
    counters_.sent[static_cast<size_t>(replies_[place].datagram->packet().reply_type)].add();
  } else {
    counters_.send_failures.add();
  }
  done_.push_back({place, error});
}

}  // namespace hookline::inject
