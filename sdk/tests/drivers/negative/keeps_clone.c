// Keeps clones of what it has absorbed for ever: the first three frames.

#include "negative.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  static LONG kept;
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  if (InterlockedIncrement(&kept) <= 3 && clone_of(list) != NULL) {
    absorb(out);
  }
}

void notified(void) {}
void at_unload(void) {}
