/*
    The driver's beginning and end, and its control device.
*/

#include "driver.h"

DRIVER_INITIALIZE DriverEntry;
EVT_WDF_DRIVER_UNLOAD MonitorUnload;
EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL MonitorControl;

VOID MonitorControl(_In_ WDFQUEUE Queue, _In_ WDFREQUEST Request, _In_ size_t OutputBufferLength,
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

  if (IoControlCode == IOCTL_MONITOR_GET_FLOWS) {
    status = WdfRequestRetrieveOutputMemory(Request, &memory);
    if (NT_SUCCESS(status)) {
      buffer = WdfMemoryGetBuffer(memory, &size);
      if (size < sizeof(gMonitor.Flows)) {
        status = STATUS_BUFFER_TOO_SMALL;
      } else {
        KeAcquireInStackQueuedSpinLock(&gMonitor.Lock, &lock);
        RtlCopyMemory(buffer, gMonitor.Flows, sizeof(gMonitor.Flows));
        KeReleaseInStackQueuedSpinLock(&lock);
        information = sizeof(gMonitor.Flows);
      }
    }
  }
  WdfRequestCompleteWithInformation(Request, status, information);
}

static NTSTATUS MonitorCreateDevice(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(deviceName, L"\\Device\\HooklineMonitor");
  DECLARE_CONST_UNICODE_STRING(linkName, L"\\DosDevices\\HooklineMonitor");
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
    status = WdfDeviceCreate(&init, WDF_NO_OBJECT_ATTRIBUTES, &gMonitor.Device);
  }
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(init);
    return status;
  }
  status = WdfDeviceCreateSymbolicLink(gMonitor.Device, &linkName);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&queueConfig, WdfIoQueueDispatchParallel);
  queueConfig.EvtIoDeviceControl = MonitorControl;
  return WdfIoQueueCreate(gMonitor.Device, &queueConfig, WDF_NO_OBJECT_ATTRIBUTES, NULL);
}

VOID MonitorUnload(_In_ WDFDRIVER Driver) {
  UNREFERENCED_PARAMETER(Driver);
  MonitorClose();
}

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;

  ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
  KeInitializeSpinLock(&gMonitor.Lock);

  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = MonitorUnload;
  status = WdfDriverCreate(DriverObject, RegistryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (NT_SUCCESS(status)) {
    status = MonitorCreateDevice(driver);
  }
  if (NT_SUCCESS(status)) {
    status = MonitorOpen();
  }
  if (!NT_SUCCESS(status)) {
    DbgPrint("monitor: not started: %08x\n", status);
    MonitorClose();
    return status;
  }
  WdfControlFinishInitializing(gMonitor.Device);
  return STATUS_SUCCESS;
}
