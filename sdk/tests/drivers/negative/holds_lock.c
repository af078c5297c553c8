// Injects while it holds a spin lock, which its completion may want.

#include "negative.h"

static KSPIN_LOCK lock;

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(metadata);
  KIRQL old;
  NET_BUFFER_LIST* clone = clone_of(list);
  if (clone == NULL) {
    return;
  }
  KeAcquireSpinLock(&lock, &old);
  NTSTATUS status = send(clone, values, free_clone);
  KeReleaseSpinLock(&lock, old);
  if (NT_SUCCESS(status)) {
    absorb(out);
  } else {
    FwpsFreeCloneNetBufferList(clone, 0);
  }
}

void notified(void) {}
void at_unload(void) {}
