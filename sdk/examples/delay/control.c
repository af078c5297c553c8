/*
    The driver's beginning and end, its parameters and its control device.
*/

#include "driver.h"

#define DELAY_DEFAULT_MAX_PENDING 256

DRIVER_INITIALIZE DriverEntry;
EVT_WDF_DRIVER_UNLOAD DelayUnload;
EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL DelayControl;

static BOOLEAN DelayIsSane(_In_ const DELAY_SETTINGS* Settings) {
  return Settings->InboundDelayMs <= 60000 && Settings->OutboundDelayMs <= 60000 &&
         Settings->InboundDropPercent <= 100 && Settings->OutboundDropPercent <= 100;
}

// A value that is not there leaves what was.
static NTSTATUS DelayQuery(_In_ WDFKEY Key, _In_ PCUNICODE_STRING Name, _Inout_ PULONG Value) {
  ULONG value;
  NTSTATUS status = WdfRegistryQueryULong(Key, Name, &value);

  if (NT_SUCCESS(status)) {
    *Value = value;
  }
  return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : status;
}

static NTSTATUS DelayReadParameters(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(inboundDelayMs, L"InboundDelayMs");
  DECLARE_CONST_UNICODE_STRING(outboundDelayMs, L"OutboundDelayMs");
  DECLARE_CONST_UNICODE_STRING(inboundDropPercent, L"InboundDropPercent");
  DECLARE_CONST_UNICODE_STRING(outboundDropPercent, L"OutboundDropPercent");
  DECLARE_CONST_UNICODE_STRING(maxPending, L"MaxPending");
  DECLARE_CONST_UNICODE_STRING(seed, L"Seed");
  WDFKEY key;
  NTSTATUS status;

  gDelay.MaxPending = DELAY_DEFAULT_MAX_PENDING;
  status = WdfDriverOpenParametersRegistryKey(Driver, KEY_READ, WDF_NO_OBJECT_ATTRIBUTES, &key);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  status = DelayQuery(key, &inboundDelayMs, &gDelay.Settings.InboundDelayMs);
  if (NT_SUCCESS(status))
    status = DelayQuery(key, &outboundDelayMs, &gDelay.Settings.OutboundDelayMs);
  if (NT_SUCCESS(status))
    status = DelayQuery(key, &inboundDropPercent, &gDelay.Settings.InboundDropPercent);
  if (NT_SUCCESS(status))
    status = DelayQuery(key, &outboundDropPercent, &gDelay.Settings.OutboundDropPercent);
  if (NT_SUCCESS(status)) status = DelayQuery(key, &maxPending, &gDelay.MaxPending);
  if (NT_SUCCESS(status)) status = DelayQuery(key, &seed, &gDelay.Seed);
  WdfRegistryClose(key);
  if (NT_SUCCESS(status) && !DelayIsSane(&gDelay.Settings)) {
    status = STATUS_INVALID_PARAMETER;
  }
  if (gDelay.Seed == 0) {
    gDelay.Seed = (ULONG)KeQueryPerformanceCounter(NULL).QuadPart;
  }
  return status;
}

VOID DelayControl(_In_ WDFQUEUE Queue, _In_ WDFREQUEST Request, _In_ size_t OutputBufferLength,
                  _In_ size_t InputBufferLength, _In_ ULONG IoControlCode) {
  NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
  ULONG_PTR information = 0;
  KLOCK_QUEUE_HANDLE lock;
  PVOID buffer;

  UNREFERENCED_PARAMETER(Queue);
  UNREFERENCED_PARAMETER(OutputBufferLength);
  UNREFERENCED_PARAMETER(InputBufferLength);

  switch (IoControlCode) {
    case IOCTL_DELAY_GET_SETTINGS:
      status = WdfRequestRetrieveOutputBuffer(Request, sizeof(DELAY_SETTINGS), &buffer, NULL);
      if (NT_SUCCESS(status)) {
        KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
        *(PDELAY_SETTINGS)buffer = gDelay.Settings;
        KeReleaseInStackQueuedSpinLock(&lock);
        information = sizeof(DELAY_SETTINGS);
      }
      break;
    case IOCTL_DELAY_SET_SETTINGS:
      status = WdfRequestRetrieveInputBuffer(Request, sizeof(DELAY_SETTINGS), &buffer, NULL);
      if (NT_SUCCESS(status) && !DelayIsSane((PDELAY_SETTINGS)buffer)) {
        status = STATUS_INVALID_PARAMETER;
      }
      if (NT_SUCCESS(status)) {
        KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
        gDelay.Settings = *(PDELAY_SETTINGS)buffer;
        KeReleaseInStackQueuedSpinLock(&lock);
      }
      break;
    case IOCTL_DELAY_GET_COUNTS:
      status = WdfRequestRetrieveOutputBuffer(Request, sizeof(gDelay.Counts), &buffer, NULL);
      if (NT_SUCCESS(status)) {
        KeAcquireInStackQueuedSpinLock(&gDelay.Lock, &lock);
        RtlCopyMemory(buffer, gDelay.Counts, sizeof(gDelay.Counts));
        KeReleaseInStackQueuedSpinLock(&lock);
        information = sizeof(gDelay.Counts);
      }
      break;
  }
  WdfRequestCompleteWithInformation(Request, status, information);
}

static NTSTATUS DelayCreateDevice(_In_ WDFDRIVER Driver) {
  DECLARE_CONST_UNICODE_STRING(deviceName, L"\\Device\\HooklineDelay");
  DECLARE_CONST_UNICODE_STRING(linkName, L"\\DosDevices\\HooklineDelay");
  PWDFDEVICE_INIT init;
  WDF_OBJECT_ATTRIBUTES attributes;
  WDF_IO_QUEUE_CONFIG queueConfig;
  WDF_TIMER_CONFIG timerConfig;
  NTSTATUS status;

  init = WdfControlDeviceInitAllocate(Driver, &SDDL_DEVOBJ_SYS_ALL_ADM_ALL);
  if (init == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  WdfDeviceInitSetDeviceType(init, FILE_DEVICE_NETWORK);
  WdfDeviceInitSetCharacteristics(init, FILE_DEVICE_SECURE_OPEN, FALSE);
  status = WdfDeviceInitAssignName(init, &deviceName);
  if (NT_SUCCESS(status)) {
    status = WdfDeviceCreate(&init, WDF_NO_OBJECT_ATTRIBUTES, &gDelay.Device);
  }
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(init);
    return status;
  }

  status = WdfDeviceCreateSymbolicLink(gDelay.Device, &linkName);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&queueConfig, WdfIoQueueDispatchSequential);
  queueConfig.EvtIoDeviceControl = DelayControl;
  status = WdfIoQueueCreate(gDelay.Device, &queueConfig, WDF_NO_OBJECT_ATTRIBUTES, NULL);
  if (!NT_SUCCESS(status)) {
    return status;
  }

  WDF_TIMER_CONFIG_INIT(&timerConfig, DelayTimer);
  timerConfig.AutomaticSerialization = FALSE;
  WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
  attributes.ParentObject = gDelay.Device;
  return WdfTimerCreate(&timerConfig, &attributes, &gDelay.Timer);
}

VOID DelayUnload(_In_ WDFDRIVER Driver) {
  UNREFERENCED_PARAMETER(Driver);
  DelayClose();
}

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;

  ExInitializeDriverRuntime(DrvRtPoolNxOptIn);
  KeInitializeSpinLock(&gDelay.Lock);
  InitializeListHead(&gDelay.Waiting[DelayInbound]);
  InitializeListHead(&gDelay.Waiting[DelayOutbound]);

  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = DelayUnload;
  status = WdfDriverCreate(DriverObject, RegistryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (NT_SUCCESS(status)) {
    status = DelayReadParameters(driver);
  }
  if (NT_SUCCESS(status)) {
    status = DelayCreateDevice(driver);
  }
  if (NT_SUCCESS(status)) {
    status = DelayOpen();
  }
  if (!NT_SUCCESS(status)) {
    DbgPrint("delay: not started: %08x\n", status);
    DelayClose();
    return status;
  }
  WdfControlFinishInitializing(gDelay.Device);
  DbgPrint("delay: %u ms in, %u ms out, %u %% and %u %% lost\n", gDelay.Settings.InboundDelayMs,
           gDelay.Settings.OutboundDelayMs, gDelay.Settings.InboundDropPercent,
           gDelay.Settings.OutboundDropPercent);
  return STATUS_SUCCESS;
}
