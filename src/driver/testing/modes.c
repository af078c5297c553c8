// A driver that does what its parameter Mode says, right or wrong; drivers_test.cc loads it.

#include <fwpmk.h>
#include <fwpsk.h>
#include <initguid.h>
#include <ntddk.h>
#include <ntstrsafe.h>
#include <wdf.h>
#include <wdmsec.h>

// Two copies of the file are two drivers.
#ifndef KEY
#define KEY 1
#endif
DEFINE_GUID(kCallout, 0x7b1e0000 + KEY, 0x1111, 0x4222, 0x83, 0x33, 0x44, 0x44, 0x44, 0x44, 0x44,
            0x44);
DEFINE_GUID(kSubLayer, 0x7b1e1000 + KEY, 0x1111, 0x4222, 0x83, 0x33, 0x44, 0x44, 0x44, 0x44, 0x44,
            0x44);

#define IOCTL_COUNT CTL_CODE(FILE_DEVICE_NETWORK, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_ECHO CTL_CODE(FILE_DEVICE_NETWORK, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_NEVER CTL_CODE(FILE_DEVICE_NETWORK, 0x802, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_INJECT_LOCKED CTL_CODE(FILE_DEVICE_NETWORK, 0x803, METHOD_BUFFERED, FILE_ANY_ACCESS)
#define IOCTL_FLOW CTL_CODE(FILE_DEVICE_NETWORK, 0x804, METHOD_BUFFERED, FILE_ANY_ACCESS)

DRIVER_INITIALIZE DriverEntry;
static EVT_WDF_DRIVER_UNLOAD Unload;
static EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL Control;

static WCHAR Mode[32];
static WCHAR Device[64];
static ULONG Milliseconds;
static UINT32 CalloutId;
static HANDLE Engine, Injection;
static NDIS_HANDLE Pool;
static KSPIN_LOCK Lock;
static LONG Calls;
static LONG Ending;

static BOOLEAN Is(const WCHAR* mode) { return wcscmp(Mode, mode) == 0; }

static void Sleep(ULONG milliseconds) {
  LARGE_INTEGER interval = {.QuadPart = -10000LL * milliseconds};
  KeDelayExecutionThread(KernelMode, FALSE, &interval);
}

static void NTAPI Classify(const FWPS_INCOMING_VALUES* values,
                           const FWPS_INCOMING_METADATA_VALUES* metadata, void* layerData,
                           const void* context, const FWPS_FILTER* filter, UINT64 flowContext,
                           FWPS_CLASSIFY_OUT* out) {
  KIRQL old;
  UNREFERENCED_PARAMETER(values);
  UNREFERENCED_PARAMETER(metadata);
  UNREFERENCED_PARAMETER(layerData);
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(filter);
  UNREFERENCED_PARAMETER(flowContext);
  if (KeGetCurrentIrql() != DISPATCH_LEVEL) DbgPrint("classify at %u\n", KeGetCurrentIrql());
  InterlockedIncrement(&Calls);
  if (Is(L"lock")) KeAcquireSpinLock(&Lock, &old);
  if (Is(L"lower")) KeLowerIrql(PASSIVE_LEVEL);
  if (out->rights & FWPS_RIGHT_ACTION_WRITE)
    out->actionType = Is(L"block") ? FWP_ACTION_BLOCK : FWP_ACTION_CONTINUE;
}

static NTSTATUS NTAPI Notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID* key, FWPS_FILTER* filter) {
  UNREFERENCED_PARAMETER(type);
  UNREFERENCED_PARAMETER(key);
  UNREFERENCED_PARAMETER(filter);
  return KeGetCurrentIrql() == PASSIVE_LEVEL ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
}

static NTSTATUS AddFilter(void) {
  FWPM_SESSION session = {0};
  FWPM_SUBLAYER sublayer = {0};
  FWPM_CALLOUT callout = {0};
  FWPM_FILTER filter = {0};
  NTSTATUS status;
  if (!Is(L"leave")) session.flags = FWPM_SESSION_FLAG_DYNAMIC;
  status = FwpmEngineOpen(NULL, RPC_C_AUTHN_WINNT, NULL, &session, &Engine);
  if (!NT_SUCCESS(status)) return status;
  sublayer.subLayerKey = kSubLayer;
  sublayer.displayData.name = L"modes";
  status = FwpmSubLayerAdd(Engine, &sublayer, NULL);
  if (!NT_SUCCESS(status)) return status;
  callout.calloutKey = kCallout;
  callout.displayData.name = L"modes";
  callout.applicableLayer = FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET;
  status = FwpmCalloutAdd(Engine, &callout, NULL, NULL);
  if (!NT_SUCCESS(status)) return status;
  filter.layerKey = FWPM_LAYER_INBOUND_MAC_FRAME_ETHERNET;
  filter.subLayerKey = kSubLayer;
  filter.displayData.name = L"modes";
  filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
  filter.action.calloutKey = kCallout;
  filter.weight.type = FWP_EMPTY;
  return FwpmFilterAdd(Engine, &filter, NULL, NULL);
}

static void ReadText(WDFKEY key, const WCHAR* name, WCHAR* out, USHORT bytes) {
  UNICODE_STRING value, text;
  USHORT length = 0;
  RtlInitUnicodeString(&value, name);
  RtlInitEmptyUnicodeString(&text, out, bytes);
  if (!NT_SUCCESS(WdfRegistryQueryUnicodeString(key, &value, &length, &text))) out[0] = 0;
  out[text.Length / sizeof(WCHAR)] = 0;
}

static void ReadParameters(WDFDRIVER driver) {
  WDFKEY key;
  DECLARE_CONST_UNICODE_STRING(milliseconds, L"Milliseconds");
  if (!NT_SUCCESS(WdfDriverOpenParametersRegistryKey(driver, KEY_READ, NULL, &key))) return;
  ReadText(key, L"Mode", Mode, sizeof(Mode) - sizeof(WCHAR));
  ReadText(key, L"Device", Device, sizeof(Device) - sizeof(WCHAR));
  WdfRegistryQueryULong(key, &milliseconds, &Milliseconds);
  WdfRegistryClose(key);
}

static NTSTATUS InjectLocked(void) {
  KIRQL old;
  NTSTATUS status;
  KeAcquireSpinLock(&Lock, &old);
  status = FwpsInjectMacSendAsync(Injection, NULL, 0, 0, 0, 0, NULL, NULL, NULL);
  KeReleaseSpinLock(&Lock, old);
  return status;
}

static VOID Control(WDFQUEUE queue, WDFREQUEST request, size_t outBytes, size_t inBytes,
                    ULONG code) {
  PVOID in, out;
  NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
  ULONG_PTR information = 0;
  UNREFERENCED_PARAMETER(queue);
  UNREFERENCED_PARAMETER(outBytes);
  switch (code) {
    case IOCTL_COUNT:
      status = WdfRequestRetrieveOutputBuffer(request, sizeof(LONG), &out, NULL);
      if (NT_SUCCESS(status)) *(LONG*)out = InterlockedAdd(&Calls, 0);
      information = sizeof(LONG);
      break;
    case IOCTL_ECHO:
      status = WdfRequestRetrieveInputBuffer(request, 1, &in, NULL);
      if (NT_SUCCESS(status)) status = WdfRequestRetrieveOutputBuffer(request, inBytes, &out, NULL);
      if (NT_SUCCESS(status)) information = inBytes;
      break;
    case IOCTL_NEVER:
      return;
    case IOCTL_INJECT_LOCKED:
      status = InjectLocked();
      break;
    case IOCTL_FLOW:
      status = FwpsAcquireWritableLayerDataPointer(1, 2, 0, NULL, NULL);
      FwpsAcquireWritableLayerDataPointer(1, 2, 0, NULL, NULL);
      break;
  }
  WdfRequestCompleteWithInformation(request, status, NT_SUCCESS(status) ? information : 0);
}

static NTSTATUS CreateDevice(WDFDRIVER driver) {
  UNICODE_STRING name;
  WDF_IO_QUEUE_CONFIG config;
  WDFDEVICE device;
  WDFQUEUE queue;
  NTSTATUS status;
  PWDFDEVICE_INIT init = WdfControlDeviceInitAllocate(driver, &SDDL_DEVOBJ_SYS_ALL_ADM_ALL);
  if (init == NULL) return STATUS_INSUFFICIENT_RESOURCES;
  RtlInitUnicodeString(&name, Device);
  status = WdfDeviceInitAssignName(init, &name);
  if (NT_SUCCESS(status)) status = WdfDeviceCreate(&init, WDF_NO_OBJECT_ATTRIBUTES, &device);
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(init);
    return status;
  }
  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&config, WdfIoQueueDispatchParallel);
  config.EvtIoDeviceControl = Control;
  status = WdfIoQueueCreate(device, &config, WDF_NO_OBJECT_ATTRIBUTES, &queue);
  if (NT_SUCCESS(status)) WdfControlFinishInitializing(device);
  return status;
}

// Ends long after it was asked to.
static VOID Slow(PVOID context) {
  UNREFERENCED_PARAMETER(context);
  while (InterlockedAdd(&Ending, 0) == 0) Sleep(1);
  Sleep(Milliseconds);
  PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS StartThread(void) {
  HANDLE thread;
  const NTSTATUS status = PsCreateSystemThread(&thread, 0, NULL, NULL, NULL, Slow, NULL);
  if (NT_SUCCESS(status)) ZwClose(thread);
  return status;
}

static VOID Unload(WDFDRIVER driver) {
  UNREFERENCED_PARAMETER(driver);
  InterlockedExchange(&Ending, 1);
  if (Is(L"slow-unload")) Sleep(Milliseconds);
  if (Is(L"leave")) return;
  if (Engine != NULL) FwpmEngineClose(Engine);
  FwpsCalloutUnregisterById(CalloutId);
  if (Injection != NULL) FwpsInjectionHandleDestroy(Injection);
  if (Pool != NULL) NdisFreeNetBufferListPool(Pool);
}

static NTSTATUS Start(WDFDRIVER driver) {
  FWPS_CALLOUT callout = {0};
  NET_BUFFER_LIST_POOL_PARAMETERS parameters = {0};
  NTSTATUS status;
  callout.calloutKey = kCallout;
  callout.classifyFn = Classify;
  callout.notifyFn = Notify;
  status = FwpsCalloutRegister(WdfDriverWdmGetDriverObject(driver), &callout, &CalloutId);
  if (NT_SUCCESS(status)) status = AddFilter();
  if (NT_SUCCESS(status)) {
    status = FwpsInjectionHandleCreate(AF_UNSPEC, FWPS_INJECTION_TYPE_L2, &Injection);
  }
  parameters.Header.Type = NDIS_OBJECT_TYPE_DEFAULT;
  parameters.Header.Revision = NET_BUFFER_LIST_POOL_PARAMETERS_REVISION_1;
  parameters.Header.Size = sizeof(parameters);
  parameters.fAllocateNetBuffer = TRUE;
  if (NT_SUCCESS(status)) {
    Pool = NdisAllocateNetBufferListPool(NULL, &parameters);
    if (Pool == NULL) status = STATUS_INSUFFICIENT_RESOURCES;
  }
  if (NT_SUCCESS(status) && Device[0] != 0) status = CreateDevice(driver);
  if (NT_SUCCESS(status) && Is(L"thread")) status = StartThread();
  if (NT_SUCCESS(status) && Is(L"fail")) status = STATUS_DEVICE_CONFIGURATION_ERROR;
  return status;
}

NTSTATUS DriverEntry(PDRIVER_OBJECT object, PUNICODE_STRING path) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;
  KeInitializeSpinLock(&Lock);
  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = Unload;
  status = WdfDriverCreate(object, path, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (!NT_SUCCESS(status)) return status;
  ReadParameters(driver);
  if (Is(L"slow-start")) Sleep(Milliseconds);
  return Start(driver);
}
