// Which filters stand in a connection's way, and what changes when filters come and go.
#include <algorithm>

#include "filter/stream_engine.h"

namespace hookline::filter {
namespace {

bool same_place(const StreamStage& stage, const TableFilter& entry) {
  return stage.entry.filter == entry.filter && stage.entry.callout == entry.callout;
}

}  // namespace

// Whether a filter that has come since the connection was opened is asked about it.
bool StreamEngine::belongs(StreamConnection& connection, const TableFilter& entry) const {
  if (connection.is_fresh() || entry.callout == nullptr) return true;
  return (entry.callout->flags() & FWP_CALLOUT_FLAG_ALLOW_MID_STREAM_INSPECTION) != 0;
}

// REQUIRES: inside a section of the engine.
void StreamEngine::follow(StreamConnection& connection) {
  // In this order: a version that is newer than the tables would hide them.
  const uint64_t version = engine_.tables_version();
  const Tables& tables = engine_.tables();
  if (connection.version == version) return;
  connection.version = version;
  for (StreamLane& lane : connection.lanes) rebuild(connection, lane, tables);
  connection.dirty = any_dirty_ = true;
  publish_known(connection);
}

void StreamEngine::remove_stage(StreamLane& lane, size_t at) {
  StreamQueue& next = lane.queue(at + 1);
  lane.stages[at].queue.move_all(next, chunks_, *this, STATUS_CONNECTION_DISCONNECTED);
  lane.stages.erase(lane.stages.begin() + static_cast<ptrdiff_t>(at));
}

// Those that stay keep what they have, in the order of the new tables.
void StreamEngine::rebuild(StreamConnection& connection, StreamLane& lane, const Tables& tables) {
  struct Wanted {
    const TableFilter* entry;
    const SubLayer* sublayer;
  };
  std::vector<Wanted> wanted;
  for (const TableSubLayer& sublayer : tables.layers[static_cast<size_t>(stream_layer())]) {
    for (const TableFilter& entry : sublayer.filters) {
      const Conditions& conditions = entry.filter->conditions;
      const bool concerned = conditions.hold(connection.lanes[0].values.list()) ||
                             conditions.hold(connection.lanes[1].values.list());
      if (concerned) wanted.push_back({&entry, sublayer.sublayer.get()});
    }
  }
  const auto is_wanted = [&](const StreamStage& stage) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const Wanted& w) { return same_place(stage, *w.entry); });
  };
  for (size_t i = lane.stages.size(); i-- > 0;) {
    StreamStage& stage = lane.stages[i];
    if (is_wanted(stage)) continue;
    stage.leaving = stage.held_lists != 0;
    stage.deferred = stage.gathering = false;
    if (!stage.leaving) remove_stage(lane, i);
  }
  size_t at = 0;
  for (const Wanted& w : wanted) {
    while (at < lane.stages.size() && lane.stages[at].leaving) ++at;
    if (at < lane.stages.size() && same_place(lane.stages[at], *w.entry)) {
      ++at;
      continue;
    }
    if (!belongs(connection, *w.entry)) continue;
    StreamStage stage;
    stage.entry = *w.entry;
    stage.sublayer = w.sublayer;
    stage.number = next_stage_++;
    stage.concerned = w.entry->filter->conditions.hold(lane.values.list());
    stage.missed = lane.entered;
    if (lane.queue(at).closed()) stage.queue.set_closed();
    lane.stages.insert(lane.stages.begin() + static_cast<ptrdiff_t>(at), std::move(stage));
    ++at;
  }
}

}  // namespace hookline::filter
