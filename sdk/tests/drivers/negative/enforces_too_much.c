// Permits more than it was shown.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(flow);
  out->actionType = FWP_ACTION_PERMIT;
  packet->countBytesEnforced = packet->streamData->dataLength + 1;
}
