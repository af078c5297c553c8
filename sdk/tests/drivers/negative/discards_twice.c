// Discards clones twice.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(flow);
  NET_BUFFER_LIST* chain = calls() == 0 ? clones_of(packet) : NULL;
  out->actionType = FWP_ACTION_PERMIT;
  if (chain != NULL) {
    FwpsDiscardClonedStreamData(chain, 0, TRUE);
    FwpsDiscardClonedStreamData(chain, 0, TRUE);
  }
}
