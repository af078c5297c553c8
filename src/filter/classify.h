// One datagram at one layer: asks the filters of a table, calls their callouts, and arbitrates.
// Packet thread; nothing is allocated.
#pragma once

#include "filter/arbitration.h"
#include "filter/call_watch.h"
#include "filter/flows.h"
#include "filter/net_buffers.h"
#include "filter/tables.h"
#include "filter/values.h"

namespace hookline::filter {

// What stays the same while the filters of a layer are asked.
struct LayerCall {
  const Traffic& traffic;
  const LayerValues& values;
  NET_BUFFER_LIST* list;   // null: the question is about a flow, without a packet
  DataStart start;         // of the first NET_BUFFER at this layer; put back after every callout
  CallWatch* watch;        // may be null
  Flows* flows = nullptr;  // null: no contexts
  FlowId flow = 0;         // that the layer knows
  Authorization* authorization = nullptr;  // at an ALE_AUTH layer
  bool notifies = false;                   // a callout's block breaks a rule: ALE_FLOW_ESTABLISHED
};

// The verdict of a layer. Callouts that are not registered: block, or permit where the filter has
// FWPM_FILTER_FLAG_PERMIT_IF_CALLOUT_UNREGISTERED; inspections are passed over. Callouts that are
// conditional on a flow are passed over while the datagram has no context of theirs. `blocker`, if
// not null, gets the id of the filter whose block was taken last.
Arbitration arbitrate(const std::vector<TableSubLayer>& layer, const LayerCall& call,
                      uint64_t* blocker = nullptr);

}  // namespace hookline::filter
