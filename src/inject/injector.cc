#include "inject/injector.h"

#include <algorithm>
#include <cerrno>

#include "inject/addressing.h"

namespace hookline::inject {
namespace {

constexpr int kPending = -1;

static_assert(kReplyHeadroom >= kUdpFrameHeaderBytesMax);

}  // namespace

Injector::Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters)
    : port_(port), links_(links), counters_(counters) {
  waiting_.reserve(kInjectionsMax);
  done_.reserve(kInjectionsMax);
  blocked_.reserve(kInjectionsMax);
}

Injector::~Injector() { CHECK(in_flight() == 0, "every injection completes"); }

void Injector::submit(Batch<Datagram> batch, Now now) {
  CHECK(batch.size() <= room(), "the caller asked room() before");
  for (Datagram& datagram : batch) enqueue(std::move(datagram), now);
  flush(now);
}

Batch<Completion> Injector::completions(Now now) {
  if (!waiting_.empty()) flush(now);
  Batch<Completion> batch;
  const size_t count = std::min(done_.size(), kTurnPacketsMax);
  for (size_t i = 0; i < count; ++i) {
    batch.push(Completion({}, std::move(done_[i].datagram), done_[i].error));
  }
  done_.erase(done_.begin(), done_.begin() + static_cast<ptrdiff_t>(count));
  return batch;
}

void Injector::abandon(int error) {
  for (Waiting& waiting : waiting_) end(std::move(waiting.datagram), error);
  waiting_.clear();
}

void Injector::enqueue(Datagram datagram, Now now) {
  Packet& packet = datagram.packet();
  Outbound out = address_reply(packet, links_);
  const size_t ip_bytes = kIpv4HeaderBytes + kUdpHeaderBytes + packet.reply_size;
  if (out.error == 0 && !out.by_socket && ip_bytes > out.mtu) out.error = EMSGSIZE;
  if (out.error != 0) {
    end(std::move(datagram), out.error);
    return;
  }
  Bytes frame;
  if (!out.by_socket)
    frame = write_udp_headers(out.headers, {packet.reply_data(), packet.reply_size});
  waiting_.push_back(Waiting{std::move(datagram), frame, out.ifindex, out.headers.source,
                             now.boot_ns + kInjectDeadlineNs, kPending});
}

void Injector::flush(Now now) {
  blocked_.clear();
  size_t gathered = 0;
  for (Waiting& waiting : waiting_) {
    if (is_blocked(waiting.ifindex)) continue;
    // What the socket sends stays in order with the frames of its interface.
    if (waiting.frame.empty() || gathered == frames_.size()) {
      send_frames(gathered);
      gathered = 0;
      if (is_blocked(waiting.ifindex)) continue;
    }
    if (waiting.frame.empty()) {
      send_by_socket(waiting);
    } else {
      frames_[gathered] = io::TxFrame{waiting.frame, waiting.ifindex, 0};
      frame_owners_[gathered++] = &waiting;
    }
  }
  send_frames(gathered);
  collect_ended(now);
}

void Injector::send_frames(size_t count) {
  if (count == 0) return;
  port_.send({frames_.data(), count});
  for (size_t i = 0; i < count; ++i) settle(*frame_owners_[i], frames_[i].error);
}

void Injector::send_by_socket(Waiting& waiting) {
  const Packet& packet = waiting.datagram.packet();
  settle(waiting, port_.send_udp(waiting.source, packet.destination.address,
                                 packet.destination.port, waiting.ifindex, packet.reply()));
}

void Injector::settle(Waiting& waiting, int error) {
  if (error != ENOBUFS) {
    waiting.error = error;
  } else if (!is_blocked(waiting.ifindex)) {
    blocked_.push_back(waiting.ifindex);
  }
}

// Moves the ended ones out and closes the gaps, in order.
void Injector::collect_ended(Now now) {
  auto kept = waiting_.begin();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (it->error != kPending) {
      end(std::move(it->datagram), it->error);
    } else if (now.boot_ns >= it->deadline_ns) {
      end(std::move(it->datagram), ENOBUFS);
    } else {
      if (kept != it) *kept = std::move(*it);
      ++kept;
    }
  }
  waiting_.erase(kept, waiting_.end());
}

void Injector::end(Datagram&& datagram, int error) {
  if (error == 0) {
    counters_.sent[static_cast<size_t>(datagram.packet().reply_type)].add();
  } else {
    counters_.send_failures.add();
  }
  done_.push_back(Done{std::move(datagram), error});
}

bool Injector::is_blocked(uint32_t ifindex) const {
  return std::find(blocked_.begin(), blocked_.end(), ifindex) != blocked_.end();
}

}  // namespace hookline::inject
