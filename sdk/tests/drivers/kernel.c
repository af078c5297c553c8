// Every kernel service, called as a driver would. kernel_test.cc runs the cases, each on a thread
// of the host at PASSIVE_LEVEL, and expects no breach.

#include <NTDDK.h>
#include <NtStrSafe.h>
#include <Wdf.h>
#include <intsafe.h>
#include <ntintsafe.h>
#include <wdmsec.h>

#define TEXT_OF(x) #x
#define LINE_OF(x) TEXT_OF(x)
#define EXPECT(condition)                                                   \
  do {                                                                      \
    if (!(condition)) return "kernel.c:" LINE_OF(__LINE__) ": " #condition; \
  } while (0)
#define TAG 'tseT'

DRIVER_INITIALIZE DriverEntry;
static DRIVER_UNLOAD Unload;
static PDRIVER_OBJECT TheDriver;

static void Unload(PDRIVER_OBJECT driver) {
  UNREFERENCED_PARAMETER(driver);
  DbgPrint("unloaded %wZ\n", &driver->DriverName);
}

NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING registryPath) {
  TheDriver = driver;
  driver->DriverUnload = Unload;
  DbgPrint("entered with %wZ", registryPath);
  return STATUS_SUCCESS;
}

static LARGE_INTEGER Relative(LONGLONG milliseconds) {
  LARGE_INTEGER time;
  time.QuadPart = -10000 * milliseconds;
  return time;
}

// --- lists, memory, numbers ---

static const char* Lists(void) {
  LIST_ENTRY head, a, b, c;
  KSPIN_LOCK lock;
  InitializeListHead(&head);
  EXPECT(IsListEmpty(&head) && RemoveHeadList(&head) == &head);
  InsertTailList(&head, &a);
  InsertTailList(&head, &b);
  InsertHeadList(&head, &c);
  EXPECT(head.Flink == &c && c.Flink == &a && a.Flink == &b && b.Flink == &head);
  EXPECT(!RemoveEntryList(&a) && RemoveHeadList(&head) == &c && RemoveTailList(&head) == &b);
  EXPECT(IsListEmpty(&head));
  KeInitializeSpinLock(&lock);
  EXPECT(ExInterlockedInsertTailList(&head, &a, &lock) == NULL);
  EXPECT(ExInterlockedInsertTailList(&head, &b, &lock) == &a);
  EXPECT(ExInterlockedInsertHeadList(&head, &c, &lock) == &a);
  EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &c);
  EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &a);
  EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == &b);
  EXPECT(ExInterlockedRemoveHeadList(&head, &lock) == NULL);
  return NULL;
}

static const char* Numbers(void) {
  LONG n = 5;
  CHAR small = 1;
  ULONG seed = 7, other = 7, value;
  USHORT narrow;
  SIZE_T size;
  EXPECT(InterlockedIncrement(&n) == 6 && InterlockedDecrement(&n) == 5);
  EXPECT(InterlockedAdd(&n, 3) == 8 && InterlockedExchange(&n, 1) == 8 && n == 1);
  EXPECT(InterlockedCompareExchange(&n, 4, 1) == 1 && n == 4);
  EXPECT(InterlockedExchange8(&small, 9) == 1 && small == 9);
  EXPECT(RtlUshortByteSwap(0x1234) == 0x3412 && RtlUlongByteSwap(0x12345678) == 0x78563412);
  EXPECT(RtlUlonglongByteSwap(1) == 0x0100000000000000ull);
  EXPECT(RtlRandomEx(&seed) == RtlRandomEx(&other) && seed != 7 && seed == other);
  for (int i = 0; i < 1000; ++i) EXPECT(RtlRandomEx(&seed) < MAXLONG);
  seed = 0;
  EXPECT(RtlRandomEx(&seed) < MAXLONG && seed != 0);
  EXPECT(RtlCompareMemory("abcd", "abXd", 4) == 2 && RtlCompareMemory("ab", "ab", 2) == 2);
  EXPECT(min(1, 2) == 1 && max(1, 2) == 2);
  EXPECT(RtlULongAdd(1, 2, &value) == STATUS_SUCCESS && value == 3);
  EXPECT(RtlULongAdd(MAXULONG, 1, &value) == STATUS_INTEGER_OVERFLOW);
  EXPECT(RtlULongToUShort(65536, &narrow) == STATUS_INTEGER_OVERFLOW);
  EXPECT(RtlSizeTMult(MAXSIZE_T, 2, &size) == STATUS_INTEGER_OVERFLOW);
  ULONG_PTR pointer;
  EXPECT(ULongLongToULongPtr(77, &pointer) == S_OK && pointer == 77);
  EXPECT(ULongSub(1, 2, &value) == INTSAFE_E_ARITHMETIC_OVERFLOW);
  return NULL;
}

// --- text ---

static const char* Strings(void) {
  DECLARE_CONST_UNICODE_STRING(text, L"Gr\u00fc\u00dfe");
  DECLARE_UNICODE_STRING_SIZE(buffer, 8);
  UNICODE_STRING a, b;
  ANSI_STRING narrow;
  CHAR bytes[8];
  WCHAR wide[8];
  ULONG size, value;
  EXPECT(text.Length == 10 && text.MaximumLength == 12 && sizeof(L"ab") == 6);
  RtlCopyUnicodeString(&buffer, &text);
  EXPECT(RtlEqualUnicodeString(&buffer, &text, FALSE) && buffer.Buffer[5] == 0);
  EXPECT(RtlAppendUnicodeToString(&buffer, L"xyz") == STATUS_SUCCESS && buffer.Length == 16);
  EXPECT(RtlAppendUnicodeToString(&buffer, L"!") == STATUS_BUFFER_TOO_SMALL);
  RtlInitUnicodeString(&a, L"ABC");
  RtlInitUnicodeString(&b, L"abd");
  EXPECT(RtlCompareUnicodeString(&a, &b, TRUE) < 0 && !RtlEqualUnicodeString(&a, &b, TRUE));
  b.Length = 4;
  EXPECT(RtlPrefixUnicodeString(&b, &a, TRUE) && !RtlPrefixUnicodeString(&b, &a, FALSE));
  EXPECT(RtlUnicodeStringToAnsiString(&narrow, &text, TRUE) == STATUS_SUCCESS);
  EXPECT(narrow.Length == 7 && !strcmp(narrow.Buffer,
                                       "Gr\xc3\xbc\xc3\x9f"
                                       "e"));
  EXPECT(RtlAnsiStringToUnicodeString(&a, &narrow, TRUE) == STATUS_SUCCESS);
  EXPECT(RtlEqualUnicodeString(&a, &text, FALSE));
  RtlFreeUnicodeString(&a);
  RtlFreeAnsiString(&narrow);
  // Cut, but never inside a character.
  EXPECT(RtlUnicodeToMultiByteN(bytes, 3, &size, text.Buffer, text.Length) == STATUS_SUCCESS);
  EXPECT(size == 2 && bytes[1] == 'r');
  EXPECT(RtlMultiByteToUnicodeN(wide, sizeof wide, &size, "a\xc3\xbc", 3) == STATUS_SUCCESS);
  EXPECT(size == 4 && wide[1] == 0xfc);
  EXPECT(RtlUnicodeToUTF8N(NULL, 0, &size, text.Buffer, text.Length) == STATUS_SUCCESS &&
         size == 7);
  EXPECT(RtlUTF8ToUnicodeN(wide, sizeof wide, &size, "\xff", 1) == STATUS_SOME_NOT_MAPPED);
  RtlInitUnicodeString(&a, L" -0x1F");
  EXPECT(RtlUnicodeStringToInteger(&a, 0, &value) == STATUS_SUCCESS && value == (ULONG)-31);
  EXPECT(RtlIntegerToUnicodeString(255, 16, &buffer) == STATUS_SUCCESS);
  EXPECT(buffer.Length == 4 && wcscmp(buffer.Buffer, L"FF") == 0);
  return NULL;
}

static const char* Guids(void) {
  UNICODE_STRING text;
  GUID guid = {0x01020304, 0x0506, 0x0708, {9, 10, 11, 12, 13, 14, 15, 16}}, back;
  EXPECT(RtlStringFromGUID(&guid, &text) == STATUS_SUCCESS);
  EXPECT(!wcscmp(text.Buffer, L"{01020304-0506-0708-090A-0B0C0D0E0F10}"));
  EXPECT(RtlGUIDFromString(&text, &back) == STATUS_SUCCESS && IsEqualGUID(&guid, &back));
  text.Buffer[3] = L'g';
  EXPECT(RtlGUIDFromString(&text, &back) == STATUS_INVALID_PARAMETER);
  RtlFreeUnicodeString(&text);
  return NULL;
}

static const char* BoundedText(void) {
  CHAR a[6];
  WCHAR w[6];
  size_t length;
  DECLARE_UNICODE_STRING_SIZE(counted, 6);
  EXPECT(RtlStringCchCopyA(a, 6, "12345") == STATUS_SUCCESS);
  EXPECT(RtlStringCchCopyA(a, 6, "123456") == STATUS_BUFFER_OVERFLOW && !strcmp(a, "12345"));
  EXPECT(RtlStringCchCopyA(a, 0, "") == STATUS_INVALID_PARAMETER);
  EXPECT(RtlStringCchLengthA(a, 6, &length) == STATUS_SUCCESS && length == 5);
  EXPECT(RtlStringCchLengthA(a, 5, &length) == STATUS_INVALID_PARAMETER);
  EXPECT(RtlStringCbCopyW(w, sizeof w, L"ab") == STATUS_SUCCESS);
  EXPECT(RtlStringCbCatW(w, sizeof w, L"cdef") == STATUS_BUFFER_OVERFLOW && !wcscmp(w, L"abcde"));
  EXPECT(RtlStringCbLengthW(w, sizeof w, &length) == STATUS_SUCCESS && length == 10);
  EXPECT(RtlStringCchPrintfW(w, 6, L"%ld%S", (LONG)-1, "xy") == STATUS_SUCCESS);
  EXPECT(!wcscmp(w, L"-1xy"));
  EXPECT(RtlStringCbPrintfA(a, 6, "%08lx", (ULONG)1) == STATUS_BUFFER_OVERFLOW);
  EXPECT(!strcmp(a, "00000"));
  EXPECT(RtlUnicodeStringPrintf(&counted, L"%u-%wZ", 7u, &counted) == STATUS_SUCCESS);
  EXPECT(RtlUnicodeStringCatString(&counted, L"12345678") == STATUS_BUFFER_OVERFLOW);
  EXPECT(counted.Length == 12);
  return NULL;
}

static const char* Print(void) {
  DECLARE_CONST_UNICODE_STRING(name, L"z\u00e4hler");
  ANSI_STRING ansi;
  RtlInitAnsiString(&ansi, "ansi");
  DbgPrint("%wZ=%lu (%Z, %ws, %I64x)\n", &name, (ULONG)42, &ansi, L"wide", 0x123456789abcull);
  DbgPrintEx(DPFLTR_IHVNETWORK_ID, DPFLTR_ERROR_LEVEL, "bad %d", 1);
  KdPrint(("checked %d", DBG));
  return NULL;
}

// --- pool, lookaside, MDLs ---

static const char* Pool(void) {
  UCHAR* block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG);
  EXPECT(block != NULL && block[0] == 0 && block[99] == 0);
  ExFreePoolWithTag(block, TAG);
  block = ExAllocatePoolZero(NonPagedPoolNx, 5000, TAG);
  EXPECT(block != NULL && ((ULONG_PTR)block & (PAGE_SIZE - 1)) == 0 && block[4999] == 0);
  ExFreePool(block);
  block = ExAllocatePoolWithTag(NonPagedPoolNxCacheAligned, 10, TAG);
  EXPECT(block != NULL && ((ULONG_PTR)block & 63) == 0);
  ExFreePoolWithTag(block, 0);
  block = ExAllocatePoolWithTag(NonPagedPool, 0, TAG);
  EXPECT(block != NULL);
  ExFreePoolWithTag(block, TAG);
  return NULL;
}

static LONG Allocated, Freed;
static PVOID Allocate(POOL_TYPE type, SIZE_T bytes, ULONG tag, PLOOKASIDE_LIST_EX list) {
  UNREFERENCED_PARAMETER(list);
  InterlockedIncrement(&Allocated);
  return ExAllocatePoolWithTag(type, bytes, tag);
}
static void Free(PVOID block, PLOOKASIDE_LIST_EX list) {
  UNREFERENCED_PARAMETER(list);
  InterlockedIncrement(&Freed);
  ExFreePoolWithTag(block, TAG);
}

static const char* Lookaside(void) {
  LOOKASIDE_LIST_EX list;
  PVOID blocks[300];
  EXPECT(ExInitializeLookasideListEx(&list, Allocate, Free, NonPagedPoolNx, 0, 64, TAG, 0) ==
         STATUS_SUCCESS);
  for (int i = 0; i < 300; ++i) {
    EXPECT((blocks[i] = ExAllocateFromLookasideListEx(&list)) != NULL);
    memset(blocks[i], 0x5a, 64);
  }
  for (int i = 0; i < 300; ++i) ExFreeToLookasideListEx(&list, blocks[i]);
  EXPECT((blocks[0] = ExAllocateFromLookasideListEx(&list)) != NULL);
  ExFreeToLookasideListEx(&list, blocks[0]);
  ExDeleteLookasideListEx(&list);
  EXPECT(Allocated >= 300 && Allocated == Freed);
  return NULL;
}

static const char* Mdls(void) {
  UCHAR* block = ExAllocatePool2(POOL_FLAG_NON_PAGED, 200, TAG);
  PMDL mdl = IoAllocateMdl(block + 10, 100, FALSE, FALSE, NULL);
  EXPECT(block != NULL && mdl != NULL && mdl->Next == NULL);
  MmBuildMdlForNonPagedPool(mdl);
  EXPECT(mdl->MappedSystemVa == block + 10 && MmGetMdlByteCount(mdl) == 100);
  EXPECT(MmGetMdlVirtualAddress(mdl) == block + 10);
  EXPECT(MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == block + 10);
  IoFreeMdl(mdl);
  ExFreePoolWithTag(block, TAG);
  return NULL;
}

// --- levels and locks ---

static const char* Levels(void) {
  KIRQL old;
  EXPECT(KeGetCurrentIrql() == PASSIVE_LEVEL);
  KeRaiseIrql(DISPATCH_LEVEL, &old);
  EXPECT(old == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
  KeLowerIrql(old);
  PAGED_CODE();
  EXPECT(KeGetCurrentIrql() == PASSIVE_LEVEL);
  return NULL;
}

enum { kThreads = 4, kRounds = 20000 };
static struct {
  KSPIN_LOCK plain, queued;
  LONG counts[2];
} Shared;

static KSTART_ROUTINE Counter;
static void Counter(PVOID context) {
  UNREFERENCED_PARAMETER(context);
  KLOCK_QUEUE_HANDLE handle;
  KIRQL old;
  for (int i = 0; i < kRounds; ++i) {
    KeAcquireSpinLock(&Shared.plain, &old);
    Shared.counts[0]++;
    KeAcquireInStackQueuedSpinLockAtDpcLevel(&Shared.queued, &handle);
    Shared.counts[1]++;
    KeReleaseInStackQueuedSpinLockFromDpcLevel(&handle);
    KeReleaseSpinLock(&Shared.plain, old);
    KeAcquireInStackQueuedSpinLock(&Shared.queued, &handle);
    Shared.counts[1]++;
    KeReleaseInStackQueuedSpinLock(&handle);
  }
  PsTerminateSystemThread(STATUS_SUCCESS);
}

static PVOID StartThread(PKSTART_ROUTINE routine, PVOID context) {
  HANDLE handle;
  PVOID object = NULL;
  if (NT_SUCCESS(
          PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, context))) {
    ObReferenceObjectByHandle(handle, 0, *PsThreadType, KernelMode, &object, NULL);
    ZwClose(handle);
  }
  return object;
}

static void JoinThread(PVOID thread) {
  KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
  ObDereferenceObject(thread);
}

static const char* SpinLocks(void) {
  PVOID threads[kThreads];
  KeInitializeSpinLock(&Shared.plain);
  KeInitializeSpinLock(&Shared.queued);
  for (int i = 0; i < kThreads; ++i) EXPECT((threads[i] = StartThread(Counter, NULL)) != NULL);
  for (int i = 0; i < kThreads; ++i) JoinThread(threads[i]);
  EXPECT(Shared.counts[0] == kThreads * kRounds && Shared.counts[1] == 2 * kThreads * kRounds);
  KIRQL old = KeRaiseIrqlToDpcLevel();
  EXPECT(KeTryToAcquireSpinLockAtDpcLevel(&Shared.plain));
  KeReleaseSpinLockFromDpcLevel(&Shared.plain);
  KeLowerIrql(old);
  return NULL;
}

// --- events, waits, threads ---

static KEVENT First, Second;
static LONG Passed;

static KSTART_ROUTINE Waiter;
static void Waiter(PVOID context) {
  UNREFERENCED_PARAMETER(context);
  KeWaitForSingleObject(&First, Executive, KernelMode, FALSE, NULL);
  InterlockedIncrement(&Passed);
  KeSetEvent(&Second, IO_NO_INCREMENT, FALSE);
}

static const char* Events(void) {
  LARGE_INTEGER none = {.QuadPart = 0}, soon = Relative(1);
  PVOID objects[2] = {&First, &Second};
  KeInitializeEvent(&First, NotificationEvent, FALSE);
  KeInitializeEvent(&Second, SynchronizationEvent, FALSE);
  EXPECT(KeWaitForSingleObject(&First, Executive, KernelMode, FALSE, &none) == STATUS_TIMEOUT);
  EXPECT(KeWaitForSingleObject(&First, Executive, KernelMode, FALSE, &soon) == STATUS_TIMEOUT);
  EXPECT(KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, &soon, NULL) ==
         STATUS_TIMEOUT);
  PVOID thread = StartThread(Waiter, NULL);
  EXPECT(thread != NULL && KeSetEvent(&First, IO_NO_INCREMENT, FALSE) == 0);
  EXPECT(KeWaitForSingleObject(&Second, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
  EXPECT(Passed == 1 && KeReadStateEvent(&Second) == 0 && KeReadStateEvent(&First) == 1);
  JoinThread(thread);
  EXPECT(KeWaitForMultipleObjects(2, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL) ==
         STATUS_WAIT_0);
  KeSetEvent(&Second, IO_NO_INCREMENT, FALSE);
  EXPECT(KeWaitForMultipleObjects(2, objects, WaitAll, Executive, KernelMode, FALSE, NULL, NULL) ==
         STATUS_SUCCESS);
  EXPECT(KeReadStateEvent(&Second) == 0 && KeResetEvent(&First) == 1);
  KeClearEvent(&First);
  EXPECT(KeReadStateEvent(&First) == 0);
  KIRQL old = KeRaiseIrqlToDpcLevel();
  EXPECT(KeWaitForSingleObject(&First, Executive, KernelMode, FALSE, &none) == STATUS_TIMEOUT);
  KeLowerIrql(old);
  return NULL;
}

static const char* Semaphores(void) {
  KSEMAPHORE semaphore;
  LARGE_INTEGER none = {.QuadPart = 0};
  KeInitializeSemaphore(&semaphore, 0, 2);
  EXPECT(KeReleaseSemaphore(&semaphore, 0, 2, FALSE) == 0);
  EXPECT(KeWaitForSingleObject(&semaphore, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
  EXPECT(KeWaitForSingleObject(&semaphore, Executive, KernelMode, FALSE, &none) == STATUS_SUCCESS);
  EXPECT(KeWaitForSingleObject(&semaphore, Executive, KernelMode, FALSE, &none) == STATUS_TIMEOUT);
  return NULL;
}

static KSTART_ROUTINE Reporter;
static void Reporter(PVOID context) { *(HANDLE*)context = PsGetCurrentThreadId(); }

static const char* Threads(void) {
  HANDLE id = NULL, handle;
  PVOID object;
  PVOID thread = StartThread(Reporter, &id);
  EXPECT(thread != NULL);
  JoinThread(thread);
  EXPECT(id != NULL && id != PsGetCurrentThreadId());
  EXPECT(NT_SUCCESS(PsCreateSystemThread(&handle, 0, NULL, NULL, NULL, Reporter, &id)));
  EXPECT(NT_SUCCESS(ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &object, NULL)));
  JoinThread(object);
  EXPECT(ZwClose(handle) == STATUS_SUCCESS);
  EXPECT(ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &object, NULL) ==
         STATUS_INVALID_HANDLE);
  return NULL;
}

static const char* Time(void) {
  LARGE_INTEGER frequency, before = KeQueryPerformanceCounter(&frequency), wall, after, interval;
  interval = Relative(2);
  EXPECT(frequency.QuadPart > 0);
  EXPECT(KeDelayExecutionThread(KernelMode, FALSE, &interval) == STATUS_SUCCESS);
  after = KeQueryPerformanceCounter(NULL);
  EXPECT(after.QuadPart - before.QuadPart >= frequency.QuadPart / 500);
  KeQuerySystemTime(&wall);
  EXPECT(wall.QuadPart > 132000000000000000); /* later than 2019 */
  wall.QuadPart += 20000;
  EXPECT(KeDelayExecutionThread(KernelMode, FALSE, &wall) == STATUS_SUCCESS);
  KeQuerySystemTimePrecise(&after);
  EXPECT(after.QuadPart >= wall.QuadPart);
  KeStallExecutionProcessor(1);
  EXPECT(KeGetCurrentProcessorIndex() < KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS));
  return NULL;
}

// --- work items, DPCs, timers ---

static KEVENT Done;
static KIRQL SeenLevel;
static LONG Runs;

static IO_WORKITEM_ROUTINE Work;
static void Work(PDEVICE_OBJECT device, PVOID context) {
  SeenLevel = KeGetCurrentIrql();
  *(PVOID*)context = device;
  KeSetEvent(&Done, IO_NO_INCREMENT, FALSE);
}

static IO_WORKITEM_ROUTINE_EX WorkAndFree;
static void WorkAndFree(PVOID object, PVOID context, PIO_WORKITEM item) {
  UNREFERENCED_PARAMETER(object);
  IoFreeWorkItem(item);
  if (InterlockedDecrement((LONG*)context) == 0) KeSetEvent(&Done, IO_NO_INCREMENT, FALSE);
}

static const char* WorkItems(void) {
  PVOID seen = NULL;
  LONG left = 40;
  KeInitializeEvent(&Done, SynchronizationEvent, FALSE);
  PIO_WORKITEM item = ExAllocatePoolWithTag(NonPagedPoolNx, IoSizeofWorkItem(), TAG);
  EXPECT(item != NULL);
  IoInitializeWorkItem(TheDriver, item);
  for (int i = 0; i < 3; ++i) {
    IoQueueWorkItem(item, Work, DelayedWorkQueue, &seen);
    KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
  }
  EXPECT(seen == TheDriver && SeenLevel == PASSIVE_LEVEL);
  IoUninitializeWorkItem(item);
  ExFreePoolWithTag(item, TAG);
  for (LONG i = 0, count = left; i < count; ++i) {
    EXPECT((item = IoAllocateWorkItem(NULL)) != NULL);
    IoQueueWorkItemEx(item, WorkAndFree, DelayedWorkQueue, &left);
  }
  KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
  return NULL;
}

static KDEFERRED_ROUTINE Deferred;
static void Deferred(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2) {
  UNREFERENCED_PARAMETER(dpc);
  UNREFERENCED_PARAMETER(argument2);
  SeenLevel = KeGetCurrentIrql();
  *(PVOID*)context = argument1;
  InterlockedIncrement(&Runs);
  KeSetEvent(&Done, IO_NO_INCREMENT, FALSE);
}

static const char* Dpcs(void) {
  KDPC dpc;
  PVOID seen = NULL;
  KeInitializeEvent(&Done, SynchronizationEvent, FALSE);
  KeInitializeDpc(&dpc, Deferred, &seen);
  EXPECT(KeInsertQueueDpc(&dpc, &dpc, NULL));
  KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
  EXPECT(seen == &dpc && SeenLevel == DISPATCH_LEVEL);
  KeFlushQueuedDpcs();
  EXPECT(!KeRemoveQueueDpc(&dpc));
  return NULL;
}

static const char* Timers(void) {
  KTIMER timer;
  KDPC dpc;
  PVOID seen;
  Runs = 0;
  KeInitializeEvent(&Done, SynchronizationEvent, FALSE);
  KeInitializeDpc(&dpc, Deferred, &seen);
  KeInitializeTimer(&timer);
  EXPECT(!KeSetTimer(&timer, Relative(1), NULL));
  EXPECT(KeWaitForSingleObject(&timer, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
  EXPECT(KeReadStateTimer(&timer) && !KeCancelTimer(&timer));
  EXPECT(!KeSetTimer(&timer, Relative(3600000), &dpc) && !KeReadStateTimer(&timer));
  EXPECT(KeSetTimer(&timer, Relative(3600000), &dpc) && KeCancelTimer(&timer));
  EXPECT(!KeSetTimerEx(&timer, Relative(1), 1, &dpc));
  for (int i = 0; i < 3; ++i) KeWaitForSingleObject(&Done, Executive, KernelMode, FALSE, NULL);
  EXPECT(KeCancelTimer(&timer));
  KeFlushQueuedDpcs();
  EXPECT(Runs >= 3);
  return NULL;
}

// --- for tests of a host's clock ---

static KTIMER ClockTimer;
static KDPC ClockDpc;
static LONGLONG ClockTimes[64];
static LONG ClockRuns;

static KDEFERRED_ROUTINE Tick;
static void Tick(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2) {
  UNREFERENCED_PARAMETER(dpc);
  UNREFERENCED_PARAMETER(context);
  UNREFERENCED_PARAMETER(argument1);
  UNREFERENCED_PARAMETER(argument2);
  ClockTimes[ClockRuns++] = KeQueryPerformanceCounter(NULL).QuadPart;
}

__declspec(dllexport) void ClockStart(LONG first_ms, LONG period_ms);
void ClockStart(LONG first_ms, LONG period_ms) {
  KeInitializeDpc(&ClockDpc, Tick, NULL);
  KeInitializeTimer(&ClockTimer);
  KeSetTimerEx(&ClockTimer, Relative(first_ms), period_ms, &ClockDpc);
}

__declspec(dllexport) LONG ClockStop(LONGLONG* times);
LONG ClockStop(LONGLONG* times) {
  KeCancelTimer(&ClockTimer);
  KeFlushQueuedDpcs();
  memcpy(times, ClockTimes, sizeof ClockTimes);
  return ClockRuns;
}

typedef const char* (*Case)(void);
static const struct {
  const char* name;
  Case run;
} Cases[] = {
    {"Lists", Lists},
    {"Numbers", Numbers},
    {"Strings", Strings},
    {"Guids", Guids},
    {"BoundedText", BoundedText},
    {"Print", Print},
    {"Pool", Pool},
    {"Lookaside", Lookaside},
    {"Mdls", Mdls},
    {"Levels", Levels},
    {"SpinLocks", SpinLocks},
    {"Events", Events},
    {"Semaphores", Semaphores},
    {"Threads", Threads},
    {"Time", Time},
    {"WorkItems", WorkItems},
    {"Dpcs", Dpcs},
    {"Timers", Timers},
};

__declspec(dllexport) const char* KernelCase(int index, const char** name);
const char* KernelCase(int index, const char** name) {
  if (index >= (int)ARRAYSIZE(Cases)) {
    *name = NULL;
    return NULL;
  }
  *name = Cases[index].name;
  return Cases[index].run();
}
