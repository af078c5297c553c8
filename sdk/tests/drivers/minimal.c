// The least that is a callout driver: registers one callout at the MAC layer, adds it with a filter
// in a dynamic session, and takes all of it back.

#include <fwpmk.h>
#include <fwpsk.h>
#include <initguid.h>
#include <ntddk.h>
#include <wdf.h>

DEFINE_GUID(kCalloutKey, 0x5f1b2a0c, 0x93d1, 0x4b77, 0x8e, 0x10, 0x2c, 0x9a, 0x4e, 0x61, 0x0d,
            0x37);

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD unload;

static HANDLE engine;
static UINT32 callout_id;

static void NTAPI classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layerData,
                           const void* classifyContext, const FWPS_FILTER* filter,
                           UINT64 flowContext, FWPS_CLASSIFY_OUT* out) {
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(classifyContext);
  UNREFERENCED_PARAMETER(flowContext);
  NET_BUFFER_LIST* list = (NET_BUFFER_LIST*)layerData;
  UINT16 type =
      values->incomingValue[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_ETHER_TYPE].value.uint16;
  if ((out->rights & FWPS_RIGHT_ACTION_WRITE) == 0 || type != 0x0800 ||
      NET_BUFFER_DATA_LENGTH(NET_BUFFER_LIST_FIRST_NB(list)) > 1500) {
    return;
  }
  out->actionType = FWP_ACTION_CONTINUE;
  if (filter->flags & FWPS_FILTER_FLAG_CLEAR_ACTION_RIGHT) {
    out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
  }
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID* key, FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(type);
  UNREFERENCED_PARAMETER(key);
  UNREFERENCED_PARAMETER(filter);
  return STATUS_SUCCESS;
}

static NTSTATUS add_filter(void) {
  FWPM_FILTER_CONDITION condition = {0};
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  callout.calloutKey = kCalloutKey;
  callout.displayData.name = L"minimal";
  callout.applicableLayer = FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET;
  NTSTATUS status = FwpmCalloutAdd(engine, &callout, NULL, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  condition.fieldKey = FWPM_CONDITION_ETHER_TYPE;
  condition.matchType = FWP_MATCH_EQUAL;
  condition.conditionValue.type = FWP_UINT16;
  condition.conditionValue.uint16 = 0x0800;
  filter.layerKey = FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET;
  filter.displayData.name = L"minimal";
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = kCalloutKey;
  filter.filterCondition = &condition;
  filter.numFilterConditions = 1;
  filter.weight.type = FWP_EMPTY;
  return FwpmFilterAdd(engine, &filter, NULL, NULL);
}

void unload(DRIVER_OBJECT* driver) {
  UNREFERENCED_PARAMETER(driver);
  FwpmEngineClose(engine);
  FwpsCalloutUnregisterById(callout_id);
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registryPath) {
  UNREFERENCED_PARAMETER(registryPath);
  FWPS_CALLOUT callout = {0};
  FWPM_SESSION session = {0};
  driver->DriverUnload = unload;
  callout.calloutKey = kCalloutKey;
  callout.classifyFn = classify;
  callout.notifyFn = notify;
  NTSTATUS status = FwpsCalloutRegister(driver->DeviceObject, &callout, &callout_id);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  session.flags = FWPM_SESSION_FLAG_DYNAMIC;
  status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
  if (NT_SUCCESS(status)) {
    status = add_filter();
    if (!NT_SUCCESS(status)) {
      FwpmEngineClose(engine);
    }
  }
  if (!NT_SUCCESS(status)) {
    FwpsCalloutUnregisterById(callout_id);
  }
  return status;
}
