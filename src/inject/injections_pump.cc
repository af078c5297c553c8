#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "inject/frames.h"
#include "inject/gather.h"
#include "inject/injections.h"
#include "inject/stream_injections.h"

namespace hookline::inject {
namespace {

// So that drivers can't make a turn long; what is left waits for the next.
constexpr size_t kPacketsPerPump = 2 * kTurnPacketsMax;
// Held packets that are worth a line in the log, and how often.
constexpr size_t kHeldWarned = kDriverInjectionsMax / 2;
constexpr int64_t kHeldWarnPeriodNs = 10 * kNsPerSecond;
constexpr size_t kGiaddrOffset = 24;

bool is_outbound(Kind kind) {
  return kind == Kind::MacSend || kind == Kind::NetworkSend || kind == Kind::TransportSend;
}

// Where a packet is classified first.
Depth first_depth(Kind kind) {
  switch (kind) {
    case Kind::MacSend:
    case Kind::MacReceive:
      return Depth::Mac;
    case Kind::TransportSend:
      return Depth::Datagram;
    case Kind::NetworkSend:
    case Kind::NetworkReceive:
    case Kind::TransportReceive:
    case Kind::StreamSend:  // these two have a way of their own
    case Kind::StreamReceive:
      break;
  }
  return Depth::Network;
}

const io::Link* link_with(const io::LinkTable& table, Ipv4 address) {
  for (const io::Link& link : table.links) {
    if (link.has(address)) return &link;
  }
  return nullptr;
}

bool has_tag(const Injection& injection) {
  return load_be16(injection.data + kEthernetHeaderBytes - 2) == kEtherTypeVlan;
}

// NDIS carries the tag beside the frame.
void insert_tag(Injection& injection) {
  uint8_t* const from = injection.data;
  injection.data -= kVlanTagBytes;
  injection.size += kVlanTagBytes;
  std::memmove(injection.data, from, kEthernetHeaderBytes - 2);
  store_be16(injection.data + kEthernetHeaderBytes - 2, kEtherTypeVlan);
  store_be16(injection.data + kEthernetHeaderBytes, injection.vlan);
}

void add_ethernet(Injection& injection, const MacAddress& destination, const MacAddress& source,
                  uint16_t vlan) {
  const size_t bytes = write_ethernet_header(injection.data, destination, source, vlan);
  injection.data -= bytes;
  injection.size += static_cast<uint32_t>(bytes);
}

}  // namespace

void Injections::pump(Now now) {
  if (!on_packet_thread()) packet_thread_.store(std::this_thread::get_id());
  now_ns_.store(now.boot_ns, std::memory_order_relaxed);
  // Before looking: what comes after wakes again.
  if (wake_pending_.load(std::memory_order_relaxed)) wake_pending_.exchange(false);
  if (!due() && !waits() && !closing_flag_.load(std::memory_order_relaxed)) return;
  const bool released = released_flag_.exchange(false);
  {
    Lock lock(mutex_);
    CHECK(!pumping_, "injections are pumped by the turn, not by a callout");
    pumping_ = true;
    started_.append(incoming_);
    incoming_size_.store(0, std::memory_order_relaxed);
  }
  const size_t before = transmitting_;
  for (size_t i = 0; i < kPacketsPerPump && started_.first != nullptr; ++i) {
    start(*started_.pop(), now);
  }
  if (transmitting_ != before || before != 0) queue_.flush(now);
  if (!held_.empty() && (released || options_.lists == nullptr)) look_at_held();
  if (closing_flag_.load()) cancel_closing();
  streams_->pump(now);
  end_pump();
  if (held_.size() >= kHeldWarned) warn_held(now);
}

bool Injections::due() const {
  return incoming_size_.load(std::memory_order_relaxed) != 0 || started_.first != nullptr ||
         !ready_.empty() || released_flag_.load(std::memory_order_relaxed) || streams_->due();
}

bool Injections::waits() const {
  const bool polls = options_.lists == nullptr && !held_.empty();
  return transmitting_ != 0 || polls || inbound_.first != nullptr || streams_->waits();
}

void Injections::start(Injection& injection, Now now) {
  if (injection.reply != nullptr) return send_reply(injection, now);
  if (injection.mark.hops > kInjectionHopsMax) {
    injection.looped = true;
    return settle(injection, STATUS_UNSUCCESSFUL);
  }
  if (injection.oversize) return settle(injection, STATUS_INVALID_BUFFER_SIZE);
  if (is_outbound(injection.kind)) {
    send(injection, now);
  } else {
    receive(injection);
  }
}

// --- outbound ------------------------------------------------------------------------------------

void Injections::send(Injection& injection, Now now) {
  uint32_t mtu = 0;
  size_t mac_bytes = 0;
  if (injection.kind == Kind::MacSend) {
    if (injection.ifindex == 0) injection.ifindex = injection.hint_ifindex;
    const io::Link* link = links_.table().find(injection.ifindex);
    if (link == nullptr) return settle(injection, STATUS_DEVICE_DOES_NOT_EXIST);
    mtu = link->mtu;
    if (injection.vlan != 0 && !has_tag(injection)) insert_tag(injection);
    mac_bytes = kEthernetHeaderBytes + (has_tag(injection) ? kVlanTagBytes : 0);
  } else {
    const size_t ip_bytes = injection.size;
    if (const int error = put_on_way(injection, mtu); error != 0) {
      return settle(injection, status_of(error));
    }
    mac_bytes = injection.size - ip_bytes;
  }
  if (!injection.by_socket && injection.size > mtu + mac_bytes) {
    return settle(injection, STATUS_INVALID_BUFFER_SIZE);
  }
  const Verdict verdict = classify(injection, now);
  if (verdict == Verdict::Block) return settle(injection, STATUS_ACCESS_DENIED);
  if (verdict == Verdict::Absorb) return settle(injection, STATUS_SUCCESS);
  TransmitQueue::Item item{injection.place,
                           injection.ifindex,
                           injection.bytes(),
                           now.boot_ns + kInjectDeadlineNs,
                           {},
                           {},
                           {},
                           0,
                           false,
                           0};
  if (injection.by_socket) {
    const Bytes packet = injection.bytes();
    const size_t udp_at = udp_offset(packet);
    item.frame = {};
    item.payload = packet.subspan(udp_at + kUdpHeaderBytes);
    item.source = ipv4_source(packet);
    item.destination = ipv4_destination(packet);
    item.destination_port = load_be16(&packet[udp_at + 2]);
  }
  ++transmitting_;
  queue_.push(item);
}

// Finds the way of an IP packet, mends it and writes its Ethernet header. An errno value.
int Injections::put_on_way(Injection& injection, uint32_t& mtu) {
  const Way way = find_way(injection);
  if (way.error != 0) return way.error;
  injection.ifindex = way.ifindex;
  injection.by_socket = way.link == nullptr || !way.mac;
  if (injection.kind == Kind::TransportSend && !ipv4_source(injection.bytes())) {
    way.source.store(injection.data + 12);
    if (!way.source) return EADDRNOTAVAIL;
  }
  fill_checksums(injection.bytes());
  if (!injection.by_socket) {
    mtu = way.link->mtu;
    add_ethernet(injection, *way.mac, way.link->mac, way.vlan);
    return 0;
  }
  // The kernel's socket sends from the server's port, and nothing else.
  const Bytes packet = injection.bytes();
  const size_t udp_at = udp_offset(packet);
  if (udp_at == 0 || load_be16(&packet[udp_at]) != io::kServerPort) return EHOSTUNREACH;
  return 0;
}

// The original's way, if it goes to the same address; the way of a reply that went there lately;
// the link of a broadcast; else as the kernel's tables say.
Injections::Way Injections::find_way(const Injection& injection) {
  const Ipv4 to = ipv4_destination({injection.data, injection.size});
  const Ipv4 from = ipv4_source({injection.data, injection.size});
  const io::LinkTable& table = links_.table();
  const auto by = [&](uint32_t ifindex, const MacAddress& mac,
                      uint16_t vlan) -> std::optional<Way> {
    const io::Link* link = table.find(ifindex);
    if (link == nullptr) return std::nullopt;
    return Way{0, ifindex, link, mac, vlan, link->primary()};
  };
  if (injection.hint_address && injection.hint_address == to) {
    if (const auto way = by(injection.hint_ifindex, injection.hint_destination, injection.vlan)) {
      return *way;
    }
  }
  if (const Neighbour* known = neighbours_.find(to)) {
    if (const auto way = by(known->ifindex, known->mac, known->vlan)) return *way;
  }
  const uint32_t named = injection.ifindex != 0 ? injection.ifindex : injection.hint_ifindex;
  const io::Link* link = named != 0 ? table.find(named) : link_with(table, from);
  if (link == nullptr && to == kBroadcast) link = link_with(table, from);
  if (link != nullptr && link->is_broadcast(to)) {
    return Way{0, link->ifindex, link, kBroadcastMac, injection.vlan, link->primary()};
  }
  const std::optional<io::NextHop> hop = to == kBroadcast ? std::nullopt : links_.resolve(to);
  if (!hop) return Way{ENETUNREACH, 0, nullptr, std::nullopt, 0, {}};
  return Way{0, hop->ifindex, table.find(hop->ifindex), hop->mac, 0, hop->source};
}

Verdict Injections::classify(Injection& injection, Now now) {
  const Depth first = first_depth(injection.kind);
  const Depth last = injection.by_socket ? Depth::Network : Depth::Mac;
  if (!classifier_.concerns(Direction::Outbound, first, last)) return Verdict::Permit;
  Traffic traffic = traffic_of(injection.bytes(), !injection.by_socket, Direction::Outbound);
  traffic.ifindex = injection.ifindex;
  traffic.now_ns = now.boot_ns;
  if (const io::Link* link = links_.table().find(injection.ifindex)) {
    traffic.interface_mac = link->mac;
    traffic.remote_is_broadcast = traffic.remote && link->is_broadcast(traffic.remote);
  }
  const size_t payload_at =
      size_t{traffic.mac_header_bytes} + traffic.ip_header_bytes + traffic.transport_header_bytes;
  if (traffic.transport_header_bytes != 0 && injection.size >= payload_at + kGiaddrOffset + 4) {
    traffic.relay = Ipv4::load(injection.data + payload_at + kGiaddrOffset);
  }
  injection.indication.describe(injection.bytes());
  injection.indication.list.NdisReserved[0] = &injection.mark;
  if (!injection.by_socket) injection.indication.tell_frame(injection.ifindex, traffic.vlan);
  injection.shown = true;
  return classifier_.classify(traffic, &injection.indication.list, first, last);
}

void Injections::transmitted(uint32_t token, int error) {
  --transmitting_;
  settle(injections_[token], status_of(error));
}

// --- inbound -------------------------------------------------------------------------------------

// What begins at its IP header gets an Ethernet header: the original's source, if it still comes
// from there, or what the kernel knows.
void Injections::receive(Injection& injection) {
  if (injection.ifindex == 0) injection.ifindex = injection.hint_ifindex;
  const io::Link* link = links_.table().find(injection.ifindex);
  if (link == nullptr) return settle(injection, STATUS_DEVICE_DOES_NOT_EXIST);
  if (injection.kind != Kind::MacReceive) {
    const Ipv4 from = ipv4_source(injection.bytes());
    const Ipv4 to = ipv4_destination(injection.bytes());
    MacAddress source;
    if (injection.hint_address && injection.source == from) {
      source = injection.hint_source;
    } else if (const auto hop = from ? links_.resolve(from) : std::nullopt; hop && hop->mac) {
      source = *hop->mac;
    }
    add_ethernet(injection, link->is_broadcast(to) ? kBroadcastMac : link->mac, source, 0);
  }
  inbound_.push(injection);
}

void Injections::next(Packet& packet, io::RxFrame& frame) {
  Injection* injection = inbound_.pop();
  CHECK(injection != nullptr, "the caller asked waiting() before");
  CHECK(packet.slot < options_.packet_slots, "a slot of the pool");
  frame.wire_size = injection->size;
  frame.size = static_cast<uint32_t>(std::min<size_t>(injection->size, frame.buffer.size()));
  frame.ifindex = injection->ifindex;
  frame.vlan = injection->vlan;
  frame.checksum_partial = false;
  std::memcpy(frame.buffer.data(), injection->data, frame.size);
  SlotMark& slot = slots_[packet.slot];
  slot.mark = injection->mark;
  slot.injection = injection;
  packet.ingress.first_layer = first_depth(injection->kind);
  packet.ingress.injection = &slot.mark;
}

void Injections::refused(Packet& packet, Drop reason) {
  Injection* injection = std::exchange(slots_[packet.slot].injection, nullptr);
  if (injection == nullptr) return;
  settle(*injection,
         reason == Drop::InterfaceGone ? STATUS_DEVICE_REMOVED : STATUS_DATA_NOT_ACCEPTED);
}

void Injections::classified(Packet& packet, Verdict verdict) {
  Injection* injection = std::exchange(slots_[packet.slot].injection, nullptr);
  if (injection == nullptr) return;
  if (verdict == Verdict::Absorb && packet.borrowed != nullptr) {
    injection->slot_list = reinterpret_cast<NET_BUFFER_LIST*>(
        const_cast<char*>(reinterpret_cast<const char*>(packet.borrowed)) -
        offsetof(NET_BUFFER_LIST, ChildRefCount));
    // The slot is not used again before its list's status has been read.
    __atomic_add_fetch(&injection->slot_list->ChildRefCount, 1, __ATOMIC_RELAXED);
  }
  settle(*injection, verdict == Verdict::Block ? STATUS_ACCESS_DENIED : STATUS_SUCCESS);
}

// --- the end -------------------------------------------------------------------------------------

bool Injections::is_held(const Injection& injection) const {
  if (injection.shown && injection.shown_as().children() > 0) return true;
  return injection.slot_list != nullptr &&
         __atomic_load_n(&injection.slot_list->ChildRefCount, __ATOMIC_ACQUIRE) > 1;
}

void Injections::settle(Injection& injection, NTSTATUS status) {
  injection.fate = status;
  if (is_held(injection)) {
    injection.held = true;
    held_.push_back(&injection);
  } else {
    count_part(injection);
  }
}

void Injections::look_at_held() {
  auto kept = held_.begin();
  for (Injection* injection : held_) {
    if (is_held(*injection)) {
      *kept++ = injection;
      continue;
    }
    injection->held = false;
    if (injection->counted) {
      free_if_done(*injection);
    } else {
      count_part(*injection);
    }
  }
  held_.erase(kept, held_.end());
}

// Its fate is known, and waits for nobody.
void Injections::count_part(Injection& injection) {
  NTSTATUS status = injection.fate;
  if (NT_SUCCESS(status) && injection.shown) {
    status = __atomic_load_n(&injection.shown_as().list.Status, __ATOMIC_RELAXED);
  }
  if (injection.slot_list != nullptr) {
    NET_BUFFER_LIST& list = *std::exchange(injection.slot_list, nullptr);
    if (NT_SUCCESS(status)) status = __atomic_load_n(&list.Status, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&list.ChildRefCount, 1, __ATOMIC_RELEASE);
  }
  injection.counted = true;
  Injection& first = *injection.first;
  if (NT_SUCCESS(first.list_status)) first.list_status = status;
  first.list_looped = first.list_looped || injection.looped;
  if (--first.parts_left == 0) ready_.push_back(&first);
  if (&first != &injection) free_if_done(injection);
}

void Injections::free_if_done(Injection& injection) {
  if (injection.held || (injection.first == &injection && !injection.completed)) return;
  if (injection.reply != nullptr) {
    free_replies_.push_back(&injection);
  } else {
    freed_.push(injection);
  }
}

// What is held by others, or waits for the receiver, would keep its handle's owner waiting.
void Injections::cancel_closing() {
  Fifo inbound;
  std::vector<Injection*>& held = held_;
  const auto is_closing = [this](const Injection& injection) {
    Lock lock(mutex_);
    return refusing_ || handles_[injection.handle].closing;
  };
  inbound = std::exchange(inbound_, {});
  while (Injection* injection = inbound.pop()) {
    if (is_closing(*injection)) {
      settle(*injection, STATUS_CANCELLED);
    } else {
      inbound_.push(*injection);
    }
  }
  for (Injection* injection : held) {
    if (injection->reply != nullptr || injection->counted || !is_closing(*injection)) continue;
    if (NT_SUCCESS(injection->fate)) injection->fate = STATUS_CANCELLED;
    count_part(*injection);
  }
}

void Injections::complete(Injection& first) {
  first.completed = true;
  if (first.awaited) ended_.push_back({first.handle, first.list_status, first.list_looped});
  if (first.list_looped && !first.abandoned.load()) {
    first.driver->breach(function_name(first.kind),
                         "injected what has been injected as often as is allowed: drivers answer "
                         "each other's injections; it ended here");
  }
  if (first.awaited && first.list != nullptr && !first.abandoned.load()) give_list_back(first);
  free_if_done(first);
}

// Completes what is ready, then lets the others see what has ended.
void Injections::end_pump() {
  // A completion may inject, but not make anything ready.
  for (size_t i = 0; i < ready_.size(); ++i) complete(*ready_[i]);
  ready_.clear();
  streams_->complete();
  Lock lock(mutex_);
  streams_->free_done();
  if (server_ != nullptr) count_replies(handles_[server_place_]);
  for (const Ended& ended : ended_) {
    Handle& handle = handles_[ended.handle];
    ++handle.counts.ended[static_cast<size_t>(end_of(ended.status))];
    if (ended.loop) {
      ++handle.counts.loops_cut;
      ++loops_cut_;
    }
    if (--handle.pending == 0 && handle.deserted) retire(handle);
  }
  ended_.clear();
  for (Injection* injection = freed_.first; injection != nullptr; injection = injection->next) {
    injection->driver = nullptr;
  }
  // Those that are still warm in the cache are used first.
  free_.prepend(freed_);
  replies_held_ = static_cast<size_t>(std::count_if(
      held_.begin(), held_.end(), [](const Injection* held) { return held->reply != nullptr; }));
  held_seen_ = held_.size() - replies_held_;
  pumping_ = false;
  ++pumps_;
  if (!closing_flag_.load()) return;
  const bool closing = std::any_of(handles_.begin(), handles_.end(), [](const Handle& handle) {
    return handle.closing && handle.pending != 0;
  });
  closing_flag_.store(closing);
  ended_condition_.notify_all();
}

void Injections::abandon(Now now) {
  {
    Lock lock(mutex_);
    refusing_ = true;
    closing_flag_.store(true);
  }
  // Nothing new comes in; what has not begun begins, and is cancelled.
  do {
    queue_.abandon(ECANCELED);
    pump(now);
  } while (started_.first != nullptr || transmitting_ != 0 || !ready_.empty());
}

void Injections::warn_held(Now now) {
  if (held_warned_ns_ != 0 && now.boot_ns - held_warned_ns_ < kHeldWarnPeriodNs) return;
  held_warned_ns_ = now.boot_ns;
  log_.warning("packet callouts hold many packets; injections wait for them",
               {{"held", held_.size()}, {"most", kDriverInjectionsMax}});
}

}  // namespace hookline::inject
