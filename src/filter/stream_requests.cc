// What callouts ask for outside of what they answer: injections, and streams that go on.
#include <algorithm>
#include <utility>

#include "filter/engine_change.h"
#include "filter/stream_engine.h"

namespace hookline::filter {

void StreamEngine::wake() {
  requested_.store(true);
  if (wakeups_ != nullptr && !woken_.exchange(true)) wakeups_->wake();
}

bool StreamEngine::knows(uint64_t flow, uint32_t callout) const {
  return std::any_of(known_.begin(), known_.end(), [&](const Known& known) {
    return known.flow == flow && flow != 0 &&
           std::find(known.callouts.begin(), known.callouts.end(), callout) != known.callouts.end();
  });
}

int32_t StreamEngine::inject(std::unique_ptr<StreamRequest>& request) {
  {
    const std::lock_guard lock(mutex_);
    if (!knows(request->flow, request->callout)) return STATUS_NOT_FOUND;
    injections_.push_back(std::move(request));
  }
  wake();
  // In a classifyFn it goes in front of what that is just shown.
  if (running_thread()) take_requests();
  return STATUS_SUCCESS;
}

NTSTATUS StreamEngine::resume(uint64_t flow, uint32_t callout, Direction direction) {
  {
    const std::lock_guard lock(mutex_);
    if (!knows(flow, callout)) return STATUS_NOT_FOUND;
    continues_.push_back({flow, callout, direction});
  }
  wake();
  return STATUS_SUCCESS;
}

bool StreamEngine::running_thread() const {
  return packet_thread_.load(std::memory_order_relaxed) == std::this_thread::get_id() && running_;
}

StreamConnection* StreamEngine::find(uint64_t flow) {
  for (auto& connection : connections_) {
    if (connection != nullptr && connection->id == flow && flow != 0) return connection.get();
  }
  return nullptr;
}

// Not while something goes on in it: the filters stay as they are until that is over.
StreamConnection* StreamEngine::find_followed(uint64_t flow) {
  StreamConnection* connection = find(flow);
  if (connection != nullptr && !running_) follow(*connection);
  return connection;
}

// Inside a classifyFn a stream does not go on: what defers it may not have been read yet. What was
// taken stands in a list of its own, for placing one lets bytes go on, and so may come here again:
// whatever is older goes first.
void StreamEngine::take_requests() {
  {
    const std::lock_guard lock(mutex_);
    requested_.store(false);
    for (auto& request : injections_) taken_.push_back(std::move(request));
    injections_.clear();
    taken_continues_.insert(taken_continues_.end(), continues_.begin(), continues_.end());
    continues_.clear();
  }
  // Whoever is named in what follows stays loaded until its end.
  const ReadGuard guard(engine_.section());
  while (!taken_.empty()) {
    const std::unique_ptr<StreamRequest> request = std::move(taken_.front());
    taken_.pop_front();
    place(*request);
  }
  while (!in_callout_ && !taken_continues_.empty()) {
    const Continue request = taken_continues_.front();
    taken_continues_.pop_front();
    resume_now(request);
  }
  if (!taken_continues_.empty()) requested_.store(true);
}

void StreamEngine::refuse(StreamRequest& request, int32_t status) {
  for (const StreamPiece& piece : request.pieces) {
    end({piece.chunk, piece.offset, piece.bytes, request.callout, piece.of}, piece.bytes, status);
    chunks_.drop(piece.chunk);
  }
}

void StreamEngine::place(StreamRequest& request) {
  counts_.injected_lists.add(request.lists.size());
  // A list without bytes ends as soon as it has its place.
  std::vector<StreamInjection*> empty;
  for (StreamInjection* list : request.lists) {
    list->placed = true;
    if (list->left == 0) empty.push_back(list);
  }
  StreamConnection* connection = find_followed(request.flow);
  int32_t status = STATUS_SUCCESS;
  if (connection == nullptr) {
    status = STATUS_CONNECTION_ABORTED;
  } else {
    StreamLane& lane = connection->lane(request.direction);
    const size_t at = place_of(lane, request.callout);
    if (at == lane.stages.size()) {
      status = STATUS_FWP_CALLOUT_NOT_FOUND;
    } else {
      StreamStage& stage = lane.stages[at];
      stage.injected = true;
      check_mix(stage);
      const size_t to = behind_permit(lane, at);
      StreamQueue& queue = lane.queue(to);
      if (queue.closed()) {
        status = STATUS_CONNECTION_DISCONNECTED;
      } else {
        for (const StreamPiece& piece : request.pieces) {
          counts_.injected_bytes.add(piece.bytes);
          queue.push(chunks_, {piece.chunk, piece.offset, piece.bytes, request.callout, piece.of});
        }
        if (request.end) {
          for (size_t i = at + 1; i < to; ++i) lane.stages[i].queue.set_closed();
          queue.close(request.callout);
        }
      }
      run(*connection);
    }
  }
  if (status != STATUS_SUCCESS) refuse(request, status);
  for (StreamInjection* list : empty) {
    list->status = status;
    counts_.ended_lists.add();
    endings_->ended(*list);
  }
}

// The callout's place in the stream: where it is asked, or would be in the other direction.
size_t StreamEngine::place_of(const StreamLane& lane, uint32_t callout) const {
  size_t found = lane.stages.size();
  for (size_t i = 0; i < lane.stages.size(); ++i) {
    if (lane.stages[i].callout_id() != callout) continue;
    if (lane.stages[i].concerned) return i;
    if (found == lane.stages.size()) found = i;
  }
  return found;
}

void StreamEngine::check_mix(StreamStage& stage) {
  if (!stage.injected || !stage.continued || std::exchange(stage.told_mix, true)) return;
  breach(stage, "FwpsStreamInjectAsync0 and FwpsStreamContinue0 for one stream");
}

void StreamEngine::resume_now(const Continue& request) {
  StreamConnection* connection = find_followed(request.flow);
  if (connection == nullptr) return;
  StreamLane& lane = connection->lane(request.direction);
  const auto of_it = [&](const StreamStage& stage) {
    return stage.callout_id() == request.callout && stage.deferred;
  };
  const auto deferred = std::find_if(lane.stages.begin(), lane.stages.end(), of_it);
  if (deferred == lane.stages.end()) {
    const size_t at = place_of(lane, request.callout);
    if (at != lane.stages.size()) {
      breach(lane.stages[at], "FwpsStreamContinue0 of a stream that it has not deferred: ignored");
    }
    return;
  }
  deferred->deferred = false;
  deferred->continued = true;
  counts_.continued.add();
  check_mix(*deferred);
  run(*connection);
}

void StreamEngine::end(const StreamSegment& segment, size_t bytes, int32_t status) {
  if (segment.of == nullptr) return;
  StreamInjection& list = *segment.of;
  list.left -= bytes;
  if (status != STATUS_SUCCESS && list.status == STATUS_SUCCESS) list.status = status;
  if (list.left != 0) return;
  counts_.ended_lists.add();
  if (list.status != STATUS_SUCCESS) counts_.failed_lists.add();
  endings_->ended(list);
}

// True: a connection may go on.
bool StreamEngine::release_held() {
  bool any = false;
  lists_.release([&](const StreamShown& shown) {
    StreamConnection* connection = find(shown.flow);
    if (connection == nullptr) return;
    StreamLane& lane = connection->lane(shown.direction);
    --lane.held_lists;
    lane.held_bytes -= shown.bytes;
    for (StreamStage& stage : lane.stages) {
      if (stage.number != shown.stage) continue;
      --stage.held_lists;
      if (stage.leaving) connection->version = 0;  // it can go now
    }
    connection->dirty = any_dirty_ = any = true;
  });
  return any;
}

// NOLINTBEGIN(readability-identifier-naming): the API's own name.
NTSTATUS Engine::FwpsStreamContinue0(UINT64 flow, UINT32 callout, UINT16 layer,
                                     UINT32 stream_flags) {
  constexpr UINT32 kReceive = FWPS_STREAM_FLAG_RECEIVE | FWPS_STREAM_FLAG_RECEIVE_EXPEDITED |
                              FWPS_STREAM_FLAG_RECEIVE_DISCONNECT | FWPS_STREAM_FLAG_RECEIVE_ABORT |
                              FWPS_STREAM_FLAG_RECEIVE_PUSH;
  constexpr UINT32 kSend = FWPS_STREAM_FLAG_SEND | FWPS_STREAM_FLAG_SEND_EXPEDITED |
                           FWPS_STREAM_FLAG_SEND_NODELAY | FWPS_STREAM_FLAG_SEND_DISCONNECT |
                           FWPS_STREAM_FLAG_SEND_ABORT;
  const bool in = (stream_flags & FWPS_STREAM_FLAG_RECEIVE) != 0;
  const bool out = (stream_flags & FWPS_STREAM_FLAG_SEND) != 0;
  if (in == out || (stream_flags & ~(in ? kReceive : kSend)) != 0) {
    return STATUS_FWP_INVALID_PARAMETER;
  }
  StreamEngine* streams = streams_.load();
  if (layer != FWPS_LAYER_STREAM_V4 || streams == nullptr) return STATUS_FWP_INVALID_PARAMETER;
  return without_exceptions([&] {
    return streams->resume(flow, callout, in ? Direction::Inbound : Direction::Outbound);
  });
}
// NOLINTEND(readability-identifier-naming)

void Engine::count_stream(bool blocked, bool absorbed) {
  LayerCounts& counts = layer_counts_[static_cast<size_t>(stream_layer())];
  counts.classified.add();
  if (blocked) (absorbed ? counts.absorbed : counts.blocked).add();
}

void StreamEngine::publish_known(const StreamConnection& connection) {
  std::vector<uint32_t> callouts;
  for (const StreamLane& lane : connection.lanes) {
    for (const StreamStage& stage : lane.stages) {
      if (stage.callout_id() != 0) callouts.push_back(stage.callout_id());
    }
  }
  const std::lock_guard lock(mutex_);
  Known* place = nullptr;
  for (Known& known : known_) {
    if (known.flow == connection.id) place = &known;
    if (known.flow == 0 && place == nullptr) place = &known;
  }
  place->flow = connection.id;
  place->callouts = std::move(callouts);
}

StreamReport StreamEngine::report() const {
  StreamReport out;
  {
    const std::lock_guard lock(mutex_);
    for (const Known& known : known_) out.open += known.flow != 0;
  }
  out.opened = counts_.opened.value();
  out.refused = counts_.refused.value();
  out.indications = counts_.indications.value();
  out.indicated_bytes = counts_.indicated_bytes.value();
  out.blocked_bytes = counts_.blocked_bytes.value();
  out.injected = counts_.injected_lists.value();
  out.injected_bytes = counts_.injected_bytes.value();
  out.ended = counts_.ended_lists.value();
  out.failed = counts_.failed_lists.value();
  out.gathered = counts_.gathered.value();
  out.deferred = counts_.deferred.value();
  out.continued = counts_.continued.value();
  out.dropped = counts_.dropped.value();
  return out;
}

}  // namespace hookline::filter
