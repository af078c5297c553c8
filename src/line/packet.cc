#include "line/packet.h"

#include <new>
#include <type_traits>

namespace hookline {

static_assert(std::is_trivially_destructible_v<Packet>, "the pool's memory just goes");

namespace {

bool is_borrowed(const Packet& packet) {
  return packet.borrowed != nullptr && __atomic_load_n(packet.borrowed, __ATOMIC_ACQUIRE) != 0;
}

}  // namespace

PacketPool::PacketPool(size_t count)
    : count_(count), memory_(count * sizeof(Packet)), slots_(static_cast<Packet*>(memory_.data())) {
  free_.reserve(count);
  lingering_.reserve(count);
  // Last in, first out: under light load the same few slots stay warm in the cache.
  for (size_t i = count; i > 0; --i) {
    new (&slots_[i - 1]) Packet;
    slots_[i - 1].slot = static_cast<uint32_t>(i - 1);
    free_.push_back(&slots_[i - 1]);
  }
}

PacketHandle PacketPool::take() {
  CHECK(!free_.empty(), "the caller asked available() before");
  Packet* packet = free_.back();
  free_.pop_back();
  packet->message.options.clear();
  packet->reply_type = MessageType::None;
  packet->request_size = 0;
  packet->ingress.first_layer = Depth::Mac;
  packet->ingress.injection = nullptr;
  packet->reply_size = 0;
  packet->traced = false;
  packet->probes = 0;
  packet->reply_edited = false;
  packet->grant = Grant{};
  return PacketHandle(packet);
}

void PacketPool::give_back(PacketHandle packet) {
  CHECK(packet.get() >= &slots_[0] && packet.get() < &slots_[0] + count_, "a slot of this pool");
  if (is_borrowed(*packet)) {
    lingering_.push_back(packet.release());
  } else {
    free_.push_back(packet.release());
  }
}

void PacketPool::reclaim() {
  std::erase_if(lingering_, [this](Packet* packet) {
    if (is_borrowed(*packet)) return false;
    free_.push_back(packet);
    return true;
  });
}

}  // namespace hookline
