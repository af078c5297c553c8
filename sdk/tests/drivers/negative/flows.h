// Drivers that each break one rule about flows, for tests/system/flows_test.py. flows.c is what is
// right in all of them: a callout with a flowDeleteFn at one layer, an unload that retries while
// contexts are left. Each is built of it and one other source.

#pragma once

#include <fwpmk.h>
#include <fwpsk.h>
#include <ntddk.h>

// --- what each driver has ---

// Where its callout stands.
const GUID* rule_layer(void);
// What its callout's flowDeleteFn is: flow_deleted, or NULL.
FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 rule_flow_delete(void);
// One classification. `out` says CONTINUE. What is asked again, with
// FWP_CONDITION_FLAG_IS_REAUTHORIZE, does not come here: it is permitted.
void break_rule(const FWPS_INCOMING_VALUES* values, const FWPS_INCOMING_METADATA_VALUES* metadata,
                const void* classify_context, const FWPS_FILTER* filter, FWPS_CLASSIFY_OUT* out);
// Before anything else of the unload. FALSE: the callout stays registered.
BOOLEAN at_unload(void);

// --- what it may use ---

extern UINT32 callout_id;

void NTAPI flow_deleted(UINT16 layer_id, UINT32 id, UINT64 flow_context);
void absorb(FWPS_CLASSIFY_OUT* out);
