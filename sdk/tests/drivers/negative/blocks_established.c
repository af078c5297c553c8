// Blocks at the layer that only tells of flows: the first one.

#include "flows.h"

const GUID* rule_layer(void) { return &FWPM_LAYER_ALE_FLOW_ESTABLISHED_V4; }
FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 rule_flow_delete(void) { return flow_deleted; }

static LONG told;

void break_rule(const FWPS_INCOMING_VALUES* values, const FWPS_INCOMING_METADATA_VALUES* metadata,
                const void* classify_context, const FWPS_FILTER* filter, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(classify_context);
  UNREFERENCED_PARAMETER(filter);
  if (InterlockedIncrement(&told) == 1) {
    out->actionType = FWP_ACTION_BLOCK;
  }
}

BOOLEAN at_unload(void) { return TRUE; }
