/*
    The driver's beginning and end, its parameters and its control device.
*/

#include "driver.h"

DRIVER_INITIALIZE DriverEntry;
EVT_WDF_DRIVER_UNLOAD StreamEditUnload;
EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL StreamEditControl;

static NTSTATUS StreamEditQueryText(_In_ WDFKEY Key, _In_ PCUNICODE_STRING Name,
                                    _Inout_ STREAMEDIT_TEXT* Text) {
  DECLARE_UNICODE_STRING_SIZE(value, MAX_TEXT);
  USHORT bytes;
  ULONG length;
  NTSTATUS status;

  status = WdfRegistryQueryUnicodeString(Key, Name, &bytes, &value);
  if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
    return STATUS_SUCCESS;
  }
  if (NT_SUCCESS(status)) {
    status = RtlUnicodeToMultiByteN((PCHAR)Text->Text, sizeof(Text->Text), &length, value.Buffer,
                                    value.Length);
  }
  if (NT_SUCCESS(status)) {
    Text->Length = length;
  }
  return status;
}

static NTSTATUS StreamEditReadParameters(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(find, L"Find");
  DECLARE_CONST_UNICODE_STRING(replace, L"Replace");
  DECLARE_CONST_UNICODE_STRING(outOfBand, L"OutOfBand");
  DECLARE_CONST_UNICODE_STRING(directions, L"Directions");
  WDFKEY key;
  ULONG value;
  NTSTATUS status;

  gEdit.Directions = 1;
  status = WdfDriverOpenParametersRegistryKey(Driver, KEY_READ, WDF_NO_OBJECT_ATTRIBUTES, &key);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = StreamEditQueryText(key, &find, &gEdit.Find);
  if (NT_SUCCESS(status)) {
    status = StreamEditQueryText(key, &replace, &gEdit.Replace);
  }
  if (NT_SUCCESS(status) && NT_SUCCESS(WdfRegistryQueryULong(key, &outOfBand, &value))) {
    gEdit.OutOfBand = value != 0;
  }
  if (NT_SUCCESS(status) && NT_SUCCESS(WdfRegistryQueryULong(key, &directions, &value))) {
    gEdit.Directions = value;
  }
  WdfRegistryClose(key);
  return status;
}

VOID StreamEditControl(_In_ WDFQUEUE Queue, _In_ WDFREQUEST Request, _In_ size_t OutputBufferLength,
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

  if (IoControlCode == IOCTL_STREAMEDIT_GET_COUNTS) {
    status = WdfRequestRetrieveOutputMemory(Request, &memory);
    if (NT_SUCCESS(status)) {
      buffer = WdfMemoryGetBuffer(memory, &size);
      if (size < sizeof(gEdit.Counts)) {
        status = STATUS_BUFFER_TOO_SMALL;
      } else {
        KeAcquireInStackQueuedSpinLock(&gEdit.Lock, &lock);
        RtlCopyMemory(buffer, &gEdit.Counts, sizeof(gEdit.Counts));
        KeReleaseInStackQueuedSpinLock(&lock);
        information = sizeof(gEdit.Counts);
      }
    }
  }
  WdfRequestCompleteWithInformation(Request, status, information);
}

static NTSTATUS StreamEditCreateDevice(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(deviceName, L"\\Device\\HooklineStreamEdit");
  DECLARE_CONST_UNICODE_STRING(linkName, L"\\DosDevices\\HooklineStreamEdit");
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
    status = WdfDeviceCreate(&init, WDF_NO_OBJECT_ATTRIBUTES, &gEdit.Device);
  }
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(init);
    return status;
  }
  status = WdfDeviceCreateSymbolicLink(gEdit.Device, &linkName);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&queueConfig, WdfIoQueueDispatchParallel);
  queueConfig.EvtIoDeviceControl = StreamEditControl;
  return WdfIoQueueCreate(gEdit.Device, &queueConfig, WDF_NO_OBJECT_ATTRIBUTES, NULL);
}

VOID StreamEditUnload(_In_ WDFDRIVER Driver) {
  UNREFERENCED_PARAMETER(Driver);
  StreamEditClose();
}

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;

  ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
  KeInitializeSpinLock(&gEdit.Lock);
  KeInitializeEvent(&gEdit.Wake, SynchronizationEvent, FALSE);
  InitializeListHead(&gEdit.Waiting);

  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = StreamEditUnload;
  status = WdfDriverCreate(DriverObject, RegistryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (NT_SUCCESS(status)) {
    status = StreamEditReadParameters(driver);
  }
  if (NT_SUCCESS(status)) {
    status = StreamEditCreateDevice(driver);
  }
  if (NT_SUCCESS(status)) {
    status = StreamEditOpen();
  }
  if (!NT_SUCCESS(status)) {
    DbgPrint("streamedit: not started: %08x\n", status);
    StreamEditClose();
    return status;
  }
  WdfControlFinishInitializing(gEdit.Device);
  return STATUS_SUCCESS;
}
