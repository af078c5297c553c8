#include "filter/stream_values.h"

#include <algorithm>
#include <cstring>

#include "filter/values.h"

namespace hookline::filter {
namespace {

constexpr size_t kFreeShownMax = 64;  // kept for the next

}  // namespace

int stream_layer() {
  static const int kLayer = find_layer("STREAM_V4");
  return kLayer;
}

void StreamValues::fill(const Traffic& traffic, Direction direction, uint64_t flow_handle) {
  const auto set = [this](int field, FWP_DATA_TYPE type) -> FWP_VALUE0& {
    FWP_VALUE0& value = list_[static_cast<size_t>(field)].value;
    value.type = type;
    return value;
  };
  set(FWPS_FIELD_STREAM_V4_IP_LOCAL_ADDRESS, FWP_UINT32).uint32 = traffic.local.value;
  set(FWPS_FIELD_STREAM_V4_IP_LOCAL_ADDRESS_TYPE, FWP_UINT8).uint8 = kUnicast;
  set(FWPS_FIELD_STREAM_V4_IP_REMOTE_ADDRESS, FWP_UINT32).uint32 = traffic.remote.value;
  set(FWPS_FIELD_STREAM_V4_IP_LOCAL_PORT, FWP_UINT16).uint16 = traffic.local_port;
  set(FWPS_FIELD_STREAM_V4_IP_REMOTE_PORT, FWP_UINT16).uint16 = traffic.remote_port;
  set(FWPS_FIELD_STREAM_V4_DIRECTION, FWP_UINT32).uint32 = static_cast<uint32_t>(direction);
  set(FWPS_FIELD_STREAM_V4_FLAGS, FWP_UINT32).uint32 = 0;
  values_.layerId = FWPS_LAYER_STREAM_V4;
  values_.valueCount = FWPS_FIELD_STREAM_V4_MAX;
  values_.incomingValue = list_.data();
  std::memset(&metadata_, 0, sizeof metadata_);
  metadata_.currentMetadataValues =
      FWPS_METADATA_FIELD_FLOW_HANDLE | FWPS_METADATA_FIELD_COMPARTMENT_ID |
      FWPS_METADATA_FIELD_PACKET_DIRECTION | FWPS_METADATA_FIELD_TRANSPORT_ENDPOINT_HANDLE;
  metadata_.flowHandle = flow_handle;
  metadata_.compartmentId = kCompartment;
  metadata_.packetDirection =
      direction == Direction::Inbound ? FWP_DIRECTION_INBOUND : FWP_DIRECTION_OUTBOUND;
  metadata_.transportEndpointHandle = endpoint_of(traffic);
}

StreamLists::~StreamLists() {
  for (auto& shown : held_) chunks_.drop(shown->chunk);
}

NET_BUFFER_LIST* StreamLists::show(const StreamQueue& queue, size_t bytes) {
  NET_BUFFER_LIST* first = nullptr;
  for (const StreamSegment& segment : queue.segments()) {
    if (bytes == 0) break;
    const size_t piece = std::min<size_t>(bytes, segment.bytes);
    bytes -= piece;
    std::unique_ptr<StreamShown> shown;
    if (free_.empty()) {
      shown = std::make_unique<StreamShown>();
    } else {
      shown = std::move(free_.back());
      free_.pop_back();
    }
    shown->chunk = segment.chunk;
    shown->bytes = static_cast<uint32_t>(piece);
    ++segment.chunk->references;
    shown->indication.describe({segment.data(), piece});
    NET_BUFFER_LIST* list = &shown->indication.list;
    (shown_.empty() ? first : shown_.back()->indication.list.Next) = list;
    shown_.push_back(std::move(shown));
  }
  return first;
}

StreamLists::Held StreamLists::hide(uint64_t flow, Direction direction, uint64_t stage) {
  Held held;
  for (auto& shown : shown_) {
    if (shown->indication.children() == 0) {
      recycle(std::move(shown));
      continue;
    }
    ++held.lists;
    held.bytes += shown->bytes;
    shown->flow = flow;
    shown->direction = direction;
    shown->stage = stage;
    held_.push_back(std::move(shown));
  }
  shown_.clear();
  return held;
}

void StreamLists::recycle(std::unique_ptr<StreamShown> shown) {
  chunks_.drop(shown->chunk);
  if (free_.size() < kFreeShownMax) free_.push_back(std::move(shown));
}

}  // namespace hookline::filter
