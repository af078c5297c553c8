// Pends at a layer where nothing can be pended.

#include "flows.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_DATAGRAM_DATA_V4; }
FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 rule_flow_delete(void) { return flow_deleted; }

void break_rule(const FWPS_INCOMING_VALUES* values, const FWPS_INCOMING_METADATA_VALUES* metadata,
                const void* classify_context, const FWPS_FILTER* filter, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(classify_context);
  UNREFERENCED_PARAMETER(filter);
  HANDLE context = NULL;
  if (FwpsPendOperation(metadata->completionHandle, &context) != STATUS_FWP_CANNOT_PEND) {
    out->actionType = FWP_ACTION_BLOCK;
  }
}

BOOLEAN at_unload(void) { return TRUE; }
