// One broken rule for each case; kernel_test.cc expects the breach with the function's name.

#include <ntddk.h>
#include <wdf.h>

#define TAG 'hcrB'

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static void Unload(PDRIVER_OBJECT driver) { UNREFERENCED_PARAMETER(driver); }

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registryPath) {
  UNREFERENCED_PARAMETER(registryPath);
  driver->DriverUnload = Unload;
  return STATUS_SUCCESS;
}

static KSPIN_LOCK Lock;
static KEVENT Event;
static KIRQL Old;

static void WaitAtDispatch(void) {
  LARGE_INTEGER soon = {.QuadPart = -10};
  KeInitializeEvent(&Event, NotificationEvent, FALSE);
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &soon);
  KeLowerIrql(Old);
}

static void WaitWithLock(void) {
  LARGE_INTEGER soon = {.QuadPart = -10};
  KeInitializeEvent(&Event, NotificationEvent, TRUE);
  KeAcquireSpinLock(&Lock, &Old);
  KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, &soon);
  KeReleaseSpinLock(&Lock, Old);
}

static void WaitForNothing(void) {
  KEVENT zeros;
  memset(&zeros, 0, sizeof zeros);
  KeWaitForSingleObject(&zeros, Executive, KernelMode, FALSE, NULL);
}

static void DelayAtDispatch(void) {
  LARGE_INTEGER soon = {.QuadPart = -10};
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  KeDelayExecutionThread(KernelMode, FALSE, &soon);
  KeLowerIrql(Old);
}

static void LockTwice(void) {
  KIRQL inner;
  KeAcquireSpinLock(&Lock, &Old);
  KeAcquireSpinLock(&Lock, &inner);
  KeReleaseSpinLock(&Lock, inner);
  KeReleaseSpinLock(&Lock, Old);
  KeAcquireSpinLock(&Lock, &Old); /* it is whole again */
  KeReleaseSpinLock(&Lock, Old);
}

static void ReleaseForeign(void) {
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  KeReleaseSpinLock(&Lock, Old);
}

static void DpcLockAtPassive(void) {
  KeAcquireSpinLockAtDpcLevel(&Lock);
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  KeReleaseSpinLockFromDpcLevel(&Lock);
  KeLowerIrql(Old);
}

static void LowerWithLock(void) {
  KeAcquireSpinLock(&Lock, &Old);
  KeLowerIrql(PASSIVE_LEVEL);
  KeRaiseIrqlToDpcLevel();
  KeReleaseSpinLock(&Lock, Old);
}

static void RaiseDown(void) {
  KIRQL inner;
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  KeRaiseIrql(APC_LEVEL, &inner);
  KeLowerIrql(Old);
}

static void FreeTwice(void) {
  PVOID block = ExAllocatePoolWithTag(NonPagedPool, 64, TAG);
  ExFreePoolWithTag(block, TAG);
  ExFreePoolWithTag(block, TAG);
}

static void FreeWrongTag(void) {
  PVOID block = ExAllocatePoolWithTag(NonPagedPool, 64, TAG);
  ExFreePoolWithTag(block, 'rehO');
  ExFreePoolWithTag(block, TAG);
}

static void PagedAtDispatch(void) {
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  ExFreePool(ExAllocatePoolWithTag(PagedPool, 8, TAG));
  KeLowerIrql(Old);
}

static void NoTag(void) { ExAllocatePool2(POOL_FLAG_NON_PAGED, 8, 0); }

static void ThreadAtDispatch(void) {
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  ZwClose((HANDLE)(ULONG_PTR)12);
  KeLowerIrql(Old);
}

static IO_WORKITEM_ROUTINE KeepsLevel;
static void KeepsLevel(PDEVICE_OBJECT device, PVOID context) {
  UNREFERENCED_PARAMETER(device);
  KeSetEvent(context, IO_NO_INCREMENT, FALSE);
  KeRaiseIrqlToDpcLevel();
}

static void WorkKeepsLevel(void) {
  PIO_WORKITEM item = IoAllocateWorkItem(NULL);
  KeInitializeEvent(&Event, NotificationEvent, FALSE);
  IoQueueWorkItem(item, KeepsLevel, DelayedWorkQueue, &Event);
  KeWaitForSingleObject(&Event, Executive, KernelMode, FALSE, NULL);
  IoFreeWorkItem(item);
}

static KEVENT Block;
static IO_WORKITEM_ROUTINE Nothing;
static void Nothing(PDEVICE_OBJECT device, PVOID context) {
  UNREFERENCED_PARAMETER(device);
  UNREFERENCED_PARAMETER(context);
  KeWaitForSingleObject(&Block, Executive, KernelMode, FALSE, NULL);
}

static void QueueTwice(void) {
  /* All workers are busy, so that the item stays queued. */
  PIO_WORKITEM items[17];
  KeInitializeEvent(&Block, NotificationEvent, FALSE);
  for (int i = 0; i < 17; ++i) {
    items[i] = IoAllocateWorkItem(NULL);
    IoQueueWorkItem(items[i], Nothing, DelayedWorkQueue, NULL);
  }
  IoQueueWorkItem(items[16], Nothing, DelayedWorkQueue, NULL);
  KeSetEvent(&Block, IO_NO_INCREMENT, FALSE);
  for (int i = 0; i < 17; ++i) {
    LARGE_INTEGER soon = {.QuadPart = -100000};
    KeDelayExecutionThread(KernelMode, FALSE, &soon);
  }
  for (int i = 0; i < 17; ++i) IoFreeWorkItem(items[i]);
}

static void StaleHandle(void) { WdfRequestComplete((WDFREQUEST)(ULONG_PTR)0x1230, STATUS_SUCCESS); }

static void Assertion(void) {
  int zero = 0;
  NT_ASSERT(zero == 1);
}

static void SemaphoreLimit(void) {
  KSEMAPHORE semaphore;
  KeInitializeSemaphore(&semaphore, 1, 1);
  KeReleaseSemaphore(&semaphore, 0, 1, FALSE);
}

static void DeadLookaside(void) {
  LOOKASIDE_LIST_EX list;
  ExInitializeLookasideListEx(&list, NULL, NULL, NonPagedPoolNx, 0, 8, TAG, 0);
  PVOID entry = ExAllocateFromLookasideListEx(&list);
  ExDeleteLookasideListEx(&list);
  ExFreePool(entry);
  ExAllocateFromLookasideListEx(&list);
}

static void PagedCode(void) {
  KeRaiseIrql(DISPATCH_LEVEL, &Old);
  PAGED_CODE();
  KeLowerIrql(Old);
}

#define BREACH(name) \
  { #name, name }
static const struct {
  const char* name;
  void (*run)(void);
} Cases[] = {
    BREACH(WaitAtDispatch),
    BREACH(WaitWithLock),
    BREACH(WaitForNothing),
    BREACH(DelayAtDispatch),
    BREACH(LockTwice),
    BREACH(ReleaseForeign),
    BREACH(DpcLockAtPassive),
    BREACH(LowerWithLock),
    BREACH(RaiseDown),
    BREACH(FreeTwice),
    BREACH(FreeWrongTag),
    BREACH(PagedAtDispatch),
    BREACH(NoTag),
    BREACH(ThreadAtDispatch),
    BREACH(WorkKeepsLevel),
    BREACH(QueueTwice),
    BREACH(StaleHandle),
    BREACH(Assertion),
    BREACH(SemaphoreLimit),
    BREACH(DeadLookaside),
    BREACH(PagedCode),
};

__declspec(dllexport) int BreachCase(const char* name);
int BreachCase(const char* name) {
  for (size_t i = 0; i < ARRAYSIZE(Cases); ++i) {
    if (strcmp(Cases[i].name, name) == 0) {
      Cases[i].run();
      return 1;
    }
  }
  return 0;
}

// --- what is left at unload ---

static KSTART_ROUTINE Stubborn;
static void Stubborn(PVOID context) {
  KeWaitForSingleObject(context, Executive, KernelMode, FALSE, NULL);
}

static LOOKASIDE_LIST_EX Forgotten;
static KTIMER Timer;
static KEVENT Never;

__declspec(dllexport) void Leak(void);
void Leak(void) {
  HANDLE handle;
  LARGE_INTEGER hour = {.QuadPart = -36000000000ll};
  ExAllocatePoolWithTag(NonPagedPool, 100, TAG);
  ExAllocatePoolWithTag(NonPagedPool, 28, TAG);
  ExAllocatePool2(POOL_FLAG_PAGED, 7, 'owT2');
  IoAllocateMdl(&Lock, 8, FALSE, FALSE, NULL);
  IoAllocateWorkItem(NULL);
  ExInitializeLookasideListEx(&Forgotten, NULL, NULL, NonPagedPoolNx, 0, 8, TAG, 0);
  KeInitializeTimer(&Timer);
  KeSetTimer(&Timer, hour, NULL);
  KeInitializeEvent(&Event, NotificationEvent, TRUE);
  PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, Stubborn, &Event);
}

__declspec(dllexport) void StartStubborn(void);
void StartStubborn(void) {
  HANDLE handle;
  KeInitializeEvent(&Never, NotificationEvent, FALSE);
  if (NT_SUCCESS(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, Stubborn, &Never))) {
    ZwClose(handle);
  }
}

__declspec(dllexport) void EndStubborn(void);
void EndStubborn(void) { KeSetEvent(&Never, IO_NO_INCREMENT, FALSE); }
