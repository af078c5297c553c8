// Clones, and never discards the clones: the bytes go on, too.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(flow);
  if (calls() == 0) {
    clones_of(packet);
  }
  out->actionType = FWP_ACTION_PERMIT;
}
