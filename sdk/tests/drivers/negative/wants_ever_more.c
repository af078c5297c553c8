// Always needs more data.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(flow);
  out->actionType = FWP_ACTION_NONE;
  packet->streamAction = FWPS_STREAM_ACTION_NEED_MORE_DATA;
  packet->countBytesRequired = 1;
}
