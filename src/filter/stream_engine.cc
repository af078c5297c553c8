#include "filter/stream_engine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/limits.h"

namespace hookline::filter {
namespace {

// Lists of one direction that callouts hold before they are shown no more of it.
constexpr size_t kHeldListsMax = 4096;
// Lists that one call shows.
constexpr size_t kShownListsMax = 1024;

// The first bytes of a queue that are, or are not, the callout's own.
size_t leading(const StreamQueue& queue, uint32_t callout, bool own, size_t segments_max) {
  size_t bytes = 0;
  for (const StreamSegment& segment : queue.segments()) {
    const bool is_own = callout != 0 && segment.injected_by == callout;
    if (is_own != own || segments_max-- == 0) break;
    bytes += segment.bytes;
  }
  return bytes;
}

}  // namespace

StreamEngine::StreamEngine(Engine& engine, io::Wakeups* wakeups)
    : engine_(engine), flows_(engine.flows()), wakeups_(wakeups) {}

StreamEngine::~StreamEngine() {
  for (auto& connection : connections_) {
    if (connection != nullptr && connection->id != 0) close(connection.get(), End::Shutdown);
  }
  take_requests();
}

// --- the owner of the socket ---------------------------------------------------------------------

StreamFlow* StreamEngine::open(const Traffic& traffic) {
  packet_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  const auto free = std::find_if(connections_.begin(), connections_.end(),
                                 [](const auto& c) { return c == nullptr || c->id == 0; });
  const uint64_t id = free == connections_.end() ? 0 : flows_.open_tcp(traffic);
  if (id == 0) {
    counts_.refused.add();
    return nullptr;
  }
  *free = std::make_unique<StreamConnection>(*this);
  StreamConnection& connection = **free;
  connection.id = id;
  connection.traffic = traffic;
  connection.traffic.flow_handle = id;
  for (const Direction direction : {Direction::Outbound, Direction::Inbound}) {
    StreamLane& lane = connection.lane(direction);
    lane.direction = direction;
    lane.values.fill(connection.traffic, direction, id);
  }
  counts_.opened.add();
  ++open_;
  {
    const ReadGuard guard(engine_.section());
    follow(connection);
  }
  publish_known(connection);
  return &connection;
}

void StreamEngine::close(StreamFlow* flow, End how) {
  auto& connection = static_cast<StreamConnection&>(*flow);
  CHECK(connection.id != 0 && !running_, "a connection is closed once, and not by a callout");
  take_requests();
  const bool by_callout = connection.must_reset();
  if (how != End::Closed && connection.admission() == Admission::Open) tell_abort(connection);
  {
    const std::lock_guard lock(mutex_);
    for (Known& known : known_) {
      if (known.flow == connection.id) known = Known{};
    }
  }
  take_requests();
  const int32_t status = how == End::Shutdown               ? STATUS_CANCELLED
                         : how == End::Closed || by_callout ? STATUS_CONNECTION_ABORTED
                                                            : STATUS_CONNECTION_RESET;
  for (StreamLane& lane : connection.lanes) {
    lane.out.drop(lane.out.bytes(), chunks_, *this, status);
    for (size_t i = lane.stages.size(); i-- > 0;) {
      StreamQueue& queue = lane.stages[i].queue;
      queue.drop(queue.bytes(), chunks_, *this, status);
    }
    lane = StreamLane{};
  }
  flows_.close_tcp(connection.id);
  connection.id = 0;
  --open_;
}

bool StreamEngine::pump(Now now) {
  packet_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  woken_.store(false);
  flows_.pump(now);
  bool changed = flows_.take_tcp_changes();
  if (requested_.load()) {
    take_requests();
    changed = true;
  }
  if (lists_.any_held() && release_held()) changed = true;
  const bool other_filters = open_ != 0 && [&] {
    const uint64_t version = engine_.tables_version();
    return std::any_of(connections_.begin(), connections_.end(), [&](const auto& c) {
      return c != nullptr && c->id != 0 && c->version != version;
    });
  }();
  if (!other_filters && !std::exchange(any_dirty_, false)) return changed;
  for (auto& connection : connections_) {
    if (connection == nullptr || connection->id == 0) continue;
    if (connection->dirty || other_filters) run(*connection);
  }
  return true;
}

Admission StreamConnection::admission() const { return engine.flows_.admission(id); }

bool StreamConnection::must_reset() const { return dropped || engine.flows_.must_abort(id); }

size_t StreamConnection::room(Direction direction) const { return engine.room(*this, direction); }

void StreamConnection::put(Direction direction, Bytes bytes) {
  engine.put(*this, direction, bytes);
}

void StreamConnection::finish(Direction direction) { engine.finish(*this, direction); }

Bytes StreamConnection::passed(Direction direction) const {
  const StreamQueue& out = lane(direction).out;
  if (out.bytes() == 0 || must_reset()) return {};
  const StreamSegment& first = out.segments().front();
  return {first.data(), first.bytes};
}

void StreamConnection::take(Direction direction, size_t bytes) {
  lane(direction).out.drop(bytes, engine.chunks_, engine, STATUS_SUCCESS);
}

bool StreamConnection::finished(Direction direction) const {
  const StreamQueue& out = lane(direction).out;
  return out.bytes() == 0 && out.has_end();
}

// What a callout asks to have together has room of its own.
size_t StreamEngine::room(const StreamConnection& connection, Direction direction) const {
  const StreamLane& lane = connection.lane(direction);
  if (lane.finished || connection.must_reset() || connection.admission() != Admission::Open) {
    return 0;
  }
  if (lane.held_bytes >= kStreamGatheredBytesMax || lane.held_lists >= kHeldListsMax) return 0;
  size_t buffered = lane.out.bytes();
  for (const StreamStage& stage : lane.stages) {
    if (stage.deferred) return 0;
    if (!stage.gathering) buffered += stage.queue.bytes();
  }
  if (buffered >= kStreamBufferedBytesMax) return 0;
  // Half of the chunks are for what drivers inject.
  const size_t out = chunks_.out();
  if (out >= kStreamChunksMax / 2) return 0;
  return std::min(kStreamBufferedBytesMax - buffered,
                  (kStreamChunksMax / 2 - out) * kStreamChunkBytes);
}

void StreamEngine::put(StreamConnection& connection, Direction direction, Bytes bytes) {
  if (requested_.load(std::memory_order_relaxed)) take_requests();
  if (connection.version != engine_.tables_version()) {
    const ReadGuard guard(engine_.section());
    follow(connection);
  }
  StreamLane& lane = connection.lane(direction);
  // What was injected since the caller asked for room() may have taken it: then it is a bit more.
  CHECK(!lane.finished && bytes.size() <= kStreamBufferedBytesMax,
        "no more is put than there is room for");
  lane.entered += bytes.size();
  StreamQueue& first = lane.queue(0);
  // A callout has ended this direction: what comes behind is nobody's.
  if (first.closed()) return;
  const size_t copied = first.copy_in(chunks_, bytes);
  if (copied != bytes.size()) return drop(connection);  // no memory: the rest would be lost
  if (!lane.stages.empty()) run(connection);
}

void StreamEngine::finish(StreamConnection& connection, Direction direction) {
  StreamLane& lane = connection.lane(direction);
  CHECK(!std::exchange(lane.finished, true), "a direction is finished once");
  if (requested_.load(std::memory_order_relaxed)) take_requests();
  lane.queue(0).close(0);
  run(connection);
}

void StreamEngine::drop(StreamConnection& connection) {
  if (std::exchange(connection.dropped, true)) return;
  counts_.dropped.add();
}

// --- the way -------------------------------------------------------------------------------------

void StreamEngine::run(StreamConnection& connection) {
  connection.dirty = true;
  if (running_) {
    any_dirty_ = true;
    return;
  }
  const ReadGuard guard(engine_.section());
  running_ = true;
  if (connection.version != engine_.tables_version()) follow(connection);
  while (std::exchange(connection.dirty, false)) {
    for (StreamLane& lane : connection.lanes) {
      while (advance(connection, lane)) {
      }
    }
    // What other threads have asked for meanwhile.
    if (requested_.load(std::memory_order_relaxed)) take_requests();
  }
  running_ = false;
}

bool StreamEngine::advance(StreamConnection& connection, StreamLane& lane) {
  bool moved = false;
  for (size_t i = 0; i < lane.stages.size(); ++i) {
    while (!connection.must_reset() && step(connection, lane, i)) moved = true;
  }
  return moved;
}

// False: nothing can go on here for now.
bool StreamEngine::step(StreamConnection& connection, StreamLane& lane, size_t at) {
  StreamStage& stage = lane.stages[at];
  StreamQueue& queue = stage.queue;
  if (queue.empty() || stage.leaving || stage.deferred) return false;
  if (!stage.concerned || stage.allowed) {
    if (queue.bytes() != 0) pass(lane, at, queue.bytes(), at + 1);
    if (queue.has_end()) pass_end(lane, at, at + 1);
    return true;
  }
  if (queue.bytes() == 0) return step_end(connection, lane, at);
  if (const size_t own = leading(queue, stage.callout_id(), true, SIZE_MAX); own != 0) {
    pass(lane, at, own, at + 1);
    return true;
  }
  if (lane.held_lists >= kHeldListsMax || lane.held_bytes >= 2 * kStreamGatheredBytesMax) {
    return false;
  }
  const size_t together = leading(queue, stage.callout_id(), false, kShownListsMax);
  const size_t bytes = std::min(together, kStreamGatheredBytesMax);
  const bool at_limit = bytes == kStreamGatheredBytesMax || bytes < queue.bytes();
  const bool no_more = bytes == queue.bytes() && queue.closed();
  uint32_t out_flags = 0;
  if (stage.gathering) {
    if (bytes < stage.wanted && !at_limit && !no_more) return false;
    if (at_limit) out_flags |= FWPS_CLASSIFY_OUT_FLAG_BUFFER_LIMIT_REACHED;
    if (no_more) out_flags |= FWPS_CLASSIFY_OUT_FLAG_NO_MORE_DATA;
  }
  const Saying saying = ask(connection, lane, at, bytes, out_flags, 0);
  apply(connection, lane, at, saying, out_flags != 0);
  return !stage.deferred && !connection.dropped &&
         (saying.what != Saying::More || at_limit || no_more);
}

// Nothing is in front of the end any more.
bool StreamEngine::step_end(StreamConnection& connection, StreamLane& lane, size_t at) {
  StreamStage& stage = lane.stages[at];
  const bool own = stage.callout_id() != 0 && stage.queue.ended_by() == stage.callout_id();
  if (!own && !stage.end_permitted) {
    const bool in = lane.direction == Direction::Inbound;
    const Saying saying =
        ask(connection, lane, at, 0, 0,
            in ? FWPS_STREAM_FLAG_RECEIVE_DISCONNECT : FWPS_STREAM_FLAG_SEND_DISCONNECT);
    switch (saying.what) {
      case Saying::Block:
        stage.queue.drop_end();
        return true;
      case Saying::Drop:
        drop(connection);
        return false;
      case Saying::Defer:
        stage.deferred = true;
        counts_.deferred.add();
        return false;
      case Saying::More:
        breach(stage, "NEED_MORE_DATA behind the end of the stream: the end goes on");
        break;
      default:
        break;
    }
    stage.end_permitted = true;
  }
  // What it took out, and still has, comes before.
  if (stage.held_lists != 0) return false;
  pass_end(lane, at, behind_permit(lane, at));
  return true;
}

// Where what this stage permits goes on: behind its sublayer, unless others there keep bytes.
size_t StreamEngine::behind_permit(StreamLane& lane, size_t at) const {
  size_t to = at + 1;
  while (to < lane.stages.size() && lane.stages[to].sublayer == lane.stages[at].sublayer) {
    const StreamStage& stage = lane.stages[to];
    if (!stage.queue.empty() || stage.held_lists != 0) return at + 1;
    ++to;
  }
  return to;
}

void StreamEngine::pass(StreamLane& lane, size_t at, size_t bytes, size_t to) {
  StreamStage& stage = lane.stages[at];
  StreamQueue& target = lane.queue(to);
  if (!target.closed()) {
    stage.queue.move(bytes, target, chunks_);
    return;
  }
  stage.queue.drop(bytes, chunks_, *this, STATUS_CONNECTION_DISCONNECTED);
}

// Those who are passed over must not let anything in behind it either.
void StreamEngine::pass_end(StreamLane& lane, size_t at, size_t to) {
  for (size_t i = at + 1; i < to; ++i) lane.stages[i].queue.set_closed();
  lane.stages[at].queue.move_end(lane.queue(to));
}

void StreamEngine::apply(StreamConnection& connection, StreamLane& lane, size_t at,
                         const Saying& saying, bool last_chance) {
  StreamStage& stage = lane.stages[at];
  const bool was_gathering = std::exchange(stage.gathering, false);
  switch (saying.what) {
    case Saying::Continue:
    case Saying::Permit: {
      const size_t to = saying.what == Saying::Permit ? behind_permit(lane, at) : at + 1;
      if (lane.queue(to).closed()) {
        breach(stage, "permits bytes behind the end that it has injected: they are dropped");
      }
      return pass(lane, at, saying.bytes, to);
    }
    case Saying::Block:
      counts_.blocked_bytes.add(saying.bytes);
      return stage.queue.drop(saying.bytes, chunks_, *this,
                              saying.cloned ? STATUS_SUCCESS : STATUS_ACCESS_DENIED);
    case Saying::More:
      if (last_chance) {
        breach(stage,
               "NEED_MORE_DATA although there is no more (BUFFER_LIMIT_REACHED, NO_MORE_DATA): "
               "the bytes go on");
        return pass(lane, at, leading(stage.queue, stage.callout_id(), false, SIZE_MAX), at + 1);
      }
      stage.gathering = true;
      stage.wanted = saying.bytes;
      if (!was_gathering) counts_.gathered.add();
      return;
    case Saying::Drop:
      return drop(connection);
    case Saying::Defer:
      stage.deferred = true;
      counts_.deferred.add();
      return;
    case Saying::Allow:
      for (StreamLane& each : connection.lanes) {
        for (StreamStage& other : each.stages) {
          if (other.callout_id() == stage.callout_id()) other.allowed = true;
        }
      }
      connection.dirty = true;
      return;
  }
}

}  // namespace hookline::filter
