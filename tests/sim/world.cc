#include "world.h"

#include <algorithm>
#include <cerrno>

namespace hookline::sim {

SimWire::SimWire(Random& random) : random_(random) {
  io::Link link;
  link.ifindex = kIfindex;
  link.name = "eth0";
  link.mac = kServerMac;
  link.up = true;
  link.addresses.push_back({kServerAddress, *Prefix::parse("10.77.0.0/24")});
  table_.links.push_back(link);
}

void SimWire::client_sends(std::vector<uint8_t> frame) {
  if (chance(random_, faults.lose)) return;
  const int copies = chance(random_, faults.repeat) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    auto place = arriving_.end();
    if (chance(random_, faults.reorder) && !arriving_.empty()) {
      place = arriving_.begin() + static_cast<long>(below(random_, arriving_.size()));
    }
    // Never before one of the same sender: a client that sees its own RELEASE overtaken by its next
    // DISCOVER is promised what it then gives back, and no server can help that.
    const auto same_sender = [&](const std::vector<uint8_t>& other) {
      return std::equal(&other[6], &other[12], &frame[6]);
    };
    while (std::any_of(place, arriving_.end(), same_sender)) ++place;
    arriving_.insert(place, frame);
  }
}

void SimWire::set_up(bool up) {
  if (table_.links.front().up == up) return;
  table_.links.front().up = up;
  changed_ = true;
}

size_t SimWire::receive(std::span<io::RxFrame> frames) {
  size_t count = 0;
  for (; count < frames.size() && !arriving_.empty(); ++count) {
    io::RxFrame& rx = frames[count];
    const std::vector<uint8_t>& frame = arriving_.front();
    rx.size = static_cast<uint32_t>(std::min(frame.size(), rx.buffer.size()));
    rx.wire_size = static_cast<uint32_t>(frame.size());
    rx.ifindex = kIfindex;
    rx.vlan = 0;
    rx.checksum_partial = false;
    std::copy_n(frame.begin(), rx.size, rx.buffer.begin());
    arriving_.pop_front();
  }
  return count;
}

void SimWire::send(std::span<io::TxFrame> frames) {
  bool full = queue_full_;  // then the rest of the call waits too: the port's contract
  for (io::TxFrame& frame : frames) {
    frame.error = 0;
    if (full) {
      frame.error = ENOBUFS;
    } else if (!table_.links.front().up) {
      frame.error = ENETDOWN;
    } else if (chance(random_, faults.send_error)) {
      full = chance(random_, 0.5);
      frame.error = full ? ENOBUFS : EMSGSIZE;
    } else {
      sent_.emplace_back(frame.frame.begin(), frame.frame.end());
    }
  }
}

int SimWire::send_udp(Ipv4, Ipv4, uint16_t, uint32_t, Bytes) { return EHOSTUNREACH; }

std::optional<io::NextHop> SimWire::resolve(Ipv4 to) {
  if (to == kRelayAddress) return io::NextHop{kIfindex, kServerAddress, kRelayMac};
  // A renewing client on the wire: any fixed hardware address does, nobody looks at it.
  return io::NextHop{kIfindex, kServerAddress, MacAddress{{2, 0, 0, 0, 0, 1}}};
}

}  // namespace hookline::sim
