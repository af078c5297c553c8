#pragma once

/* Part of wdm.h: the driver's and its device's objects, work items, MDLs, system threads, handles.
 * Control devices are WDF's (wdf.h): there are no IRPs and no dispatch table. */

#include <hookline/ddk/ex.h>
#include <hookline/mdl.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _DRIVER_OBJECT DRIVER_OBJECT, *PDRIVER_OBJECT;
typedef struct _DEVICE_OBJECT DEVICE_OBJECT, *PDEVICE_OBJECT;

typedef NTSTATUS DRIVER_INITIALIZE(PDRIVER_OBJECT driver, PUNICODE_STRING registry_path);
typedef DRIVER_INITIALIZE* PDRIVER_INITIALIZE;
typedef void DRIVER_UNLOAD(PDRIVER_OBJECT driver);
typedef DRIVER_UNLOAD* PDRIVER_UNLOAD;

/* The members that mean something here, in the public order. */
struct _DRIVER_OBJECT {
  CSHORT Type;
  CSHORT Size;
  PDEVICE_OBJECT DeviceObject; /* the first device, or NULL */
  ULONG Flags;
  UNICODE_STRING DriverName; /* \Driver\NAME */
  PDRIVER_UNLOAD DriverUnload;
};

struct _DEVICE_OBJECT {
  CSHORT Type;
  USHORT Size;
  LONG ReferenceCount;
  PDRIVER_OBJECT DriverObject;
  PDEVICE_OBJECT NextDevice;
  ULONG Flags;
  ULONG Characteristics;
  PVOID DeviceExtension;
  DEVICE_TYPE DeviceType;
};

DRIVER_INITIALIZE DriverEntry;

#define FILE_DEVICE_NETWORK 0x00000012
#define FILE_DEVICE_UNKNOWN 0x00000022
#define FILE_DEVICE_SECURE_OPEN 0x00000100
#define FILE_ANY_ACCESS 0
#define FILE_SPECIAL_ACCESS 0
#define FILE_READ_ACCESS 1
#define FILE_WRITE_ACCESS 2
#define FILE_READ_DATA 1
#define FILE_WRITE_DATA 2
#define METHOD_BUFFERED 0
#define METHOD_IN_DIRECT 1
#define METHOD_OUT_DIRECT 2
#define METHOD_NEITHER 3
#define CTL_CODE(device_type, function, method, access) \
  (((ULONG)(device_type) << 16) | ((ULONG)(access) << 14) | ((ULONG)(function) << 2) | (method))
#define DEVICE_TYPE_FROM_CTL_CODE(code) (((ULONG)(code)&0xffff0000) >> 16)
#define METHOD_FROM_CTL_CODE(code) ((ULONG)(code)&3)

/* Work items: a routine that runs at PASSIVE_LEVEL on a worker thread. One that is queued already
 * must not be queued again before its routine began: a breach, not done. */
typedef enum _WORK_QUEUE_TYPE {
  CriticalWorkQueue,
  DelayedWorkQueue,
  HyperCriticalWorkQueue,
  NormalWorkQueue
} WORK_QUEUE_TYPE;

typedef struct _IO_WORKITEM IO_WORKITEM, *PIO_WORKITEM;
typedef void IO_WORKITEM_ROUTINE(PDEVICE_OBJECT device, PVOID context);
typedef IO_WORKITEM_ROUTINE* PIO_WORKITEM_ROUTINE;
typedef void IO_WORKITEM_ROUTINE_EX(PVOID io_object, PVOID context, PIO_WORKITEM item);
typedef IO_WORKITEM_ROUTINE_EX* PIO_WORKITEM_ROUTINE_EX;

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT device);
void IoFreeWorkItem(PIO_WORKITEM item); /* also from its own routine; not while it is queued */
ULONG IoSizeofWorkItem(void);
void IoInitializeWorkItem(PVOID io_object, PIO_WORKITEM item);
void IoUninitializeWorkItem(PIO_WORKITEM item);
void IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE queue,
                     PVOID context);
void IoQueueWorkItemEx(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE_EX routine, WORK_QUEUE_TYPE queue,
                       PVOID context);

/* Memory descriptions. No IRPs: `irp` must be NULL. Lists of the filter engine may hold MDLs that
 * it made, and those are freed by the same function. */
struct _IRP;
PMDL IoAllocateMdl(PVOID address, ULONG bytes, BOOLEAN secondary, BOOLEAN charge_quota,
                   struct _IRP* irp);
void IoFreeMdl(PMDL mdl);
void MmBuildMdlForNonPagedPool(PMDL mdl);
typedef enum _MM_PAGE_PRIORITY {
  LowPagePriority = 0,
  NormalPagePriority = 16,
  HighPagePriority = 32
} MM_PAGE_PRIORITY;
#define MdlMappingNoExecute 0x40000000
#define MmGetSystemAddressForMdlSafe(mdl, priority) ((void)(priority), (mdl)->MappedSystemVa)
#define MmGetSystemAddressForMdl(mdl) ((mdl)->MappedSystemVa)
#define MmInitializeMdl(mdl, address, bytes)                                            \
  ((void)((mdl)->Next = NULL, (mdl)->Size = sizeof(MDL), (mdl)->MdlFlags = 0,           \
          (mdl)->Process = NULL, (mdl)->MappedSystemVa = NULL,                          \
          (mdl)->StartVa = (PVOID)((ULONG_PTR)(address) & ~(ULONG_PTR)(PAGE_SIZE - 1)), \
          (mdl)->ByteOffset = (ULONG)((ULONG_PTR)(address) & (PAGE_SIZE - 1)),          \
          (mdl)->ByteCount = (ULONG)(bytes)))

/* System threads. One that still runs when the unload routine has returned is a breach. */
#define DELETE 0x00010000
#define READ_CONTROL 0x00020000
#define SYNCHRONIZE 0x00100000
#define STANDARD_RIGHTS_REQUIRED 0x000F0000
#define STANDARD_RIGHTS_READ READ_CONTROL
#define GENERIC_READ 0x80000000
#define GENERIC_WRITE 0x40000000
#define GENERIC_ALL 0x10000000
#define THREAD_ALL_ACCESS (STANDARD_RIGHTS_REQUIRED | SYNCHRONIZE | 0xFFFF)
#define KEY_QUERY_VALUE 0x0001
#define KEY_ENUMERATE_SUB_KEYS 0x0008
#define KEY_NOTIFY 0x0010
#define KEY_READ \
  ((STANDARD_RIGHTS_READ | KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | KEY_NOTIFY) & ~SYNCHRONIZE)
#define REG_NONE 0
#define REG_SZ 1
#define REG_EXPAND_SZ 2
#define REG_BINARY 3
#define REG_DWORD 4
#define REG_MULTI_SZ 7
#define REG_QWORD 11

typedef struct _KTHREAD *PKTHREAD, *PRKTHREAD;
typedef struct _KTHREAD* PETHREAD;
typedef struct _OBJECT_TYPE* POBJECT_TYPE;
typedef struct _OBJECT_HANDLE_INFORMATION* POBJECT_HANDLE_INFORMATION;
extern POBJECT_TYPE* PsThreadType;

typedef void KSTART_ROUTINE(PVOID context);
typedef KSTART_ROUTINE* PKSTART_ROUTINE;

NTSTATUS PsCreateSystemThread(PHANDLE thread, ULONG access, POBJECT_ATTRIBUTES attributes,
                              HANDLE process, PCLIENT_ID id, PKSTART_ROUTINE routine,
                              PVOID context);
/* Ends the calling thread; returns only where that is no system thread. */
NTSTATUS PsTerminateSystemThread(NTSTATUS status);
HANDLE PsGetCurrentThreadId(void);
HANDLE PsGetCurrentProcessId(void);
PKTHREAD KeGetCurrentThread(void);
#define PsGetCurrentThread() ((PETHREAD)KeGetCurrentThread())
KPRIORITY KeSetPriorityThread(PKTHREAD thread, KPRIORITY priority); /* kept, without effect */
#define LOW_REALTIME_PRIORITY 16

/* Handles of system threads, and the objects behind them. */
NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
                                   KPROCESSOR_MODE mode, PVOID* object,
                                   POBJECT_HANDLE_INFORMATION information);
LONG_PTR ObfReferenceObject(PVOID object);
LONG_PTR ObfDereferenceObject(PVOID object);
#define ObReferenceObject(object) ObfReferenceObject(object)
#define ObDereferenceObject(object) ObfDereferenceObject(object)
NTSTATUS ZwClose(HANDLE handle);
#define NtClose ZwClose

#ifdef __cplusplus
}
#endif
