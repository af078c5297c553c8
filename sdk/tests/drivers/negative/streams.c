#include "streams.h"

#include <initguid.h>

DEFINE_GUID(kCallout, 0x77d2f0a1, 0x1c3e, 0x4d6b, 0xa5, 0x41, 0x90, 0x2c, 0x6b, 0x5a, 4, 1);

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD unload;

HANDLE injection;
UINT32 callout_id;
static HANDLE engine;
static LONG count;

LONG calls(void) { return count - 1; }

NET_BUFFER_LIST* clones_of(FWPS_STREAM_CALLOUT_IO_PACKET* packet) {
  NET_BUFFER_LIST* chain = NULL;
  FwpsCloneStreamData(packet->streamData, NULL, NULL, 0, &chain);
  return chain;
}

static void NTAPI free_clone(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
  UNREFERENCED_PARAMETER(context);
  FwpsDiscardClonedStreamData(list, 0, dispatch_level);
}

NTSTATUS inject(UINT64 flow, NET_BUFFER_LIST* chain, SIZE_T length) {
  return FwpsStreamInjectAsync(injection, NULL, 0, flow, callout_id, FWPS_LAYER_STREAM_V4,
                               FWPS_STREAM_FLAG_SEND, chain, length, free_clone, NULL);
}

static void NTAPI classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layer_data,
                           const void* classify_context, const FWPS_FILTER* filter,
                           UINT64 flow_context, FWPS_CLASSIFY_OUT* out) {
  FWPS_STREAM_CALLOUT_IO_PACKET* packet = layer_data;
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(classify_context);
  UNREFERENCED_PARAMETER(filter);
  UNREFERENCED_PARAMETER(flow_context);
  if ((packet->streamData->flags & FWPS_STREAM_FLAG_SEND) == 0 ||
      packet->streamData->dataLength == 0) {
    out->actionType = FWP_ACTION_PERMIT;
    return;
  }
  InterlockedIncrement(&count);
  break_rule(packet, metadata->flowHandle, out);
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID* key, FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(type);
  UNREFERENCED_PARAMETER(key);
  UNREFERENCED_PARAMETER(filter);
  return STATUS_SUCCESS;
}

static void unload(DRIVER_OBJECT* driver) {
  UNREFERENCED_PARAMETER(driver);
  if (engine != NULL) {
    FwpmEngineClose(engine);
  }
  if (callout_id != 0) {
    FwpsCalloutUnregisterById(callout_id);
  }
  if (injection != NULL) {
    FwpsInjectionHandleDestroy(injection);
  }
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registry_path) {
  FWPS_CALLOUT callout = {.calloutKey = kCallout, .classifyFn = classify, .notifyFn = notify};
  FWPM_SESSION session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
  FWPM_CALLOUT object = {.calloutKey = kCallout, .applicableLayer = FWPM_LAYER_STREAM_V4};
  FWPM_FILTER filter = {.layerKey = FWPM_LAYER_STREAM_V4};
  UNREFERENCED_PARAMETER(registry_path);
  driver->DriverUnload = unload;
  object.displayData.name = filter.displayData.name = L"negative";
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = kCallout;
  NTSTATUS status = FwpsInjectionHandleCreate(AF_INET, FWPS_INJECTION_TYPE_STREAM, &injection);
  if (NT_SUCCESS(status)) {
    status = FwpsCalloutRegister(driver, &callout, &callout_id);
  }
  if (NT_SUCCESS(status)) {
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
  }
  if (NT_SUCCESS(status)) {
    status = FwpmCalloutAdd(engine, &object, NULL, NULL);
  }
  if (NT_SUCCESS(status)) {
    status = FwpmFilterAdd(engine, &filter, NULL, NULL);
  }
  if (!NT_SUCCESS(status)) {
    unload(driver);
  }
  return status;
}
