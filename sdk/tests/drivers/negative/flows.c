#include "flows.h"

#include <initguid.h>

DEFINE_GUID(kCallout, 0x77d2f0a1, 0x1c3e, 0x4d6b, 0xa5, 0x41, 0x90, 0x2c, 0x6b, 0x5a, 3, 1);

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD unload;

UINT32 callout_id;
static HANDLE engine;

void absorb(FWPS_CLASSIFY_OUT* out) {
  out->actionType = FWP_ACTION_BLOCK;
  out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
}

void NTAPI flow_deleted(UINT16 layer_id, UINT32 id, UINT64 flow_context) {
  UNREFERENCED_PARAMETER(layer_id);
  UNREFERENCED_PARAMETER(id);
  UNREFERENCED_PARAMETER(flow_context);
}

static BOOLEAN is_asked_again(const FWPS_INCOMING_VALUES* values) {
  UINT32 flags = 0;
  if (values->layerId == FWPS_LAYER_ALE_AUTH_RECV_ACCEPT_V4) {
    flags = values->incomingValue[FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS].value.uint32;
  }
  return (flags & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0;
}

static void NTAPI classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layer_data,
                           const void* classify_context, const FWPS_FILTER* filter,
                           UINT64 flow_context, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(layer_data);
  UNREFERENCED_PARAMETER(flow_context);
  out->actionType = FWP_ACTION_CONTINUE;
  if (is_asked_again(values)) {
    out->actionType = FWP_ACTION_PERMIT;
    return;
  }
  break_rule(values, metadata, classify_context, filter, out);
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID* key, FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(type);
  UNREFERENCED_PARAMETER(key);
  UNREFERENCED_PARAMETER(filter);
  return STATUS_SUCCESS;
}

static NTSTATUS add_objects(void) {
  FWPM_CALLOUT callout = {.calloutKey = kCallout, .applicableLayer = *rule_layer()};
  FWPM_FILTER filter = {.layerKey = *rule_layer()};
  callout.displayData.name = filter.displayData.name = L"negative";
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = kCallout;
  NTSTATUS status = FwpmCalloutAdd(engine, &callout, NULL, NULL);
  if (NT_SUCCESS(status)) {
    status = FwpmFilterAdd(engine, &filter, NULL, NULL);
  }
  return status;
}

static void unload(DRIVER_OBJECT* driver) {
  UNREFERENCED_PARAMETER(driver);
  BOOLEAN unregister = at_unload();
  if (engine != NULL) {
    FwpmEngineClose(engine);
  }
  while (unregister && FwpsCalloutUnregisterById(callout_id) == STATUS_DEVICE_BUSY) {
    // Its contexts were deleted just now, or will be.
  }
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registry_path) {
  FWPS_CALLOUT callout = {.calloutKey = kCallout, .classifyFn = classify, .notifyFn = notify};
  FWPM_SESSION session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
  UNREFERENCED_PARAMETER(registry_path);
  callout.flowDeleteFn = rule_flow_delete();
  driver->DriverUnload = unload;
  NTSTATUS status = FwpsCalloutRegister(driver, &callout, &callout_id);
  if (NT_SUCCESS(status)) {
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
  }
  if (NT_SUCCESS(status)) {
    status = add_objects();
  }
  if (!NT_SUCCESS(status)) {
    unload(driver);
  }
  return status;
}
