#pragma once

/* The driver framework for packet callouts: the driver object, a control device with its IOCTL
 * queue, registry parameters, timers, locks, work items. No PnP, no power, no USB: those names do
 * not compile.
 *
 * An object belongs to its parent and is deleted with it, children first; the driver object is
 * deleted after EvtDriverUnload. Handles are checked in a checked build: a deleted or foreign one
 * is a breach, and the call fails. */

#include <wdm.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef void* WDFOBJECT;
#define HOOKLINE_WDF_HANDLE(name) typedef struct name##__* name
HOOKLINE_WDF_HANDLE(WDFDRIVER);
HOOKLINE_WDF_HANDLE(WDFDEVICE);
HOOKLINE_WDF_HANDLE(WDFQUEUE);
HOOKLINE_WDF_HANDLE(WDFREQUEST);
HOOKLINE_WDF_HANDLE(WDFMEMORY);
HOOKLINE_WDF_HANDLE(WDFKEY);
HOOKLINE_WDF_HANDLE(WDFTIMER);
HOOKLINE_WDF_HANDLE(WDFSPINLOCK);
HOOKLINE_WDF_HANDLE(WDFWAITLOCK);
HOOKLINE_WDF_HANDLE(WDFWORKITEM);
#undef HOOKLINE_WDF_HANDLE
typedef struct WDFDEVICE_INIT WDFDEVICE_INIT, *PWDFDEVICE_INIT;

typedef enum _WDF_TRI_STATE { WdfFalse = FALSE, WdfTrue = TRUE, WdfUseDefault = 2 } WDF_TRI_STATE;

#define WDF_NO_EVENT_CALLBACK NULL
#define WDF_NO_HANDLE NULL
#define WDF_NO_CONTEXT NULL
#define WDF_NO_OBJECT_ATTRIBUTES NULL
#define WDF_NO_SEND_OPTIONS NULL
#define WDFAPI

/* Relative times are negative, in 100 ns. */
#define WDF_TIMEOUT_TO_MS 10000LL
#define WDF_TIMEOUT_TO_SEC 10000000LL
static inline LONGLONG WDF_REL_TIMEOUT_IN_MS(ULONGLONG time) { return -(LONGLONG)(time * 10000u); }
static inline LONGLONG WDF_REL_TIMEOUT_IN_SEC(ULONGLONG time) {
  return -(LONGLONG)(time * 10000000u);
}
static inline LONGLONG WDF_REL_TIMEOUT_IN_US(ULONGLONG time) { return -(LONGLONG)(time * 10u); }
static inline LONGLONG WDF_ABS_TIMEOUT_IN_MS(ULONGLONG time) { return (LONGLONG)(time * 10000u); }
static inline LONGLONG WDF_ABS_TIMEOUT_IN_SEC(ULONGLONG time) {
  return (LONGLONG)(time * 10000000u);
}

/* --- objects --- */

typedef void EVT_WDF_OBJECT_CONTEXT_CLEANUP(WDFOBJECT object);
typedef EVT_WDF_OBJECT_CONTEXT_CLEANUP* PFN_WDF_OBJECT_CONTEXT_CLEANUP;
typedef void EVT_WDF_OBJECT_CONTEXT_DESTROY(WDFOBJECT object);
typedef EVT_WDF_OBJECT_CONTEXT_DESTROY* PFN_WDF_OBJECT_CONTEXT_DESTROY;

typedef enum _WDF_EXECUTION_LEVEL {
  WdfExecutionLevelInvalid,
  WdfExecutionLevelInheritFromParent,
  WdfExecutionLevelPassive,
  WdfExecutionLevelDispatch
} WDF_EXECUTION_LEVEL;

typedef enum _WDF_SYNCHRONIZATION_SCOPE {
  WdfSynchronizationScopeInvalid,
  WdfSynchronizationScopeInheritFromParent,
  WdfSynchronizationScopeDevice, /* not there: as None, refused where a callback would need it */
  WdfSynchronizationScopeQueue,
  WdfSynchronizationScopeNone
} WDF_SYNCHRONIZATION_SCOPE;

typedef struct _WDF_OBJECT_CONTEXT_TYPE_INFO {
  ULONG Size;
  LPCSTR ContextName;
  SIZE_T ContextSize;
  const struct _WDF_OBJECT_CONTEXT_TYPE_INFO* UniqueType;
} WDF_OBJECT_CONTEXT_TYPE_INFO, *PWDF_OBJECT_CONTEXT_TYPE_INFO;
typedef const WDF_OBJECT_CONTEXT_TYPE_INFO* PCWDF_OBJECT_CONTEXT_TYPE_INFO;

typedef struct _WDF_OBJECT_ATTRIBUTES {
  ULONG Size;
  PFN_WDF_OBJECT_CONTEXT_CLEANUP EvtCleanupCallback;
  PFN_WDF_OBJECT_CONTEXT_DESTROY EvtDestroyCallback;
  WDF_EXECUTION_LEVEL ExecutionLevel;
  WDF_SYNCHRONIZATION_SCOPE SynchronizationScope;
  WDFOBJECT ParentObject;
  SIZE_T ContextSizeOverride;
  PCWDF_OBJECT_CONTEXT_TYPE_INFO ContextTypeInfo;
} WDF_OBJECT_ATTRIBUTES, *PWDF_OBJECT_ATTRIBUTES;

static inline void WDF_OBJECT_ATTRIBUTES_INIT(PWDF_OBJECT_ATTRIBUTES attributes) {
  memset(attributes, 0, sizeof *attributes);
  attributes->Size = sizeof *attributes;
  attributes->ExecutionLevel = WdfExecutionLevelInheritFromParent;
  attributes->SynchronizationScope = WdfSynchronizationScopeInheritFromParent;
}

/* A context of the driver's own type in every object that is made with it: zeros at first. */
#define WDF_TYPE_NAME_TO_TYPE_INFO(type) HooklineWdf##type##TypeInfo
#define WDF_GET_CONTEXT_TYPE_INFO(type) (&WDF_TYPE_NAME_TO_TYPE_INFO(type))
#define WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(type, getter)                                           \
  __attribute__((                                                                                  \
      weak, visibility(                                                                            \
                "hidden"))) extern const WDF_OBJECT_CONTEXT_TYPE_INFO HooklineWdf##type##TypeInfo; \
  const WDF_OBJECT_CONTEXT_TYPE_INFO HooklineWdf##type##TypeInfo = {                               \
      sizeof(WDF_OBJECT_CONTEXT_TYPE_INFO), #type, sizeof(type), &HooklineWdf##type##TypeInfo};    \
  HOOKLINE_UNUSED static inline type* getter(WDFOBJECT object) {                                   \
    return (type*)WdfObjectGetTypedContextWorker(object, &HooklineWdf##type##TypeInfo);            \
  }
#define WDF_DECLARE_CONTEXT_TYPE(type) WDF_DECLARE_CONTEXT_TYPE_WITH_NAME(type, WdfObjectGet_##type)
#define WDF_OBJECT_ATTRIBUTES_SET_CONTEXT_TYPE(attributes, type) \
  ((attributes)->ContextTypeInfo = WDF_GET_CONTEXT_TYPE_INFO(type))
#define WDF_OBJECT_ATTRIBUTES_INIT_CONTEXT_TYPE(attributes, type) \
  do {                                                            \
    WDF_OBJECT_ATTRIBUTES_INIT(attributes);                       \
    WDF_OBJECT_ATTRIBUTES_SET_CONTEXT_TYPE(attributes, type);     \
  } while (0)

PVOID WdfObjectGetTypedContextWorker(WDFOBJECT object, PCWDF_OBJECT_CONTEXT_TYPE_INFO type);
#define WdfObjectGetTypedContext(object, type) \
  ((type*)WdfObjectGetTypedContextWorker((WDFOBJECT)(object), WDF_GET_CONTEXT_TYPE_INFO(type)))
WDFOBJECT WdfObjectContextGetObject(PVOID context);
void WdfObjectDelete(WDFOBJECT object);
void WdfObjectReference(WDFOBJECT object);
void WdfObjectDereference(WDFOBJECT object);
NTSTATUS WdfObjectCreate(PWDF_OBJECT_ATTRIBUTES attributes, WDFOBJECT* object);

/* --- the driver --- */

typedef NTSTATUS EVT_WDF_DRIVER_DEVICE_ADD(WDFDRIVER driver, PWDFDEVICE_INIT init);
typedef EVT_WDF_DRIVER_DEVICE_ADD* PFN_WDF_DRIVER_DEVICE_ADD;
typedef void EVT_WDF_DRIVER_UNLOAD(WDFDRIVER driver);
typedef EVT_WDF_DRIVER_UNLOAD* PFN_WDF_DRIVER_UNLOAD;

typedef enum _WDF_DRIVER_INIT_FLAGS {
  WdfDriverInitNonPnpDriver = 1,
  WdfDriverInitNoDispatchOverride = 2
} WDF_DRIVER_INIT_FLAGS;

typedef struct _WDF_DRIVER_CONFIG {
  ULONG Size;
  PFN_WDF_DRIVER_DEVICE_ADD EvtDriverDeviceAdd; /* must be NULL: no devices are found here */
  PFN_WDF_DRIVER_UNLOAD EvtDriverUnload;
  ULONG DriverInitFlags;
  ULONG DriverPoolTag;
} WDF_DRIVER_CONFIG, *PWDF_DRIVER_CONFIG;

static inline void WDF_DRIVER_CONFIG_INIT(PWDF_DRIVER_CONFIG config,
                                          PFN_WDF_DRIVER_DEVICE_ADD device_add) {
  memset(config, 0, sizeof *config);
  config->Size = sizeof *config;
  config->EvtDriverDeviceAdd = device_add;
}

NTSTATUS WdfDriverCreate(PDRIVER_OBJECT driver_object, PCUNICODE_STRING registry_path,
                         PWDF_OBJECT_ATTRIBUTES attributes, PWDF_DRIVER_CONFIG config,
                         WDFDRIVER* driver);
WDFDRIVER WdfGetDriver(void);
PDRIVER_OBJECT WdfDriverWdmGetDriverObject(WDFDRIVER driver);
PWSTR WdfDriverGetRegistryPath(WDFDRIVER driver);

/* --- the parameters that the operator gave: [filter.driver.parameters]; reading only --- */

NTSTATUS WdfDriverOpenParametersRegistryKey(WDFDRIVER driver, ACCESS_MASK access,
                                            PWDF_OBJECT_ATTRIBUTES attributes, WDFKEY* key);
void WdfRegistryClose(WDFKEY key);
NTSTATUS WdfRegistryQueryValue(WDFKEY key, PCUNICODE_STRING name, ULONG size, PVOID value,
                               PULONG bytes, PULONG type);
NTSTATUS WdfRegistryQueryULong(WDFKEY key, PCUNICODE_STRING name, PULONG value);
/* *bytes: of the whole text with its NUL. STATUS_BUFFER_OVERFLOW when `value` has not that room. */
NTSTATUS WdfRegistryQueryUnicodeString(WDFKEY key, PCUNICODE_STRING name, PUSHORT bytes,
                                       PUNICODE_STRING value);

/* --- the control device --- */

typedef enum _WDF_DEVICE_IO_TYPE {
  WdfDeviceIoUndefined,
  WdfDeviceIoNeither,
  WdfDeviceIoBuffered,
  WdfDeviceIoDirect
} WDF_DEVICE_IO_TYPE;

/* WdfDeviceCreate takes the init structure and clears the pointer; on failure the driver frees it.
 * Security descriptors, classes and types are kept and have no effect. */
PWDFDEVICE_INIT WdfControlDeviceInitAllocate(WDFDRIVER driver, PCUNICODE_STRING sddl);
void WdfDeviceInitFree(PWDFDEVICE_INIT init);
NTSTATUS WdfDeviceInitAssignName(PWDFDEVICE_INIT init, PCUNICODE_STRING name);
NTSTATUS WdfDeviceInitAssignSDDLString(PWDFDEVICE_INIT init, PCUNICODE_STRING sddl);
void WdfDeviceInitSetCharacteristics(PWDFDEVICE_INIT init, ULONG characteristics, BOOLEAN or_in);
void WdfDeviceInitSetDeviceClass(PWDFDEVICE_INIT init, const GUID* device_class);
void WdfDeviceInitSetDeviceType(PWDFDEVICE_INIT init, DEVICE_TYPE type);
void WdfDeviceInitSetExclusive(PWDFDEVICE_INIT init, BOOLEAN exclusive);
void WdfDeviceInitSetIoType(PWDFDEVICE_INIT init, WDF_DEVICE_IO_TYPE type);
NTSTATUS WdfDeviceCreate(PWDFDEVICE_INIT* init, PWDF_OBJECT_ATTRIBUTES attributes,
                         WDFDEVICE* device);
NTSTATUS WdfDeviceCreateSymbolicLink(WDFDEVICE device, PCUNICODE_STRING name);
/* From here on the operator reaches the device. */
void WdfControlFinishInitializing(WDFDEVICE device);
PDEVICE_OBJECT WdfDeviceWdmGetDeviceObject(WDFDEVICE device);
WDFDEVICE WdfWdmDeviceGetWdfDeviceHandle(PDEVICE_OBJECT device);
WDFDRIVER WdfDeviceGetDriver(WDFDEVICE device);
WDFQUEUE WdfDeviceGetDefaultQueue(WDFDEVICE device);

/* --- queues: the default queue of a device, with IOCTLs --- */

typedef enum _WDF_IO_QUEUE_DISPATCH_TYPE {
  WdfIoQueueDispatchInvalid,
  WdfIoQueueDispatchSequential, /* the next when the last was completed */
  WdfIoQueueDispatchParallel    /* as they come, on several threads */
} WDF_IO_QUEUE_DISPATCH_TYPE;

typedef void EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL(WDFQUEUE queue, WDFREQUEST request,
                                                size_t output_bytes, size_t input_bytes,
                                                ULONG code);
typedef EVT_WDF_IO_QUEUE_IO_DEVICE_CONTROL* PFN_WDF_IO_QUEUE_IO_DEVICE_CONTROL;

typedef struct _WDF_IO_QUEUE_CONFIG {
  ULONG Size;
  WDF_IO_QUEUE_DISPATCH_TYPE DispatchType;
  WDF_TRI_STATE PowerManaged;
  BOOLEAN AllowZeroLengthRequests;
  BOOLEAN DefaultQueue;
  PFN_WDF_IO_QUEUE_IO_DEVICE_CONTROL EvtIoDeviceControl;
} WDF_IO_QUEUE_CONFIG, *PWDF_IO_QUEUE_CONFIG;

static inline void WDF_IO_QUEUE_CONFIG_INIT(PWDF_IO_QUEUE_CONFIG config,
                                            WDF_IO_QUEUE_DISPATCH_TYPE type) {
  memset(config, 0, sizeof *config);
  config->Size = sizeof *config;
  config->PowerManaged = WdfUseDefault;
  config->DispatchType = type;
}
static inline void WDF_IO_QUEUE_CONFIG_INIT_DEFAULT_QUEUE(PWDF_IO_QUEUE_CONFIG config,
                                                          WDF_IO_QUEUE_DISPATCH_TYPE type) {
  WDF_IO_QUEUE_CONFIG_INIT(config, type);
  config->DefaultQueue = TRUE;
}

/* STATUS_NOT_SUPPORTED without DefaultQueue, or for a second one of a device. */
NTSTATUS WdfIoQueueCreate(WDFDEVICE device, PWDF_IO_QUEUE_CONFIG config,
                          PWDF_OBJECT_ATTRIBUTES attributes, WDFQUEUE* queue);
WDFDEVICE WdfIoQueueGetDevice(WDFQUEUE queue);

/* --- requests: completed exactly once; a second completion is a breach and is ignored --- */

NTSTATUS WdfRequestRetrieveInputMemory(WDFREQUEST request, WDFMEMORY* memory);
NTSTATUS WdfRequestRetrieveOutputMemory(WDFREQUEST request, WDFMEMORY* memory);
NTSTATUS WdfRequestRetrieveInputBuffer(WDFREQUEST request, size_t at_least, PVOID* buffer,
                                       size_t* bytes);
NTSTATUS WdfRequestRetrieveOutputBuffer(WDFREQUEST request, size_t at_least, PVOID* buffer,
                                        size_t* bytes);
void WdfRequestSetInformation(WDFREQUEST request, ULONG_PTR information);
ULONG_PTR WdfRequestGetInformation(WDFREQUEST request);
void WdfRequestComplete(WDFREQUEST request, NTSTATUS status);
void WdfRequestCompleteWithInformation(WDFREQUEST request, NTSTATUS status, ULONG_PTR information);
WDFQUEUE WdfRequestGetIoQueue(WDFREQUEST request);

NTSTATUS WdfMemoryCreate(PWDF_OBJECT_ATTRIBUTES attributes, POOL_TYPE type, ULONG tag, size_t size,
                         WDFMEMORY* memory, PVOID* buffer);
PVOID WdfMemoryGetBuffer(WDFMEMORY memory, size_t* size);
NTSTATUS WdfMemoryCopyToBuffer(WDFMEMORY source, size_t offset, PVOID target, size_t bytes);
NTSTATUS WdfMemoryCopyFromBuffer(WDFMEMORY target, size_t offset, PVOID source, size_t bytes);

/* --- timers, locks, work items --- */

typedef void EVT_WDF_TIMER(WDFTIMER timer);
typedef EVT_WDF_TIMER* PFN_WDF_TIMER;

/* The callback runs at DISPATCH_LEVEL, or at PASSIVE_LEVEL on a worker thread when the attributes'
 * ExecutionLevel says passive. AutomaticSerialization: callbacks of one parent's timers never run
 * at the same time. A period in ms: again and again; only at dispatch level. */
typedef struct _WDF_TIMER_CONFIG {
  ULONG Size;
  PFN_WDF_TIMER EvtTimerFunc;
  ULONG Period;
  BOOLEAN AutomaticSerialization;
  ULONG TolerableDelay;
  WDF_TRI_STATE UseHighResolutionTimer;
} WDF_TIMER_CONFIG, *PWDF_TIMER_CONFIG;

static inline void WDF_TIMER_CONFIG_INIT(PWDF_TIMER_CONFIG config, PFN_WDF_TIMER function) {
  memset(config, 0, sizeof *config);
  config->Size = sizeof *config;
  config->EvtTimerFunc = function;
  config->AutomaticSerialization = TRUE;
  config->UseHighResolutionTimer = WdfFalse;
}
static inline void WDF_TIMER_CONFIG_INIT_PERIODIC(PWDF_TIMER_CONFIG config, PFN_WDF_TIMER function,
                                                  LONG period_ms) {
  WDF_TIMER_CONFIG_INIT(config, function);
  config->Period = (ULONG)period_ms;
}

NTSTATUS WdfTimerCreate(PWDF_TIMER_CONFIG config, PWDF_OBJECT_ATTRIBUTES attributes,
                        WDFTIMER* timer);
BOOLEAN WdfTimerStart(WDFTIMER timer, LONGLONG due); /* TRUE: it was running already */
BOOLEAN WdfTimerStop(WDFTIMER timer, BOOLEAN wait);  /* `wait`: also for a callback that runs */
WDFOBJECT WdfTimerGetParentObject(WDFTIMER timer);

NTSTATUS WdfSpinLockCreate(PWDF_OBJECT_ATTRIBUTES attributes, WDFSPINLOCK* lock);
void WdfSpinLockAcquire(WDFSPINLOCK lock);
void WdfSpinLockRelease(WDFSPINLOCK lock);
NTSTATUS WdfWaitLockCreate(PWDF_OBJECT_ATTRIBUTES attributes, WDFWAITLOCK* lock);
NTSTATUS WdfWaitLockAcquire(WDFWAITLOCK lock, PLONGLONG timeout);
void WdfWaitLockRelease(WDFWAITLOCK lock);

typedef void EVT_WDF_WORKITEM(WDFWORKITEM item);
typedef EVT_WDF_WORKITEM* PFN_WDF_WORKITEM;
typedef struct _WDF_WORKITEM_CONFIG {
  ULONG Size;
  PFN_WDF_WORKITEM EvtWorkItemFunc;
  BOOLEAN AutomaticSerialization;
} WDF_WORKITEM_CONFIG, *PWDF_WORKITEM_CONFIG;
static inline void WDF_WORKITEM_CONFIG_INIT(PWDF_WORKITEM_CONFIG config,
                                            PFN_WDF_WORKITEM function) {
  memset(config, 0, sizeof *config);
  config->Size = sizeof *config;
  config->EvtWorkItemFunc = function;
  config->AutomaticSerialization = TRUE;
}
NTSTATUS WdfWorkItemCreate(PWDF_WORKITEM_CONFIG config, PWDF_OBJECT_ATTRIBUTES attributes,
                           WDFWORKITEM* item);
void WdfWorkItemEnqueue(WDFWORKITEM item); /* nothing new while it is queued and has not begun */
void WdfWorkItemFlush(WDFWORKITEM item);
WDFOBJECT WdfWorkItemGetParentObject(WDFWORKITEM item);

#ifdef __cplusplus
}
#endif
