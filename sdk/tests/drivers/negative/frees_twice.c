// Frees a clone twice.

#include "negative.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(out);
  NET_BUFFER_LIST* clone = clone_of(list);
  if (clone != NULL) {
    FwpsFreeCloneNetBufferList(clone, 0);
    FwpsFreeCloneNetBufferList(clone, 0);
  }
}

void notified(void) {}
void at_unload(void) {}
