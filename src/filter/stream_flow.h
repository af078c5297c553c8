// One connection on its way through the STREAM layer: in each direction a queue in front of every
// filter that stands there, and one behind them all. For stream_*.cc only. Packet thread.
#pragma once

#include <cstdint>
#include <vector>

#include "filter/stream_queue.h"
#include "filter/stream_values.h"
#include "filter/tables.h"
#include "line/streams.h"

namespace hookline::filter {

class StreamEngine;

// A filter in one direction of one connection, and what it has asked for.
struct StreamStage {
  StreamQueue queue;  // what it has not decided yet
  TableFilter entry;
  const SubLayer* sublayer = nullptr;
  uint64_t number = 0;     // of this stage, never used twice
  bool concerned = false;  // its conditions hold in this direction
  // Its filter is gone, but its callout still has clones of what it took out of the stream: what
  // comes behind waits until it has put it back, or has freed them.
  bool leaving = false;
  bool allowed = false;   // ALLOW_CONNECTION: not asked any more
  bool deferred = false;  // until FwpsStreamContinue0
  bool gathering = false;
  size_t wanted = 0;      // gathering: bytes in the queue before it is asked again
  uint64_t missed = 0;    // bytes that had passed before it was there
  size_t held_lists = 0;  // that clones and references are out of
  bool end_permitted = false;
  // Which of the ways that must not be mixed it went.
  bool permitted = false;
  bool out_of_band = false;
  bool injected = false;
  bool continued = false;
  bool told_ways = false, told_mix = false;  // each breach once

  uint32_t callout_id() const { return entry.callout != nullptr ? entry.callout->id() : 0; }
};

struct StreamLane {
  Direction direction = Direction::Inbound;
  std::vector<StreamStage> stages;  // the heaviest first
  StreamQueue out;                  // what has passed
  StreamValues values;
  bool finished = false;  // finish() was called
  uint64_t entered = 0;   // bytes
  size_t held_lists = 0;  // of all stages
  size_t held_bytes = 0;

  StreamQueue& queue(size_t stage) { return stage < stages.size() ? stages[stage].queue : out; }
};

class StreamConnection final : public StreamFlow {
 public:
  explicit StreamConnection(StreamEngine& its_engine) : engine(its_engine) {}

  uint64_t handle() const override { return id; }
  Admission admission() const override;
  size_t room(Direction direction) const override;
  void put(Direction direction, Bytes bytes) override;
  void finish(Direction direction) override;
  Bytes passed(Direction direction) const override;
  void take(Direction direction, size_t bytes) override;
  bool finished(Direction direction) const override;
  bool must_reset() const override;

  StreamLane& lane(Direction direction) { return lanes[static_cast<size_t>(direction)]; }
  const StreamLane& lane(Direction direction) const {
    return lanes[static_cast<size_t>(direction)];
  }
  bool is_fresh() const {
    return lanes[0].entered + lanes[1].entered == 0 && !lanes[0].finished && !lanes[1].finished;
  }

  StreamEngine& engine;
  uint64_t id = 0;       // 0: free
  uint64_t version = 0;  // of the tables that its stages were made of
  Traffic traffic;
  StreamLane lanes[2];
  bool dropped = false;  // a callout or filter wants it reset
  bool dirty = false;    // something may move
};

}  // namespace hookline::filter
