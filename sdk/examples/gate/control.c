/*
    The driver's beginning and end, its parameters and its control device.
*/

#include "driver.h"

DRIVER_INITIALIZE DriverEntry;
EVT_WDF_DRIVER_UNLOAD GateUnload;
EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL GateControl;

/* --- parameters --- */

// A number of at most `Max` at *At, which moves behind it.
static BOOLEAN GateParseNumber(_Inout_ const CHAR** At, _In_ const CHAR* End, _In_ ULONG Max,
                               _Out_ PULONG Number) {
  const CHAR* begin = *At;

  *Number = 0;
  while (*At != End && **At >= '0' && **At <= '9' && *Number <= Max) {
    *Number = *Number * 10 + (ULONG)(**At - '0');
    ++*At;
  }
  return *At != begin && *Number <= Max;
}

static BOOLEAN GateParsePrefix(_Inout_ const CHAR** At, _In_ const CHAR* End,
                               _Out_ GATE_PREFIX* Prefix) {
  UINT32 address = 0;
  ULONG number;
  ULONG bits = 32;
  int i;

  for (i = 0; i < 4; ++i) {
    if (i != 0) {
      if (*At == End || **At != '.') {
        return FALSE;
      }
      ++*At;
    }
    if (!GateParseNumber(At, End, 255, &number)) {
      return FALSE;
    }
    address = address << 8 | number;
  }
  if (*At != End && **At == '/') {
    ++*At;
    if (!GateParseNumber(At, End, 32, &bits)) {
      return FALSE;
    }
  }
  Prefix->Mask = bits == 0 ? 0 : 0xFFFFFFFF << (32 - bits);
  Prefix->Address = address & Prefix->Mask;
  return TRUE;
}

NTSTATUS GateParseAllowed(_In_ const CHAR* Text, _In_ ULONG Length) {
  const CHAR* at = Text;
  const CHAR* end = Text + Length;

  for (;;) {
    while (at != end && (*at == ' ' || *at == ',')) {
      ++at;
    }
    if (at == end) {
      return STATUS_SUCCESS;
    }
    if (gGate.AllowedCount == MAX_ALLOWED ||
        !GateParsePrefix(&at, end, &gGate.Allowed[gGate.AllowedCount]) ||
        (at != end && *at != ' ' && *at != ',')) {
      return STATUS_INVALID_PARAMETER;
    }
    ++gGate.AllowedCount;
  }
}

static NTSTATUS GateReadAllowed(_In_ WDFKEY Key) {
  DECLARE_CONST_UNICODE_STRING(name, L"Allow");
  DECLARE_UNICODE_STRING_SIZE(value, MAX_ALLOW_TEXT);
  CHAR text[MAX_ALLOW_TEXT];
  USHORT bytes;
  ULONG length;
  NTSTATUS status = WdfRegistryQueryUnicodeString(Key, &name, &bytes, &value);

  if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
    return STATUS_SUCCESS;
  }
  if (NT_SUCCESS(status)) {
    status = RtlUnicodeToMultiByteN(text, sizeof(text), &length, value.Buffer, value.Length);
  }
  return NT_SUCCESS(status) ? GateParseAllowed(text, length) : status;
}

static NTSTATUS GateReadParameters(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(refuseUnconfigured, L"RefuseUnconfigured");
  DECLARE_CONST_UNICODE_STRING(delayMs, L"DelayMs");
  WDFKEY key;
  ULONG value;
  NTSTATUS status;

  status = WdfDriverOpenParametersRegistryKey(Driver, KEY_READ, WDF_NO_OBJECT_ATTRIBUTES, &key);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = GateReadAllowed(key);
  if (NT_SUCCESS(WdfRegistryQueryULong(key, &refuseUnconfigured, &value))) {
    gGate.RefuseUnconfigured = value != 0;
  }
  if (NT_SUCCESS(WdfRegistryQueryULong(key, &delayMs, &value))) {
    gGate.DelayMs = value;
  }
  WdfRegistryClose(key);
  return status;
}

/* --- the control device --- */

VOID GateControl(_In_ WDFQUEUE Queue, _In_ WDFREQUEST Request, _In_ size_t OutputBufferLength,
                 _In_ size_t InputBufferLength, _In_ ULONG IoControlCode) {
  NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
  ULONG_PTR information = 0;
  KLOCK_QUEUE_HANDLE lock;
  WDFMEMORY memory;
  size_t size;
  PVOID buffer;

  UNREFERENCED_PARAMETER(Queue);
  UNREFERENCED_PARAMETER(OutputBufferLength);
  UNREFERENCED_PARAMETER(InputBufferLength);

  if (IoControlCode == IOCTL_GATE_GET_COUNTS) {
    status = WdfRequestRetrieveOutputMemory(Request, &memory);
    if (NT_SUCCESS(status)) {
      buffer = WdfMemoryGetBuffer(memory, &size);
      if (size < sizeof(gGate.Counts)) {
        status = STATUS_BUFFER_TOO_SMALL;
      } else {
        KeAcquireInStackQueuedSpinLock(&gGate.Lock, &lock);
        RtlCopyMemory(buffer, &gGate.Counts, sizeof(gGate.Counts));
        KeReleaseInStackQueuedSpinLock(&lock);
        information = sizeof(gGate.Counts);
      }
    }
  }
  WdfRequestCompleteWithInformation(Request, status, information);
}

static NTSTATUS GateCreateDevice(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(deviceName, L"\\Device\\HooklineGate");
  DECLARE_CONST_UNICODE_STRING(linkName, L"\\DosDevices\\HooklineGate");
  PWDFDEVICE_INIT init;
  WDF_IO_QUEUE_CONFIG queueConfig;
  NTSTATUS status;

  init = WdfControlDeviceInitAllocate(Driver, &SDDL_DEVOBJ_SYS_ALL_ADM_ALL);
  if (init == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  WdfDeviceInitSetDeviceType(init, FILE_DEVICE_NETWORK);
  status = WdfDeviceInitAssignName(init, &deviceName);
  if (NT_SUCCESS(status)) {
    status = WdfDeviceCreate(&init, WDF_NO_OBJECT_ATTRIBUTES, &gGate.Device);
  }
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(init);
    return status;
  }
  status = WdfDeviceCreateSymbolicLink(gGate.Device, &linkName);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&queueConfig, WdfIoQueueDispatchParallel);
  queueConfig.EvtIoDeviceControl = GateControl;
  return WdfIoQueueCreate(gGate.Device, &queueConfig, WDF_NO_OBJECT_ATTRIBUTES, NULL);
}

VOID GateUnload(_In_ WDFDRIVER Driver) {
  UNREFERENCED_PARAMETER(Driver);
  GateClose();
}

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;

  ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
  KeInitializeSpinLock(&gGate.Lock);
  KeInitializeEvent(&gGate.Wake, SynchronizationEvent, FALSE);
  InitializeListHead(&gGate.Waiting);

  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = GateUnload;
  status = WdfDriverCreate(DriverObject, RegistryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (NT_SUCCESS(status)) {
    status = GateReadParameters(driver);
  }
  if (NT_SUCCESS(status)) {
    status = GateCreateDevice(driver);
  }
  if (NT_SUCCESS(status)) {
    status = GateOpen();
  }
  if (!NT_SUCCESS(status)) {
    DbgPrint("gate: not started: %08x\n", status);
    GateClose();
    return status;
  }
  WdfControlFinishInitializing(gGate.Device);
  return STATUS_SUCCESS;
}
