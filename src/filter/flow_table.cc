#include "filter/flow_table.h"

#include <bit>

#include "base/check.h"
#include "filter/mix.h"

namespace hookline::filter {
namespace {

bool is_everybodys(Ipv4 address) { return !address || address == kBroadcast; }

}  // namespace

FlowKey FlowKey::of(const Traffic& traffic) {
  const bool on_link = is_everybodys(traffic.local) || is_everybodys(traffic.remote);
  return {traffic.local.value, traffic.remote.value, on_link ? traffic.ifindex : 0,
          traffic.local_port,  traffic.remote_port,  traffic.protocol};
}

void FlowTable::reserve(size_t places, uint64_t seed) {
  if (is_reserved()) return;
  seed_ = seed;
  buckets_.assign(std::bit_ceil(2 * places), kNone);
  entries_.resize(places);
  for (auto i = static_cast<uint32_t>(places); i-- > 0;) {
    entries_[i].next = free_;
    free_ = i;
  }
}

size_t FlowTable::hash(const FlowKey& key) const {
  const uint64_t addresses = uint64_t{key.local} << 32 | key.remote;
  const uint64_t rest = uint64_t{key.local_port} << 48 | uint64_t{key.remote_port} << 32 |
                        uint64_t{key.protocol} << 24 | (key.ifindex & 0xFFFFFF);
  return mix(mix(addresses + seed_) + rest) & (buckets_.size() - 1);
}

uint32_t FlowTable::find(const FlowKey& key) const {
  uint32_t place = buckets_[hash(key)];
  while (place != kNone && entries_[place].flow.key != key) place = entries_[place].next;
  return place;
}

void FlowTable::take_out(uint32_t place) {
  const Entry& entry = entries_[place];
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
}

void FlowTable::put_first(uint32_t place) {
  Entry& entry = entries_[place];
  entry.newer = kNone;
  entry.older = newest_;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = place;
  newest_ = place;
}

void FlowTable::touch(uint32_t place) {
  if (place == newest_) return;
  take_out(place);
  put_first(place);
}

uint32_t FlowTable::oldest() const {
  uint32_t place = oldest_;
  while (place != kNone && entries_[place].flow.holds != 0) place = entries_[place].newer;
  return place;
}

uint32_t FlowTable::add(const FlowKey& key) {
  CHECK(!is_full(), "the caller has made room");
  const uint32_t place = free_;
  Entry& entry = entries_[place];
  free_ = entry.next;
  entry.flow = Flow{};
  entry.flow.key = key;
  uint32_t& bucket = bucket_of(key);
  entry.next = bucket;
  bucket = place;
  put_first(place);
  ++size_;
  return place;
}

void FlowTable::remove(uint32_t place) {
  Entry& entry = entries_[place];
  CHECK(entry.flow.holds == 0, "a flow that is being classified keeps its place");
  uint32_t* link = &bucket_of(entry.flow.key);
  while (*link != place) link = &entries_[*link].next;
  *link = entry.next;
  take_out(place);
  entry.next = free_;
  free_ = place;
  --size_;
}

}  // namespace hookline::filter
