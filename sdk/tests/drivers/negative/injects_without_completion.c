// Injects without a completionFn.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  NET_BUFFER_LIST* chain = calls() == 0 ? clones_of(packet) : NULL;
  out->actionType = FWP_ACTION_PERMIT;
  if (chain != NULL) {
    FwpsStreamInjectAsync(injection, NULL, 0, flow, callout_id, FWPS_LAYER_STREAM_V4,
                          FWPS_STREAM_FLAG_SEND, chain, packet->streamData->dataLength, NULL, NULL);
    FwpsDiscardClonedStreamData(chain, 0, TRUE);
  }
}
