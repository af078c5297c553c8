// Out of band first, with what it is shown later in line.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  out->actionType = FWP_ACTION_PERMIT;
  if (calls() == 0) {
    NET_BUFFER_LIST* chain = clones_of(packet);
    if (chain != NULL && NT_SUCCESS(inject(flow, chain, packet->streamData->dataLength))) {
      out->actionType = FWP_ACTION_BLOCK;
    }
  }
}
