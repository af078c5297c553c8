#include "negative.h"

#include <initguid.h>

#define NUMBERED_GUID(name, part)                                                         \
  DEFINE_GUID(name, 0x77d2f0a1, 0x1c3e, 0x4d6b, 0xa5, 0x41, 0x90, 0x2c, 0x6b, 0x5a, part, \
              NEGATIVE_NUMBER)
NUMBERED_GUID(kCallout, 1);
NUMBERED_GUID(kSubLayer, 2);

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD unload;

HANDLE injection;
static HANDLE engine;
static UINT32 callout_id;

void absorb(FWPS_CLASSIFY_OUT* out) {
  out->actionType = FWP_ACTION_BLOCK;
  out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
  out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
}

NET_BUFFER_LIST* clone_of(NET_BUFFER_LIST* list) {
  NET_BUFFER_LIST* clone = NULL;
  FwpsAllocateCloneNetBufferList(list, NULL, NULL, 0, &clone);
  return clone;
}

NTSTATUS send(NET_BUFFER_LIST* list, const FWPS_INCOMING_VALUES* values,
              FWPS_INJECT_COMPLETE0 completion) {
  UINT32 interface_index =
      values->incomingValue[FWPS_FIELD_OUTBOUND_MAC_FRAME_ETHERNET_INTERFACE_INDEX].value.uint32;
  return FwpsInjectMacSendAsync(injection, NULL, 0, values->layerId, interface_index,
                                NDIS_DEFAULT_PORT_NUMBER, list, completion, NULL);
}

void NTAPI free_clone(void* context, NET_BUFFER_LIST* list, BOOLEAN dispatch_level) {
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(dispatch_level);
  FwpsFreeCloneNetBufferList(list, 0);
}

static void NTAPI classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layer_data,
                           const void* classify_context, const FWPS_FILTER* filter,
                           UINT64 flow_context, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(classify_context);
  UNREFERENCED_PARAMETER(filter);
  UNREFERENCED_PARAMETER(flow_context);
  out->actionType = FWP_ACTION_CONTINUE;
  // The drivers that loop forget the other state in which a frame is theirs.
  if (FwpsQueryPacketInjectionState(injection, layer_data, NULL) != FWPS_PACKET_INJECTED_BY_SELF) {
    break_rule(layer_data, values, metadata, out);
  }
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID* key, FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(type);
  UNREFERENCED_PARAMETER(key);
  UNREFERENCED_PARAMETER(filter);
  notified();
  return STATUS_SUCCESS;
}

static NTSTATUS add_objects(void) {
  FWPM_SUBLAYER sublayer = {.subLayerKey = kSubLayer, .weight = 0x100 + NEGATIVE_NUMBER};
  FWPM_CALLOUT callout = {.calloutKey = kCallout, .applicableLayer = *rule_layer()};
  FWPM_FILTER filter = {.layerKey = *rule_layer(), .subLayerKey = kSubLayer};
  sublayer.displayData.name = callout.displayData.name = filter.displayData.name = L"negative";
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = kCallout;
  NTSTATUS status = FwpmSubLayerAdd(engine, &sublayer, NULL);
  if (NT_SUCCESS(status)) {
    status = FwpmCalloutAdd(engine, &callout, NULL, NULL);
  }
  if (NT_SUCCESS(status)) {
    status = FwpmFilterAdd(engine, &filter, NULL, NULL);
  }
  return status;
}

static void take_down(void) {
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

static void unload(DRIVER_OBJECT* driver) {
  UNREFERENCED_PARAMETER(driver);
  at_unload();
  take_down();
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registry_path) {
  FWPS_CALLOUT callout = {.calloutKey = kCallout, .classifyFn = classify, .notifyFn = notify};
  FWPM_SESSION session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
  UNREFERENCED_PARAMETER(registry_path);
  driver->DriverUnload = unload;
  NTSTATUS status = FwpsInjectionHandleCreate(AF_UNSPEC, FWPS_INJECTION_TYPE_L2, &injection);
  if (NT_SUCCESS(status)) {
    status = FwpsCalloutRegister(driver, &callout, &callout_id);
  }
  if (NT_SUCCESS(status)) {
    status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
  }
  if (NT_SUCCESS(status)) {
    status = add_objects();
  }
  if (!NT_SUCCESS(status)) {
    take_down();
  }
  return status;
}
