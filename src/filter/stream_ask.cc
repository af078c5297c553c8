// What one filter says of a part of a stream: its own action, or its callout's.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "filter/stream_engine.h"

namespace hookline::filter {
namespace {

uint32_t direction_flag(Direction direction) {
  return direction == Direction::Inbound ? FWPS_STREAM_FLAG_RECEIVE : FWPS_STREAM_FLAG_SEND;
}

uint64_t connection_key(LimitBy by, const Traffic& traffic) {
  if (by == LimitBy::Interface) return traffic.ifindex;
  return by == LimitBy::Rule ? 0 : traffic.remote.value;
}

// No actionType: who leaves it has set none.
constexpr FWP_ACTION_TYPE kUnset = 0;

FWPS_CLASSIFY_OUT0 fresh_out(const Filter& filter, uint32_t flags) {
  FWPS_CLASSIFY_OUT0 out;
  std::memset(&out, 0, sizeof out);
  out.actionType = kUnset;
  out.filterId = filter.id;
  out.rights = FWPS_RIGHT_ACTION_WRITE;
  out.flags = flags;
  return out;
}

// The chain from its beginning.
FWPS_STREAM_DATA0 data_of(NET_BUFFER_LIST* chain, size_t bytes, uint32_t flags) {
  FWPS_STREAM_DATA0 data;
  std::memset(&data, 0, sizeof data);
  data.flags = flags;
  data.dataLength = bytes;
  data.netBufferListChain = chain;
  data.dataOffset.netBufferList = chain;
  if (chain != nullptr) {
    data.dataOffset.netBuffer = chain->FirstNetBuffer;
    data.dataOffset.mdl = chain->FirstNetBuffer->CurrentMdl;
    data.dataOffset.mdlOffset = chain->FirstNetBuffer->CurrentMdlOffset;
  }
  return data;
}

}  // namespace

void StreamEngine::breach(StreamStage& stage, std::string_view text) {
  if (stage.leaving) return;  // so may be its driver
  const Callout& callout = *stage.entry.callout;
  callout.counts.breaches.add();
  if (engine_.watch() != nullptr) {
    engine_.watch()->breach(callout.name(), CalloutCall::Classify, text);
  }
}

StreamEngine::Saying StreamEngine::ask(StreamConnection& connection, StreamLane& lane, size_t at,
                                       size_t bytes, uint32_t out_flags, uint32_t more_flags) {
  const StreamStage& stage = lane.stages[at];
  const Filter& filter = *stage.entry.filter;
  filter.counts.hits.add();
  Saying saying{Saying::Continue, bytes};
  if (!filter.is_callout()) {
    const bool within = filter.limiter != nullptr &&
                        filter.limiter->take(connection_key(filter.limit_by, connection.traffic),
                                             connection.traffic.now_ns);
    if (filter.action == FWP_ACTION_PERMIT) {
      saying.what = Saying::Permit;
    } else if (!within) {
      saying.what = Saying::Drop;
    }
  } else if (stage.entry.callout == nullptr) {
    if (filter.action != FWP_ACTION_CALLOUT_INSPECTION) {
      saying.what = (filter.flags & FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED) != 0
                        ? Saying::Permit
                        : Saying::Drop;
    }
  } else {
    saying = ask_callout(connection, lane, at, bytes, out_flags, more_flags);
  }
  if (saying.what == Saying::Permit) filter.counts.permitted.add();
  const bool blocks = saying.what == Saying::Block || saying.what == Saying::Drop;
  if (blocks) (saying.cloned ? filter.counts.absorbed : filter.counts.blocked).add();
  engine_.count_stream(blocks, saying.cloned);
  return saying;
}

StreamEngine::Saying StreamEngine::ask_callout(StreamConnection& connection, StreamLane& lane,
                                               size_t at, size_t bytes, uint32_t out_flags,
                                               uint32_t more_flags) {
  StreamStage& stage = lane.stages[at];
  const Callout& callout = *stage.entry.callout;
  const Filter& filter = *stage.entry.filter;
  FWPS_CLASSIFY_OUT0 out = fresh_out(filter, out_flags);
  FWPS_STREAM_DATA0 data = data_of(bytes != 0 ? lists_.show(stage.queue, bytes) : nullptr, bytes,
                                   direction_flag(lane.direction) | more_flags);
  FWPS_STREAM_CALLOUT_IO_PACKET0 packet;
  std::memset(&packet, 0, sizeof packet);
  packet.streamData = &data;
  packet.missedBytes = std::exchange(stage.missed, 0);
  counts_.indications.add();
  counts_.indicated_bytes.add(bytes);
  bool passed_over = false;
  const auto call = [&](uint64_t context) {
    callout.counts.calls.add();
    CallWatch* watch = engine_.watch();
    if (watch != nullptr) watch->before(callout.name(), CalloutCall::Classify);
    in_callout_ = true;
    callout.classify(lane.values.values(), lane.values.metadata(), &packet, nullptr, *filter.shown,
                     context, out);
    in_callout_ = false;
    if (watch != nullptr) watch->after(callout.name(), CalloutCall::Classify);
  };
  {
    const FlowPin pin(&flows_, connection.id, FWPS_LAYER_STREAM_V4, callout);
    passed_over = pin.passes_over();
    if (!passed_over) call(pin.context());
  }
  const StreamLists::Held held = lists_.hide(connection.id, lane.direction, stage.number);
  stage.held_lists += held.lists;
  lane.held_lists += held.lists;
  lane.held_bytes += held.bytes;
  if (passed_over) return {Saying::Continue, bytes};
  Saying saying = read_answer(stage, out, packet, bytes);
  saying.cloned = held.lists != 0;
  check_ways(stage, saying);
  if (saying.what == Saying::Permit) callout.counts.permitted.add();
  if (saying.what == Saying::Block) {
    (saying.cloned ? callout.counts.absorbed : callout.counts.blocked).add();
  }
  return saying;
}

StreamEngine::Saying StreamEngine::read_answer(StreamStage& stage, const FWPS_CLASSIFY_OUT0& out,
                                               const FWPS_STREAM_CALLOUT_IO_PACKET0& packet,
                                               size_t bytes) {
  if (out.actionType == kUnset) {
    breach(stage, "classifyFn did not set actionType: the bytes go on");
  }
  const bool inspects = stage.entry.filter->action == FWP_ACTION_CALLOUT_INSPECTION;
  if (inspects && packet.streamAction != FWPS_STREAM_ACTION_NONE) {
    breach(stage, "a streamAction, and its filter only inspects: the bytes go on");
    return {Saying::Continue, bytes};
  }
  switch (packet.streamAction) {
    case FWPS_STREAM_ACTION_NONE:
      break;
    case FWPS_STREAM_ACTION_NEED_MORE_DATA:
      return {Saying::More, bytes + std::max<size_t>(packet.countBytesRequired, 1)};
    case FWPS_STREAM_ACTION_DROP_CONNECTION:
      return {Saying::Drop, bytes};
    case FWPS_STREAM_ACTION_DEFER:
      return {Saying::Defer, bytes};
    case FWPS_STREAM_ACTION_ALLOW_CONNECTION:
      return {Saying::Allow, bytes};
    default:
      breach(stage, "a streamAction that is none: the bytes go on");
      return {Saying::Continue, bytes};
  }
  size_t covered = packet.countBytesEnforced == 0 ? bytes : packet.countBytesEnforced;
  if (covered > bytes) {
    breach(stage, "countBytesEnforced is more than it was shown: all of that is meant");
    covered = bytes;
  }
  switch (out.actionType) {
    case FWP_ACTION_BLOCK:
      if (!inspects) return {Saying::Block, covered};
      breach(stage, "FWP_ACTION_BLOCK, and its filter only inspects: the bytes go on");
      return {Saying::Continue, bytes};
    case FWP_ACTION_PERMIT:
      return {inspects ? Saying::Continue : Saying::Permit, covered};
    case FWP_ACTION_CONTINUE:
    case FWP_ACTION_NONE:
    case FWP_ACTION_NONE_NO_MATCH:
    case kUnset:
      return {Saying::Continue, covered};
    default:
      breach(stage, "an actionType that is none: the bytes go on");
      return {Saying::Continue, covered};
  }
}

// Out of band is: everything cloned and blocked. In line is: everything else.
void StreamEngine::check_ways(StreamStage& stage, const Saying& saying) {
  if (saying.bytes == 0) return;
  const bool goes_on = saying.what == Saying::Permit || saying.what == Saying::Continue;
  if (saying.what == Saying::Block && saying.cloned) stage.out_of_band = true;
  if (goes_on) stage.permitted = true;
  if (stage.permitted && stage.out_of_band && !std::exchange(stage.told_ways, true)) {
    breach(stage,
           "in line and out of band in one stream: who clones bytes and blocks them must block all "
           "of them, or their order is lost");
  }
}

// The last that callouts hear of the bytes; what they say is not looked at.
void StreamEngine::tell_abort(StreamConnection& connection) {
  const ReadGuard guard(engine_.section());
  running_ = true;
  follow(connection);
  for (StreamLane& lane : connection.lanes) {
    if (lane.out.closed()) continue;
    const bool in = lane.direction == Direction::Inbound;
    const uint32_t flag = in ? FWPS_STREAM_FLAG_RECEIVE_ABORT : FWPS_STREAM_FLAG_SEND_ABORT;
    for (size_t i = 0; i < lane.stages.size(); ++i) {
      const StreamStage& stage = lane.stages[i];
      const bool asked = stage.concerned && !stage.allowed && !stage.leaving;
      if (asked && stage.entry.callout != nullptr) ask_callout(connection, lane, i, 0, 0, flag);
    }
  }
  running_ = false;
}

}  // namespace hookline::filter
