// Any bytes as a received frame: no read past its end, and what passes is a datagram inside it.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/inet_frame.h"
#include "receive/frame_check.h"

using namespace hookline;

static void fix_ip_checksum(MutableBytes frame) {
  constexpr size_t kIpAt = kEthernetHeaderBytes;
  if (frame.size() < kIpAt + kIpv4HeaderBytes) return;
  const MutableBytes ip = frame.subspan(kIpAt);
  const size_t header_bytes = std::min(size_t{ip[0] & 0x0Fu} * 4, ip.size());
  store_be16(&ip[10], 0);
  store_be16(&ip[10], checksum_finish(checksum_add(ip.first(header_bytes))));
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kFrameBytesMax) return 0;
  static const io::LinkTable links = [] {
    io::Link link;
    link.ifindex = 1;
    link.addresses = {{Ipv4{0x0A000001}, Prefix{Ipv4{0x0A000000}, 24}}};
    return io::LinkTable{{link}};
  }();
  static const auto packet = std::make_unique<Packet>();
  // A copy of exactly its size, so that AddressSanitizer sees the end. The first byte says whether
  // checksums count: the fuzzer could hardly guess one.
  const size_t frame_size = size - 1;
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[frame_size]);
  std::memcpy(copy.get(), data + 1, frame_size);
  if ((data[0] & 2) != 0) fix_ip_checksum({copy.get(), frame_size});
  io::RxFrame frame;
  frame.buffer = {copy.get(), frame_size};
  frame.size = static_cast<uint32_t>(frame_size);
  frame.wire_size = frame.size;
  frame.ifindex = 1;
  frame.checksum_partial = (data[0] & 1) != 0;
  if (!receive::check_frame(frame, &links.links[0], links, *packet)) {
    const size_t end = size_t{packet->payload_offset} + packet->request_size;
    if (packet->request_size == 0 || end > frame_size) std::abort();
  }
  return 0;
}
