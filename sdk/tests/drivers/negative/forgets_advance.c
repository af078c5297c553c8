// Retreats to the MAC header, and forgets the advance on its way out.

#include "negative.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET; }

void break_rule(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
                const FWPS_INCOMING_METADATA_VALUES* metadata, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(out);
  NdisRetreatNetBufferDataStart(NET_BUFFER_LIST_FIRST_NB(list), metadata->ethernetMacHeaderSize, 0,
                                NULL);
}

void notified(void) {}
void at_unload(void) {}
