// Says nothing of what it is shown.

#include "streams.h"

void break_rule(FWPS_STREAM_CALLOUT_IO_PACKET* packet, UINT64 flow, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(packet);
  UNREFERENCED_PARAMETER(flow);
  UNREFERENCED_PARAMETER(out);
}
