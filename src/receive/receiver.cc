#include "receive/receiver.h"

#include <algorithm>
#include <optional>

#include "receive/frame_check.h"

namespace hookline::receive {
namespace {

// A quiet server offers this many slots to the port; what is offered has to be reset in vain.
constexpr size_t kSlotsOfferedMin = 16;
// Asking the kernel for its drop counters is a system call per interface.
constexpr int64_t kKernelDropsPeriodNs = 100'000'000;

}  // namespace

Receiver::Receiver(io::PacketPort& port, PacketPool& pool, Endings& endings, Counters& counters)
    : port_(port), pool_(pool), endings_(endings), counters_(counters) {}

Batch<Frame> Receiver::take(size_t max, const io::LinkTable& links, Now now) {
  Batch<Frame> batch;
  count_kernel_drops(now);
  max = std::min({max, kTurnPacketsMax, pool_.available()});
  if (injected_ != nullptr && injected_->waiting() != 0) {
    take_injected((max + 1) / 2, links, now, batch);
    max -= batch.size();
  }
  const size_t kept = injected_ == nullptr ? 0 : pool_.size() / kInjectedShare;
  max = std::min(max, pool_.available() - std::min(pool_.available(), kept));
  size_t found = 0;
  while (found < max) {
    const size_t offered = std::min(std::max(2 * usual_, kSlotsOfferedMin), max - found);
    const size_t received = receive_into_slots(offered);
    const io::Link* link = nullptr;
    for (size_t i = 0; i < received; ++i) {
      if (link == nullptr || link->ifindex != frames_[i].ifindex) {
        link = links.find(frames_[i].ifindex);
      }
      const std::optional<Drop> drop = check_frame(frames_[i], link, links, *slots_[i]);
      if (drop) {
        endings_.drop_frame(*drop);
        pool_.give_back(std::move(slots_[i]));
        continue;
      }
      slots_[i]->ingress.arrived_ns = now.boot_ns;
      batch.push(Frame({}, std::move(slots_[i])));
    }
    found += received;
    if (received < offered) break;
    usual_ = std::max(usual_, found);
  }
  usual_ = found;
  counters_.frames_received.add(found);
  counters_.packets_entered.add(batch.size());
  return batch;
}

// The same checks as for frames from the wire.
void Receiver::take_injected(size_t max, const io::LinkTable& links, Now now, Batch<Frame>& batch) {
  for (size_t i = 0; i < max && injected_->waiting() != 0; ++i) {
    PacketHandle slot = pool_.take();
    io::RxFrame frame;
    frame.buffer = slot->frame_buffer();
    injected_->next(*slot, frame);
    if (const auto drop = check_frame(frame, links.find(frame.ifindex), links, *slot)) {
      injected_->refused(*slot, *drop);
      endings_.drop_frame(*drop);
      pool_.give_back(std::move(slot));
      continue;
    }
    slot->ingress.arrived_ns = now.boot_ns;
    batch.push(Frame({}, std::move(slot)));
  }
}

size_t Receiver::receive_into_slots(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    slots_[i] = pool_.take();
    frames_[i].buffer = slots_[i]->frame_buffer();
  }
  const size_t received = port_.receive({frames_.data(), count});
  CHECK(received <= count, "a port fills no more than it was given");
  // Backwards, so that the pool hands out the same warm slots again.
  for (size_t i = count; i > received; --i) pool_.give_back(std::move(slots_[i - 1]));
  return received;
}

void Receiver::count_kernel_drops(Now now) {
  if (now.boot_ns - kernel_drops_read_ns_ < kKernelDropsPeriodNs) return;
  kernel_drops_read_ns_ = now.boot_ns;
  const uint64_t drops = port_.kernel_drops();
  if (drops > kernel_drops_) endings_.drop_frame(Drop::KernelQueue, drops - kernel_drops_);
  kernel_drops_ = drops;
}

}  // namespace hookline::receive
