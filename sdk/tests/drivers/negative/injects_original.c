// Injects the indicated list itself, which it neither owns nor has referenced.

#include "negative.h"

static void NTAPI nothing(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(list);
  UNREFERENCED_PARAMETER(dispatch_level);
}

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(metadata);
  if (NT_SUCCESS(send(list, values, nothing))) {
    absorb(out);
  }
}

void notified(void) {}
void at_unload(void) {}
