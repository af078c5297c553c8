#include "line/packet.h"

namespace hookline {

PacketPool::PacketPool(size_t count) : count_(count), slots_(new Packet[count]) {
  free_.reserve(count);
  // Last in, first out: under light load the same few slots stay warm in the cache.
  for (size_t i = count; i > 0; --i) free_.push_back(&slots_[i - 1]);
}

PacketHandle PacketPool::take() {
  CHECK(!free_.empty(), "the caller asked available() before");
  Packet* packet = free_.back();
  free_.pop_back();
  packet->message.options.clear();
  packet->reply_type = MessageType::None;
  packet->request_size = 0;
  packet->reply_size = 0;
  packet->traced = false;
  packet->callout_context = nullptr;
  packet->grant = Grant{};
  return PacketHandle(packet);
}

void PacketPool::give_back(PacketHandle packet) {
  CHECK(packet.get() >= &slots_[0] && packet.get() < &slots_[0] + count_, "a slot of this pool");
  free_.push_back(packet.release());
}

}  // namespace hookline
