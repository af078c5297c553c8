// Injects with a dataLength that is not the chain's.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  NET_BUFFER_LIST* chain = calls() == 0 ? clones_of(packet) : NULL;
  out->actionType = FWP_ACTION_PERMIT;
  if (chain != NULL && !NT_SUCCESS(inject(flow, chain, packet->streamData->dataLength + 1))) {
    FwpsDiscardClonedStreamData(chain, 0, TRUE);
  }
}
