// Destroys its injection handle in a completion of it, which would wait for itself.

#include "negative.h"

static void NTAPI destroy(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(dispatch_level);
  if (NT_SUCCESS(FwpsInjectionHandleDestroy(injection))) {
    injection = NULL;
  }
  FwpsFreeCloneNetBufferList(list, 0);
}

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(metadata);
  NET_BUFFER_LIST* clone = clone_of(list);
  if (clone == NULL) {
    return;
  }
  if (NT_SUCCESS(send(clone, values, destroy))) {
    absorb(out);
  } else {
    FwpsFreeCloneNetBufferList(clone, 0);
  }
}

void notified(void) {}
void at_unload(void) {}
