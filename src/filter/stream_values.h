// What callouts and the conditions of filters are shown of a stream at STREAM_V4, and the lists
// that its bytes are shown by. Packet thread.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "filter/layers.h"
#include "filter/stream_queue.h"
#include "hookline/fwp.h"
#include "line/net_buffers.h"

namespace hookline::filter {

// The layer's place in layers().
int stream_layer();

// The values of one direction of a connection; they stay the same for its whole life.
class StreamValues {
 public:
  // `traffic` as the connection was accepted: inbound.
  void fill(const Traffic& traffic, Direction direction, uint64_t flow_handle);

  const FWPS_INCOMING_VALUES0& values() const { return values_; }
  const FWPS_INCOMING_METADATA_VALUES0& metadata() const { return metadata_; }
  std::span<const FWPS_INCOMING_VALUE0> list() const { return list_; }

 private:
  std::array<FWPS_INCOMING_VALUE0, FWPS_FIELD_STREAM_V4_MAX> list_{};
  FWPS_INCOMING_VALUES0 values_{};
  FWPS_INCOMING_METADATA_VALUES0 metadata_{};
};

// One segment of a queue as a NET_BUFFER_LIST.
struct StreamShown {
  Indication indication;
  StreamChunk* chunk = nullptr;  // one reference
  uint32_t bytes = 0;
  // To whom it was shown.
  uint64_t flow = 0;
  Direction direction = Direction::Inbound;
  uint64_t stage = 0;
};

class StreamLists {
 public:
  explicit StreamLists(StreamChunks& chunks) : chunks_(chunks) {}
  // REQUIRES: nobody looks at what is held any more.
  ~StreamLists();
  StreamLists(const StreamLists&) = delete;
  StreamLists& operator=(const StreamLists&) = delete;

  // The chain of the queue's first `bytes` bytes, for one call of a classifyFn.
  NET_BUFFER_LIST* show(const StreamQueue& queue, size_t bytes);
  // The call is over. What clones or references were made of is kept, and said in `held`.
  struct Held {
    size_t lists = 0;
    size_t bytes = 0;
  };
  Held hide(uint64_t flow, Direction direction, uint64_t stage);
  // Forgets what nobody holds any more: calls f(const StreamShown&) for each.
  template <class F>
  void release(F f) {
    for (size_t i = 0; i < held_.size();) {
      if (held_[i]->indication.children() > 0) {
        ++i;
        continue;
      }
      f(static_cast<const StreamShown&>(*held_[i]));
      recycle(std::move(held_[i]));
      held_[i] = std::move(held_.back());
      held_.pop_back();
    }
  }
  bool any_held() const { return !held_.empty(); }

 private:
  void recycle(std::unique_ptr<StreamShown> shown);

  StreamChunks& chunks_;
  std::vector<std::unique_ptr<StreamShown>> shown_;
  std::vector<std::unique_ptr<StreamShown>> held_;
  std::vector<std::unique_ptr<StreamShown>> free_;
};

}  // namespace hookline::filter
