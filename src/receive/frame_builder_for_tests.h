// For tests: frames as bytes, and a port that delivers them.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "base/inet_frame.h"
#include "io/packet_port.h"
#include "line/stages.h"

namespace hookline::receive::testing {

struct FrameSpec {
  MacAddress source_mac{{0x02, 0, 0, 0, 0, 0x77}};
  MacAddress destination_mac = kBroadcastMac;
  uint16_t vlan = 0;
  Ipv4 source{};
  Ipv4 destination = kBroadcast;
  uint16_t source_port = 68;
  uint16_t destination_port = 67;
  size_t payload_bytes = 300;
  size_t ip_option_bytes = 0;  // a multiple of 4
};

inline void fix_ip_checksum(std::vector<uint8_t>& frame, size_t ip_at = 14) {
  const size_t header_bytes = size_t{frame[ip_at] & 0x0Fu} * 4;
  store_be16(&frame[ip_at + 10], 0);
  store_be16(&frame[ip_at + 10], checksum_finish(checksum_add({&frame[ip_at], header_bytes})));
}

inline std::vector<uint8_t> build(const FrameSpec& spec = {}) {
  std::vector<uint8_t> storage(kUdpFrameHeaderBytesMax + spec.payload_bytes);
  for (size_t i = 0; i < spec.payload_bytes; ++i) {
    storage[kUdpFrameHeaderBytesMax + i] = static_cast<uint8_t>(i * 7 + 1);
  }
  const Bytes built =
      write_udp_headers({spec.source_mac, spec.destination_mac, spec.vlan, spec.source,
                         spec.destination, spec.source_port, spec.destination_port},
                        {storage.data() + kUdpFrameHeaderBytesMax, spec.payload_bytes});
  std::vector<uint8_t> frame(built.begin(), built.end());
  if (spec.ip_option_bytes != 0) {
    const size_t ip_at = spec.vlan != 0 ? 18 : 14;
    frame.insert(frame.begin() + static_cast<ptrdiff_t>(ip_at + 20), spec.ip_option_bytes, 1);
    frame[ip_at] = static_cast<uint8_t>(0x45 + spec.ip_option_bytes / 4);
    store_be16(&frame[ip_at + 2], static_cast<uint16_t>(frame.size() - ip_at));
    fix_ip_checksum(frame, ip_at);
  }
  return frame;
}

// Delivers what was put into it, cut to the buffer as a socket would.
class FakePort final : public io::PacketPort {
 public:
  struct Arrival {
    std::vector<uint8_t> frame;
    uint32_t ifindex = 1;
    uint16_t vlan = 0;
    bool checksum_partial = false;
  };

  size_t receive(std::span<io::RxFrame> frames) override {
    size_t n = 0;
    for (; n < frames.size() && !arrivals.empty(); ++n) {
      const Arrival& arrival = arrivals.front();
      io::RxFrame& frame = frames[n];
      const size_t size = std::min(arrival.frame.size(), frame.buffer.size());
      std::copy_n(arrival.frame.begin(), size, frame.buffer.begin());
      frame.size = static_cast<uint32_t>(size);
      frame.wire_size = static_cast<uint32_t>(arrival.frame.size());
      frame.ifindex = arrival.ifindex;
      frame.vlan = arrival.vlan;
      frame.checksum_partial = arrival.checksum_partial;
      arrivals.pop_front();
    }
    return n;
  }
  void send(std::span<io::TxFrame>) override {}
  int send_udp(Ipv4, Ipv4, uint16_t, uint32_t, Bytes) override { return 0; }
  uint64_t kernel_drops() const override { return dropped; }

  std::deque<Arrival> arrivals;
  uint64_t dropped = 0;
};

class FakeEndings final : public Endings {
 public:
  explicit FakeEndings(PacketPool& pool) : pool_(pool) {}
  using Endings::drop;
  void drop(PacketHandle packet, Drop) override { pool_.give_back(std::move(packet)); }
  void complete(PacketHandle packet) override { pool_.give_back(std::move(packet)); }
  void drop_frame(Drop reason, uint64_t count) override {
    frames[static_cast<size_t>(reason)] += count;
  }
  uint64_t count(Drop reason) const { return frames[static_cast<size_t>(reason)]; }
  uint64_t total() const {
    uint64_t sum = 0;
    for (const uint64_t n : frames) sum += n;
    return sum;
  }

  std::array<uint64_t, kDropCount> frames{};

 private:
  PacketPool& pool_;
};

}  // namespace hookline::receive::testing
