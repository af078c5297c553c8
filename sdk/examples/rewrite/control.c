/*
    The driver's beginning and end, its parameters and its control device.
*/

#include "driver.h"

DRIVER_INITIALIZE DriverEntry;
EVT_WDF_DRIVER_UNLOAD RewriteUnload;
EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL RewriteControl;

static NTSTATUS RewriteQueryText(_In_ WDFKEY Key, _In_ PCUNICODE_STRING Name,
                                 _Inout_ REWRITE_TEXT* Text) {
  DECLARE_UNICODE_STRING_SIZE(value, MAX_TEXT);
  USHORT bytes;
  ULONG length;
  NTSTATUS status = WdfRegistryQueryUnicodeString(Key, Name, &bytes, &value);

  if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
    return STATUS_SUCCESS;
  }
  if (NT_SUCCESS(status)) {
    status =
        RtlUnicodeToMultiByteN(Text->Text, sizeof(Text->Text), &length, value.Buffer, value.Length);
  }
  if (NT_SUCCESS(status)) {
    Text->Length = (UCHAR)length;
  }
  return status;
}

static NTSTATUS RewriteReadParameters(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(hostName, L"HostName");
  DECLARE_CONST_UNICODE_STRING(domainName, L"DomainName");
  DECLARE_CONST_UNICODE_STRING(replyLayer, L"ReplyLayer");
  WDFKEY key;
  ULONG value;
  NTSTATUS status;

  gRewrite.Texts[RewriteRequests].Code = DHCP_HOST_NAME;
  gRewrite.Texts[RewriteReplies].Code = DHCP_DOMAIN_NAME;
  status = WdfDriverOpenParametersRegistryKey(Driver, KEY_READ, WDF_NO_OBJECT_ATTRIBUTES, &key);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = RewriteQueryText(key, &hostName, &gRewrite.Texts[RewriteRequests]);
  if (NT_SUCCESS(status)) {
    status = RewriteQueryText(key, &domainName, &gRewrite.Texts[RewriteReplies]);
  }
  if (NT_SUCCESS(status) && NT_SUCCESS(WdfRegistryQueryULong(key, &replyLayer, &value))) {
    gRewrite.ReplyLayer = value;
  }
  WdfRegistryClose(key);
  return status;
}

VOID RewriteControl(_In_ WDFQUEUE Queue, _In_ WDFREQUEST Request, _In_ size_t OutputBufferLength,
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

  if (IoControlCode == IOCTL_REWRITE_GET_COUNTS) {
    status = WdfRequestRetrieveOutputMemory(Request, &memory);
    if (NT_SUCCESS(status)) {
      buffer = WdfMemoryGetBuffer(memory, &size);
      if (size < sizeof(gRewrite.Counts)) {
        status = STATUS_BUFFER_TOO_SMALL;
      } else {
        KeAcquireInStackQueuedSpinLock(&gRewrite.Lock, &lock);
        RtlCopyMemory(buffer, gRewrite.Counts, sizeof(gRewrite.Counts));
        KeReleaseInStackQueuedSpinLock(&lock);
        information = sizeof(gRewrite.Counts);
      }
    }
  }
  WdfRequestCompleteWithInformation(Request, status, information);
}

static NTSTATUS RewriteCreateDevice(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(deviceName, L"\\Device\\HooklineRewrite");
  DECLARE_CONST_UNICODE_STRING(linkName, L"\\DosDevices\\HooklineRewrite");
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
    status = WdfDeviceCreate(&init, WDF_NO_OBJECT_ATTRIBUTES, &gRewrite.Device);
  }
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(init);
    return status;
  }
  status = WdfDeviceCreateSymbolicLink(gRewrite.Device, &linkName);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&queueConfig, WdfIoQueueDispatchParallel);
  queueConfig.EvtIoDeviceControl = RewriteControl;
  return WdfIoQueueCreate(gRewrite.Device, &queueConfig, WDF_NO_OBJECT_ATTRIBUTES, NULL);
}

VOID RewriteUnload(_In_ WDFDRIVER Driver) {
  UNREFERENCED_PARAMETER(Driver);
  RewriteClose();
}

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;

  ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
  KeInitializeSpinLock(&gRewrite.Lock);
  KeInitializeEvent(&gRewrite.Wake, SynchronizationEvent, FALSE);
  InitializeListHead(&gRewrite.Waiting);

  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = RewriteUnload;
  status = WdfDriverCreate(DriverObject, RegistryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (NT_SUCCESS(status)) {
    status = RewriteReadParameters(driver);
  }
  if (NT_SUCCESS(status)) {
    status = RewriteCreateDevice(driver);
  }
  if (NT_SUCCESS(status)) {
    status = RewriteOpen();
  }
  if (!NT_SUCCESS(status)) {
    DbgPrint("rewrite: not started: %08x\n", status);
    RewriteClose();
    return status;
  }
  WdfControlFinishInitializing(gRewrite.Device);
  return STATUS_SUCCESS;
}
