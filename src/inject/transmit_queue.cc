#include "inject/transmit_queue.h"

#include <algorithm>
#include <cerrno>

#include "base/check.h"
#include "inject/status.h"

namespace hookline::inject {
namespace {

constexpr int kPending = -1;

}  // namespace

TransmitQueue::TransmitQueue(io::PacketPort& port, Owner& owner, size_t capacity)
    : port_(port), owner_(owner), capacity_(capacity) {
  waiting_.reserve(capacity);
  blocked_.reserve(capacity);
}

void TransmitQueue::push(const Item& item) {
  CHECK(waiting_.size() < capacity_, "who injects has asked for room before");
  waiting_.push_back(item);
  waiting_.back().error = kPending;
}

void TransmitQueue::flush(Now now) {
  if (waiting_.empty()) return;
  blocked_.clear();
  size_t gathered = 0;
  for (Item& item : waiting_) {
    if (is_blocked(item.ifindex)) continue;
    // What the socket sends stays in order with the frames of its interface.
    if (item.frame.empty() || gathered == frames_.size()) {
      send_frames(gathered);
      gathered = 0;
      if (is_blocked(item.ifindex)) continue;
    }
    if (item.frame.empty()) {
      settle(item, port_.send_udp(item.source, item.destination, item.destination_port,
                                  item.ifindex, item.payload));
    } else {
      frames_[gathered] = io::TxFrame{item.frame, item.ifindex, 0};
      frame_items_[gathered++] = &item;
    }
  }
  send_frames(gathered);
  collect_ended(now);
}

void TransmitQueue::send_frames(size_t count) {
  if (count == 0) return;
  port_.send({frames_.data(), count});
  for (size_t i = 0; i < count; ++i) settle(*frame_items_[i], frames_[i].error);
}

void TransmitQueue::settle(Item& item, int error) {
  if (error == ENOBUFS) {
    if (!is_blocked(item.ifindex)) blocked_.push_back(item.ifindex);
  } else if (item.retry && is_transient(error)) {
    item.retry = false;
  } else {
    item.error = error;
  }
}

// Tells of the ended ones and closes the gaps, in order.
void TransmitQueue::collect_ended(Now now) {
  auto kept = waiting_.begin();
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (it->error != kPending) {
      owner_.transmitted(it->token, it->error);
    } else if (now.boot_ns >= it->deadline_ns) {
      owner_.transmitted(it->token, ENOBUFS);
    } else {
      if (kept != it) *kept = *it;
      ++kept;
    }
  }
  waiting_.erase(kept, waiting_.end());
}

void TransmitQueue::abandon(int error) {
  for (const Item& item : waiting_) owner_.transmitted(item.token, error);
  waiting_.clear();
}

bool TransmitQueue::is_blocked(uint32_t ifindex) const {
  return std::find(blocked_.begin(), blocked_.end(), ifindex) != blocked_.end();
}

}  // namespace hookline::inject
