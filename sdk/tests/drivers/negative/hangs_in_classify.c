// Its classifyFn does not return.

#include "negative.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(list);
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(out);
  for (volatile int forever = 1; forever;) {
  }
}

void notified(void) {}
void at_unload(void) {}
