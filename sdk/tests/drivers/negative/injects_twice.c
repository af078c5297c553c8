// Injects a clone that is the engine's already, since its injection is pending.

#include "negative.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(metadata);
  NET_BUFFER_LIST* clone = clone_of(list);
  if (clone == NULL) {
    return;
  }
  if (!NT_SUCCESS(send(clone, values, free_clone))) {
    FwpsFreeCloneNetBufferList(clone, 0);
    return;
  }
  absorb(out);
  send(clone, values, free_clone);
}

void notified(void) {}
void at_unload(void) {}
