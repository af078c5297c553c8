#include "filter/filter_engine.h"

#include <algorithm>

#include "base/inet_frame.h"
#include "filter/engine.h"
#include "io/packet_port.h"

namespace hookline::filter {
namespace {

constexpr size_t kGiaddrOffset = 24;

// What a trace tells a client by, for a packet that ends before it is decoded (RFC 951's fields).
void name_client(Packet& packet) {
  constexpr size_t kXid = 4, kChaddr = 28;
  const uint8_t* bytes = packet.request_data();
  Message& message = packet.message;
  message.type = MessageType::None;
  message.hardware_size = 0;
  if (packet.request_size < kChaddr + message.chaddr.size()) return;
  message.hardware_type = bytes[1];
  message.hardware_size = std::min<uint8_t>(bytes[2], static_cast<uint8_t>(message.chaddr.size()));
  message.xid = load_be32(bytes + kXid);
  message.giaddr = Ipv4::load(bytes + kGiaddrOffset);
  std::copy_n(bytes + kChaddr, message.chaddr.size(), message.chaddr.begin());
}

bool is_engaged(const Engine& engine) {
  return engine.concerns(Direction::Inbound, Depth::Mac, Depth::Datagram);
}

}  // namespace

Traffic inbound_traffic(Packet& packet) {
  const Ingress& in = packet.ingress;
  const uint8_t* frame = packet.frame_buffer().data();
  Traffic out;
  out.direction = Direction::Inbound;
  out.ifindex = in.ifindex;
  out.interface_mac = in.link->mac;
  std::copy_n(frame, out.local_mac.octets.size(), out.local_mac.octets.begin());
  out.remote_mac = in.source_mac;
  out.vlan = in.vlan;
  out.local = in.destination;
  out.remote = in.source;
  if (packet.request_size >= kGiaddrOffset + 4) {
    out.relay = Ipv4::load(packet.request_data() + kGiaddrOffset);
  }
  out.local_is_broadcast = in.link->is_broadcast(in.destination);
  out.local_port = io::kServerPort;
  out.remote_port = in.source_port;
  const bool tagged = load_be16(frame + kEthernetHeaderBytes - 2) == kEtherTypeVlan;
  const size_t ip_at = kEthernetHeaderBytes + (tagged ? kVlanTagBytes : 0);
  out.mac_header_bytes = static_cast<uint32_t>(ip_at);
  out.ip_header_bytes = static_cast<uint32_t>(packet.payload_offset - ip_at - kUdpHeaderBytes);
  out.transport_header_bytes = kUdpHeaderBytes;
  out.now_ns = in.arrived_ns;
  return out;
}

FilterEngine::FilterEngine(Endings& endings, Counters& counters)
    : endings_(endings), counters_(counters) {}

FilterEngine::FilterEngine(Engine& engine, PacketPool& pool, Endings& endings, Counters& counters)
    : engine_(&engine),
      pool_(&pool),
      endings_(endings),
      counters_(counters),
      indications_(pool.size()) {}

Batch<Admitted> FilterEngine::admit(Batch<Frame> frames) {
  Batch<Admitted> admitted;
  if (pool_ != nullptr && pool_->lingering() != 0) pool_->reclaim();
  if (engine_ == nullptr || !is_engaged(*engine_)) {
    for (Frame& frame : frames) {
      tell_injected(frame.packet(), Verdict::Permit);
      admitted.push(Admitted({}, std::move(frame)));
    }
    return admitted;
  }
  ReadGuard guard(engine_->section());
  for (Frame& frame : frames) {
    const Verdict verdict = classify(frame.packet());
    tell_injected(frame.packet(), verdict);
    if (verdict == Verdict::Permit) {
      admitted.push(Admitted({}, std::move(frame)));
      continue;
    }
    name_client(frame.packet());
    const bool blocked = verdict == Verdict::Block;
    endings_.drop(std::move(frame), blocked ? Drop::BlockedByFilter : Drop::AbsorbedByFilter);
  }
  return admitted;
}

Verdict FilterEngine::classify(Packet& packet) {
  Indication& indication = indications_[packet.slot];
  const size_t frame_bytes = size_t{packet.payload_offset} + packet.request_size;
  indication.describe(packet.frame_buffer().first(frame_bytes));
  indication.tell_frame(packet.ingress.ifindex, packet.ingress.vlan);
  indication.list.NdisReserved[0] = packet.ingress.injection;
  packet.borrowed = &indication.list.ChildRefCount;
  return engine_->classify(inbound_traffic(packet), &indication.list, packet.ingress.first_layer,
                           Depth::Datagram);
}

void FilterEngine::tell_injected(Packet& packet, Verdict verdict) {
  if (packet.ingress.injection == nullptr || injected_ == nullptr) return;
  injected_->classified(packet, verdict);
}

void FilterEngine::pump(Now now) {
  if (engine_ != nullptr) engine_->flows().pump(now);
}

Batch<Datagram> FilterEngine::release(Batch<Reply> replies) {
  Batch<Datagram> released;
  for (Reply& reply : replies) released.push(Datagram({}, std::move(reply)));
  return released;
}

}  // namespace hookline::filter
