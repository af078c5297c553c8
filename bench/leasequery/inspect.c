/* Looks at every byte of every stream, as a monitor would: adds them up in place. For
 * bench/leasequery/run --driver: sdk/hookline-cc --driver --release -O2 inspect.c -o inspect.so */

#include <fwpmk.h>
#include <fwpsk.h>
#include <initguid.h>
#include <ntddk.h>

DEFINE_GUID(kCallout, 0x52a0f6c1, 0x7b1d, 0x4f0e, 0x8c, 0x35, 0x1b, 0x6e, 0x90, 0x4d, 0x2a, 0x03);

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD unload;
static HANDLE engine;
static UINT32 callout_id;
static LONG64 bytes, sum;

static void NTAPI classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layer_data,
                           const void* context, const FWPS_FILTER* filter, UINT64 flow_context,
                           FWPS_CLASSIFY_OUT* out) {
  const FWPS_STREAM_DATA* data = ((FWPS_STREAM_CALLOUT_IO_PACKET*)layer_data)->streamData;
  LONG64 here = 0;
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(filter);
  UNREFERENCED_PARAMETER(flow_context);
  for (NET_BUFFER_LIST* list = data->netBufferListChain; list != NULL;
       list = NET_BUFFER_LIST_NEXT_NBL(list)) {
    NET_BUFFER* buffer = NET_BUFFER_LIST_FIRST_NB(list);
    ULONG length = NET_BUFFER_DATA_LENGTH(buffer);
    const UCHAR* at = NdisGetDataBuffer(buffer, length, NULL, 1, 0);
    for (ULONG i = 0; at != NULL && i < length; ++i) {
      here += at[i];
    }
  }
  InterlockedAdd64(&bytes, (LONG64)data->dataLength);
  InterlockedAdd64(&sum, here);
  out->actionType = FWP_ACTION_CONTINUE;
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
  DbgPrint("inspect: %lld bytes, sum %lld\n", bytes, sum);
}

NTSTATUS DriverEntry(DRIVER_OBJECT* driver, UNICODE_STRING* registry_path) {
  FWPS_CALLOUT callout = {.calloutKey = kCallout, .classifyFn = classify, .notifyFn = notify};
  FWPM_CALLOUT object = {.calloutKey = kCallout, .applicableLayer = FWPM_LAYER_STREAM_V4};
  FWPM_FILTER filter = {.layerKey = FWPM_LAYER_STREAM_V4};
  FWPM_SESSION session = {.flags = FWPM_SESSION_FLAG_DYNAMIC};
  UNREFERENCED_PARAMETER(registry_path);
  driver->DriverUnload = unload;
  object.displayData.name = filter.displayData.name = L"inspect";
  filter.action.type = FWP_ACTION_CALLOUT_INSPECTION;
  filter.action.calloutKey = kCallout;
  NTSTATUS status = FwpsCalloutRegister(driver, &callout, &callout_id);
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
