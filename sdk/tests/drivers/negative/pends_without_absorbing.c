// Pends, and permits in the same breath.

#include "flows.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_ALE_AUTH_RECV_ACCEPT_V4; }
FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 rule_flow_delete(void) { return flow_deleted; }

void break_rule(const FWPS_INCOMING_VALUES* values, const FWPS_INCOMING_METADATA_VALUES* metadata,
                const void* classify_context, const FWPS_FILTER* filter, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(classify_context);
  UNREFERENCED_PARAMETER(filter);
  HANDLE context = NULL;
  if (NT_SUCCESS(FwpsPendOperation(metadata->completionHandle, &context))) {
    FwpsCompleteOperation(context, NULL);
  }
  out->actionType = FWP_ACTION_PERMIT;
}

BOOLEAN at_unload(void) { return TRUE; }
