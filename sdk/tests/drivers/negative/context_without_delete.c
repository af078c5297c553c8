// Has contexts, and no flowDeleteFn that would give them back.

#include "flows.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4; }
FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 rule_flow_delete(void) { return NULL; }

void break_rule(const FWPS_INCOMING_VALUES* values, const FWPS_INCOMING_METADATA_VALUES* metadata,
                const void* classify_context, const FWPS_FILTER* filter, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(classify_context);
  UNREFERENCED_PARAMETER(filter);
  UNREFERENCED_PARAMETER(out);
  FwpsFlowAssociateContext(metadata->flowHandle, FWPS_LAYER_DATAGRAM_DATA_V4, callout_id, 1);
}

BOOLEAN at_unload(void) { return TRUE; }
