// Writes past the end of a pool block: only a sanitizer sees it.

#include "negative.h"

#define TAG 'rrvO'

const GUID* rule_layer(void) { return &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(out);
  ULONG length = NET_BUFFER_DATA_LENGTH(NET_BUFFER_LIST_FIRST_NB(list));
  PUCHAR copy = ExAllocatePoolWithTag(NonPagedPoolNx, length, TAG);
  if (copy != NULL) {
    RtlZeroMemory(copy, length + 1);
    ExFreePoolWithTag(copy, TAG);
  }
}

void notified(void) {}
void at_unload(void) {}
