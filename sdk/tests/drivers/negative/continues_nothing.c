// Continues a stream that it has not deferred.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(packet);
  out->actionType = FWP_ACTION_PERMIT;
  FwpsStreamContinue(flow, callout_id, FWPS_LAYER_STREAM_V4, FWPS_STREAM_FLAG_SEND);
}
