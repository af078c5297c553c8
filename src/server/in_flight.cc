#include "server/in_flight.h"

namespace hookline::server {

namespace {

bool same_message(const Packet& a, const Packet& b) {
  return a.message_hash == b.message_hash && a.message.xid == b.message.xid &&
         a.message.type == b.message.type && a.ingress.ifindex == b.ingress.ifindex &&
         a.ingress.vlan == b.ingress.vlan && a.message.giaddr == b.message.giaddr &&
         a.message.identity() == b.message.identity();
}

}  // namespace

InFlight::InFlight(uint64_t hash_seed) : hash_seed_(hash_seed), places_(kPlaces, nullptr) {}

size_t InFlight::home(const Packet& packet) { return packet.message_hash & (kPlaces - 1); }

bool InFlight::enter(Packet& packet) {
  packet.message_hash =
      static_cast<uint32_t>(packet.message.identity().hash(hash_seed_ ^ packet.message.xid));
  size_t place = home(packet);
  for (; places_[place] != nullptr; place = (place + 1) & (kPlaces - 1)) {
    if (same_message(*places_[place], packet)) return false;
  }
  CHECK(size_ < kPacketsMax, "there are no more packets than slots");
  places_[place] = &packet;
  ++size_;
  return true;
}

void InFlight::leave(const Packet& packet) {
  for (size_t place = home(packet); places_[place] != nullptr;
       place = (place + 1) & (kPlaces - 1)) {
    if (places_[place] != &packet) continue;
    close_gap(place);
    --size_;
    return;
  }
}

// Linear probing without tombstones: whatever was pushed past the gap moves back into it.
void InFlight::close_gap(size_t gap) {
  constexpr size_t kMask = kPlaces - 1;
  for (size_t next = (gap + 1) & kMask; places_[next] != nullptr; next = (next + 1) & kMask) {
    const size_t wanted = home(*places_[next]);
    if (((next - wanted) & kMask) < ((next - gap) & kMask)) continue;
    places_[gap] = places_[next];
    gap = next;
  }
  places_[gap] = nullptr;
}

}  // namespace hookline::server
