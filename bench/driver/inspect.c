/* Looks at every frame that enters or leaves, at the two MAC layers, as a monitor would: its
 * addresses from the values, its first bytes from the frame, and counts it. */

#include <fwpmk.h>
#include <fwpsk.h>
#include <initguid.h>
#include <ntddk.h>

DEFINE_GUID(kInbound, 0x52a0f6c1, 0x7b1d, 0x4f0e, 0x8c, 0x35, 0x1b, 0x6e, 0x90, 0x4d, 0x2a, 0x01);
DEFINE_GUID(kOutbound, 0x52a0f6c1, 0x7b1d, 0x4f0e, 0x8c, 0x35, 0x1b, 0x6e, 0x90, 0x4d, 0x2a, 0x02);

enum { kBytesRead = 42 };

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD unload;
static HANDLE engine;
static UINT32 callouts[2];
static LONG64 frames, bytes, odd;

static void NTAPI classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layer_data,
                           const void* context, const FWPS_FILTER* filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT* out) {
  UCHAR storage[kBytesRead];
  NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB((NET_BUFFER_LIST*)layer_data);
  const UCHAR* start = NdisGetDataBuffer(buffer, kBytesRead, storage, 1, 0);
  const FWP_VALUE0* mac =
      &values->incomingValue[FWPS_FIELD_INBOUND_MAC_FRAME_ETHERNET_MAC_REMOTE_ADDRESS].value;
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(filter);
  UNREFERENCED_PARAMETER(flow_context);
  InterlockedIncrement64(&frames);
  InterlockedAdd64(&bytes, NET_BUFFER_DATA_LENGTH(buffer));
  if (start == NULL || ((mac->byteArray6->byteArray6[5] ^ start[kBytesRead - 1]) & 1) != 0) {
    InterlockedIncrement64(&odd);
  }
  out->actionType = FWP_ACTION_CONTINUE;
}

static NTSTATUS NTAPI notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID* key, FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(type);
  UNREFERENCED_PARAMETER(key);
  UNREFERENCED_PARAMETER(filter);
  return STATUS_SUCCESS;
}

static NTSTATUS add(DRIVER_OBJECT* driver, const GUID* key, const GUID* layer, UINT32* id) {
  FWPS_CALLOUT registered = {.calloutKey = *key, .classifyFn = classify, .notifyFn = notify};
  FWPM_CALLOUT callout = {.calloutKey = *key, .applicableLayer = *layer};
  FWPM_FILTER filter = {.layerKey = *layer};
  callout.displayData.name = filter.displayData.name = L"inspect";
  filter.action.type = FWP_ACTION_CALLOUT_INSPECTION;
  filter.action.calloutKey = *key;
  NTSTATUS status = FwpsCalloutRegister(driver, &registered, id);
  if (NT_SUCCESS(status)) {
    status = FwpmCalloutAdd(engine, &callout, NULL, NULL);
  }
  if (NT_SUCCESS(status)) {
    status = FwpmFilterAdd(engine, &filter, NULL, NULL);
  }
  return status;
}

static void unload(DRIVER_OBJECT* driver) {
  UNREFERENCED_PARAMETER(driver);
  if (engine != NULL) {
    FwpmEngineClose(engine);
  }
  for (int i = 0; i < 2; ++i) {
    if (callouts[i] != 0) {
      FwpsCalloutUnregisterById(callouts[i]);
    }
  }
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registry_path) {
  FWPM_SESSION session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
  UNREFERENCED_PARAMETER(registry_path);
  driver->DriverUnload = unload;
  NTSTATUS status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &engine);
  if (NT_SUCCESS(status)) {
    status = add(driver, &kInbound, &FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET, &callouts[0]);
  }
  if (NT_SUCCESS(status)) {
    status = add(driver, &kOutbound, &FWPM_LAYER_OUTBOUND_MAC_FRAME_ETHERNET, &callouts[1]);
  }
  if (!NT_SUCCESS(status)) {
    unload(driver);
  }
  return status;
}
