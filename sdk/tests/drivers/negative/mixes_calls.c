// Defers and continues, and injects, in one stream.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  out->actionType = FWP_ACTION_PERMIT;
  if (calls() == 0) {
    out->actionType = FWP_ACTION_NONE;
    packet->streamAction = FWPS_STREAM_ACTION_DEFER;
    FwpsStreamContinue(flow, callout_id, FWPS_LAYER_STREAM_V4, FWPS_STREAM_FLAG_SEND);
  } else {
    NET_BUFFER_LIST* chain = clones_of(packet);
    if (chain != NULL && NT_SUCCESS(inject(flow, chain, packet->streamData->dataLength))) {
      out->actionType = FWP_ACTION_BLOCK;
    }
  }
}
