/*
    A small non-PnP driver, written as for Windows: a control device with a queue, parameters from
   the registry, a periodic timer, a spin lock, a lookaside list and work items.
*/

#include "sample.h"

#include <initguid.h>
#include <ntddk.h>
#include <ntstrsafe.h>
#include <wdf.h>
#include <wdmsec.h>

#include "sample.tmh"

#define SAMPLE_TAG 'lpmS'

// {0C9A2E1B-34A5-4D43-9B60-7D0C1B3C4E55}
DEFINE_GUID(SAMPLE_CLASS, 0x0c9a2e1b, 0x34a5, 0x4d43, 0x9b, 0x60, 0x7d, 0x0c, 0x1b, 0x3c, 0x4e,
            0x55);

typedef struct _DEVICE_CONTEXT {
  WDFTIMER Timer;
  ULONG Interval;
  WCHAR Greeting[32];
  KSPIN_LOCK Lock;
  LIST_ENTRY Pending;
  ULONG Ticks;
  BOOLEAN HasLookaside;
  LOOKASIDE_LIST_EX Lookaside;
} DEVICE_CONTEXT, *PDEVICE_CONTEXT;
WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(DEVICE_CONTEXT, GetDeviceContext);

typedef struct _PENDING_ENTRY {
  LIST_ENTRY Link;
  WDFREQUEST Request;
  PIO_WORKITEM WorkItem;
} PENDING_ENTRY, *PPENDING_ENTRY;

DRIVER_INITIALIZE DriverEntry;
EVT_WDF_DRIVER_UNLOAD SampleUnload;
EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL SampleControl;
EVT_WDF_TIMER SampleTimer;
EVT_WDF_OBJECT_CONTEXT_CLEANUP SampleCleanup;
IO_WORKITEM_ROUTINE SampleWork;

WDFDEVICE gDevice;

static NTSTATUS ReadParameters(_In_ WDFDRIVER Driver, _Inout_ PDEVICE_CONTEXT Context) {
  WDFKEY key;
  NTSTATUS status;
  UNICODE_STRING text;
  USHORT length = 0;
  DECLARE_CONST_UNICODE_STRING(intervalName, L"IntervalMs");
  DECLARE_CONST_UNICODE_STRING(greetingName, L"Greeting");

  PAGED_CODE();

  status = WdfDriverOpenParametersRegistryKey(Driver, KEY_READ, WDF_NO_OBJECT_ATTRIBUTES, &key);
  if (!NT_SUCCESS(status)) return status;

  status = WdfRegistryQueryULong(key, &intervalName, &Context->Interval);
  if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
    Context->Interval = 1;
    status = STATUS_SUCCESS;
  }
  if (NT_SUCCESS(status)) {
    RtlInitEmptyUnicodeString(&text, Context->Greeting, sizeof(Context->Greeting));
    status = WdfRegistryQueryUnicodeString(key, &greetingName, &length, &text);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND)
      status = RtlStringCchCopyW(Context->Greeting, ARRAYSIZE(Context->Greeting), L"none");
  }
  WdfRegistryClose(key);
  return status;
}

VOID SampleTimer(_In_ WDFTIMER Timer) {
  PDEVICE_CONTEXT context = GetDeviceContext(WdfTimerGetParentObject(Timer));
  KLOCK_QUEUE_HANDLE handle;

  NT_ASSERT(KeGetCurrentIrql() == DISPATCH_LEVEL);

  KeAcquireInStackQueuedSpinLock(&context->Lock, &handle);
  InterlockedIncrement((LONG*)&context->Ticks);
  if (!IsListEmpty(&context->Pending)) {
    PPENDING_ENTRY entry =
        CONTAINING_RECORD(RemoveHeadList(&context->Pending), PENDING_ENTRY, Link);
    IoQueueWorkItem(entry->WorkItem, SampleWork, DelayedWorkQueue, entry);
  }
  KeReleaseInStackQueuedSpinLock(&handle);
}

VOID SampleWork(_In_ PDEVICE_OBJECT DeviceObject, _In_opt_ PVOID Context) {
  PPENDING_ENTRY entry = (PPENDING_ENTRY)Context;
  PDEVICE_CONTEXT context = GetDeviceContext(gDevice);
  WDFREQUEST request;
  WDFMEMORY memory;
  size_t size;

  NT_ASSERT(DeviceObject == WdfDeviceWdmGetDeviceObject(gDevice));
  NT_ASSERT(KeGetCurrentIrql() == PASSIVE_LEVEL);

  if (NT_SUCCESS(WdfRequestRetrieveOutputMemory(entry->Request, &memory))) {
    PULONG ticks = (PULONG)WdfMemoryGetBuffer(memory, &size);
    if (size >= sizeof(ULONG)) {
      *ticks = 0x600D;
      WdfRequestSetInformation(entry->Request, sizeof(ULONG));
    }
  }
  request = entry->Request;
  IoFreeWorkItem(entry->WorkItem);
  ExFreeToLookasideListEx(&context->Lookaside, entry);
  WdfRequestComplete(request, STATUS_SUCCESS); /* last: the driver may be unloaded after it */
}

static NTSTATUS Park(_In_ PDEVICE_CONTEXT Context, _In_ WDFREQUEST Request) {
  KIRQL irql;
  PPENDING_ENTRY entry = ExAllocateFromLookasideListEx(&Context->Lookaside);
  if (entry == NULL) return STATUS_INSUFFICIENT_RESOURCES;

  entry->Request = Request;
  entry->WorkItem = IoAllocateWorkItem(WdfDeviceWdmGetDeviceObject(gDevice));
  if (entry->WorkItem == NULL) {
    ExFreeToLookasideListEx(&Context->Lookaside, entry);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  KeAcquireSpinLock(&Context->Lock, &irql);
  InsertTailList(&Context->Pending, &entry->Link);
  KeReleaseSpinLock(&Context->Lock, irql);
  return STATUS_PENDING;
}

VOID SampleControl(_In_ WDFQUEUE Queue, _In_ WDFREQUEST Request, _In_ size_t OutputBufferLength,
                   _In_ size_t InputBufferLength, _In_ ULONG IoControlCode) {
  PDEVICE_CONTEXT context = GetDeviceContext(WdfIoQueueGetDevice(Queue));
  NTSTATUS status = STATUS_INVALID_DEVICE_REQUEST;
  ULONG_PTR information = 0;
  PVOID in, out;

  TraceEvents(TRACE_LEVEL_INFORMATION, TRACE_DEVICE_CONTROL, "%!FUNC! code %x", IoControlCode);
  DoTraceMessage(TRACE_DEVICE_CONTROL, "%d", 1);

  switch (IoControlCode) {
    case IOCTL_SAMPLE_COUNT:
      status = WdfRequestRetrieveOutputBuffer(Request, sizeof(ULONG), &out, NULL);
      if (NT_SUCCESS(status)) {
        *(PULONG)out = (ULONG)InterlockedAdd((LONG*)&context->Ticks, 0);
        information = sizeof(ULONG);
      }
      break;
    case IOCTL_SAMPLE_ECHO:
      status = WdfRequestRetrieveInputBuffer(Request, 1, &in, NULL);
      if (NT_SUCCESS(status))
        status = WdfRequestRetrieveOutputBuffer(Request, InputBufferLength, &out, NULL);
      if (NT_SUCCESS(status)) information = InputBufferLength;
      break;
    case IOCTL_SAMPLE_PARAMETERS:
      status = WdfRequestRetrieveOutputBuffer(Request, 16, &out, NULL);
      if (NT_SUCCESS(status)) {
        RtlStringCbPrintfA(out, OutputBufferLength, "%S/%lu", context->Greeting, context->Interval);
        information = strlen(out);
      }
      break;
    case IOCTL_SAMPLE_LATER:
      status = Park(context, Request);
      if (status == STATUS_PENDING) return;
      break;
    case IOCTL_SAMPLE_NEVER:
      return;
    case IOCTL_SAMPLE_TWICE: /* a mistake that a test waits for, and the next one too */
      WdfRequestComplete(Request, STATUS_SUCCESS);
      break;
    case IOCTL_SAMPLE_TOO_MUCH:
      information = OutputBufferLength + 1;
      status = STATUS_SUCCESS;
      break;
  }
  WdfRequestCompleteWithInformation(Request, status, information);
}

VOID SampleCleanup(_In_ WDFOBJECT Object) {
  PDEVICE_CONTEXT context = GetDeviceContext(Object);
  if (context->HasLookaside) ExDeleteLookasideListEx(&context->Lookaside);
  DbgPrint("sample: cleaned up\n");
}

VOID SampleUnload(_In_ WDFDRIVER Driver) {
  PDEVICE_CONTEXT context = GetDeviceContext(gDevice);
  DbgPrint("sample: unloading\n");
  WdfTimerStop(context->Timer, TRUE);
  WPP_CLEANUP(WdfDriverWdmGetDriverObject(Driver));
  UNREFERENCED_PARAMETER(Driver);
}

static NTSTATUS CreateDevice(_In_ WDFDRIVER Driver) {
  NTSTATUS status;
  PWDFDEVICE_INIT deviceInit;
  WDF_OBJECT_ATTRIBUTES attributes;
  WDF_IO_QUEUE_CONFIG queueConfig;
  WDF_TIMER_CONFIG timerConfig;
  WDFQUEUE queue;
  PDEVICE_CONTEXT context;
  DECLARE_CONST_UNICODE_STRING(deviceName, L"\\Device\\Sample");
  DECLARE_CONST_UNICODE_STRING(linkName, L"\\DosDevices\\Sample");

  deviceInit = WdfControlDeviceInitAllocate(Driver, &SDDL_DEVOBJ_SYS_ALL_ADM_ALL);
  if (deviceInit == NULL) return STATUS_INSUFFICIENT_RESOURCES;
  WdfDeviceInitSetDeviceType(deviceInit, FILE_DEVICE_NETWORK);
  WdfDeviceInitSetCharacteristics(deviceInit, FILE_DEVICE_SECURE_OPEN, FALSE);
  WdfDeviceInitSetDeviceClass(deviceInit, &SAMPLE_CLASS);
  status = WdfDeviceInitAssignName(deviceInit, &deviceName);
  if (NT_SUCCESS(status))
    status = WdfDeviceInitAssignSDDLString(deviceInit, &SDDL_DEVOBJ_KERNEL_ONLY);
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(deviceInit);
    return status;
  }

  WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(&attributes, DEVICE_CONTEXT);
  attributes.EvtCleanupCallback = SampleCleanup;
  status = WdfDeviceCreate(&deviceInit, &attributes, &gDevice);
  if (!NT_SUCCESS(status)) {
    WdfDeviceInitFree(deviceInit);
    return status;
  }
  context = GetDeviceContext(gDevice);
  KeInitializeSpinLock(&context->Lock);
  InitializeListHead(&context->Pending);
  status = ExInitializeLookasideListEx(&context->Lookaside, NULL, NULL, NonPagedPoolNx, 0,
                                       sizeof(PENDING_ENTRY), SAMPLE_TAG, 0);
  if (!NT_SUCCESS(status)) return status;
  context->HasLookaside = TRUE;

  status = ReadParameters(Driver, context);
  if (!NT_SUCCESS(status)) return status;

  status = WdfDeviceCreateSymbolicLink(gDevice, &linkName);
  if (!NT_SUCCESS(status)) return status;

  WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(&queueConfig, WdfIoQueueDispatchSequential);
  queueConfig.EvtIoDeviceControl = SampleControl;
  status = WdfIoQueueCreate(gDevice, &queueConfig, WDF_NO_OBJECT_ATTRIBUTES, &queue);
  if (!NT_SUCCESS(status)) return status;

  WDF_TIMER_CONFIG_INIT_PERIODIC(&timerConfig, SampleTimer, context->Interval);
  timerConfig.AutomaticSerialization = FALSE;
  WDF_OBJECT_ATTRIBUTES_INIT(&attributes);
  attributes.ParentObject = gDevice;
  status = WdfTimerCreate(&timerConfig, &attributes, &context->Timer);
  if (!NT_SUCCESS(status)) return status;

  return STATUS_SUCCESS;
}

NTSTATUS
DriverEntry(_In_ PDRIVER_OBJECT DriverObject, _In_ PUNICODE_STRING RegistryPath) {
  WDF_DRIVER_CONFIG config;
  WDFDRIVER driver;
  NTSTATUS status;
  PDEVICE_CONTEXT context;

  WPP_INIT_TRACING(DriverObject, RegistryPath);
  ExInitializeDriverRuntime(DrvRtPoolNxOptIn);

  WDF_DRIVER_CONFIG_INIT(&config, WDF_NO_EVENT_CALLBACK);
  config.DriverInitFlags |= WdfDriverInitNonPnpDriver;
  config.EvtDriverUnload = SampleUnload;

  status = WdfDriverCreate(DriverObject, RegistryPath, WDF_NO_OBJECT_ATTRIBUTES, &config, &driver);
  if (!NT_SUCCESS(status)) {
    DoTraceLevelMessage(TRACE_LEVEL_ERROR, TRACE_DRIVER, "WdfDriverCreate: %x", status);
    WPP_CLEANUP(DriverObject);
    return status;
  }
  status = CreateDevice(driver);
  if (!NT_SUCCESS(status)) return status;
  context = GetDeviceContext(gDevice);
  WdfControlFinishInitializing(gDevice);
  WdfTimerStart(context->Timer, WDF_REL_TIMEOUT_IN_MS(context->Interval));
  DbgPrint("sample: started\n");
  return STATUS_SUCCESS;
}
