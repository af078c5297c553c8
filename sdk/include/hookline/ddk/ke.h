#pragma once

/* Part of wdm.h: interrupt levels, spin locks, events and the other objects to wait for, timers,
 * deferred procedure calls, time.
 *
 * The interrupt level is a number that each thread carries: raising it excludes nobody, but in a
 * checked build every function compares it with its limit, and tells the host when it is broken. */

#include <hookline/ddk/base.h>

#ifdef __cplusplus
extern "C" {
#endif

KIRQL KeGetCurrentIrql(void);
KIRQL KfRaiseIrql(KIRQL level); /* a lower level than the present one is a breach */
void KeLowerIrql(KIRQL level);
#define KeRaiseIrql(level, old) (*(old) = KfRaiseIrql(level))
#define KeRaiseIrqlToDpcLevel() KfRaiseIrql(DISPATCH_LEVEL)

/* Fair: in order of arrival. Zeros are a free lock. The owner acquiring it again, another thread
 * releasing it, and a thread that ends with it are breaches; the first then counts as a nested
 * acquisition, the second is not done. */
typedef ULONG_PTR KSPIN_LOCK, *PKSPIN_LOCK;

typedef struct _KSPIN_LOCK_QUEUE {
  struct _KSPIN_LOCK_QUEUE* volatile Next;
  PKSPIN_LOCK volatile Lock;
} KSPIN_LOCK_QUEUE, *PKSPIN_LOCK_QUEUE;

typedef struct _KLOCK_QUEUE_HANDLE {
  KSPIN_LOCK_QUEUE LockQueue;
  KIRQL OldIrql;
} KLOCK_QUEUE_HANDLE, *PKLOCK_QUEUE_HANDLE;

void KeInitializeSpinLock(PKSPIN_LOCK lock);
KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock);
void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL old);
void KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock);
void KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK lock);
BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock);
void KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle);
void KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE handle);
void KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle);
void KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE handle);
#define KeAcquireSpinLock(lock, old) (*(old) = KeAcquireSpinLockRaiseToDpc(lock))

typedef struct _DISPATCHER_HEADER {
  UCHAR Type;
  UCHAR Reserved[3];
  LONG SignalState;
  LIST_ENTRY WaitListHead;
} DISPATCHER_HEADER;

typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum _TIMER_TYPE { NotificationTimer, SynchronizationTimer } TIMER_TYPE;
typedef enum _WAIT_TYPE { WaitAll, WaitAny } WAIT_TYPE;
typedef enum _MODE { KernelMode, UserMode, MaximumMode } MODE;
typedef enum _KWAIT_REASON {
  Executive,
  FreePage,
  PageIn,
  PoolAllocation,
  DelayExecution,
  Suspended,
  UserRequest
} KWAIT_REASON;

#define IO_NO_INCREMENT 0
#define IO_NETWORK_INCREMENT 2

typedef struct _KEVENT {
  DISPATCHER_HEADER Header;
} KEVENT, *PKEVENT, *PRKEVENT;

void KeInitializeEvent(PRKEVENT event, EVENT_TYPE type, BOOLEAN set);
LONG KeSetEvent(PRKEVENT event, KPRIORITY increment, BOOLEAN wait); /* returns the former state */
LONG KeResetEvent(PRKEVENT event);
void KeClearEvent(PRKEVENT event);
LONG KeReadStateEvent(PRKEVENT event);

typedef struct _KSEMAPHORE {
  DISPATCHER_HEADER Header;
  LONG Limit;
} KSEMAPHORE, *PKSEMAPHORE, *PRKSEMAPHORE;

void KeInitializeSemaphore(PRKSEMAPHORE semaphore, LONG count, LONG limit);
/* More than the limit: a breach, and nothing happens. */
LONG KeReleaseSemaphore(PRKSEMAPHORE semaphore, KPRIORITY increment, LONG adjustment, BOOLEAN wait);

/* Objects: events, semaphores, timers, threads. `timeout` is in 100 ns: negative from now,
 * otherwise since 1601; NULL: none. Results: STATUS_SUCCESS (or its sum with an index),
 * STATUS_TIMEOUT. At DISPATCH_LEVEL only with a timeout of 0. */
#define MAXIMUM_WAIT_OBJECTS 64
#define THREAD_WAIT_OBJECTS 3
typedef struct _KWAIT_BLOCK {
  PVOID Reserved[6]; /* not used here */
} KWAIT_BLOCK, *PKWAIT_BLOCK;
NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode,
                               BOOLEAN alertable, PLARGE_INTEGER timeout);
NTSTATUS KeWaitForMultipleObjects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON reason,
                                  KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER timeout,
                                  PKWAIT_BLOCK blocks);
NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval);

/* A routine that runs soon at DISPATCH_LEVEL on a thread of the SDK: one at a time, in order. */
struct _KDPC;
typedef void KDEFERRED_ROUTINE(struct _KDPC* dpc, PVOID context, PVOID argument1, PVOID argument2);
typedef KDEFERRED_ROUTINE* PKDEFERRED_ROUTINE;
typedef struct _KDPC {
  LIST_ENTRY Entry;
  PKDEFERRED_ROUTINE Routine;
  PVOID Context;
  PVOID Argument1;
  PVOID Argument2;
  LONG Queued;
} KDPC, *PKDPC, *PRKDPC;

void KeInitializeDpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context);
BOOLEAN KeInsertQueueDpc(PRKDPC dpc, PVOID argument1, PVOID argument2); /* FALSE: it is queued */
BOOLEAN KeRemoveQueueDpc(PRKDPC dpc);
void KeFlushQueuedDpcs(void);

/* A timer in memory of the driver: cancel it before that is freed. */
typedef struct _KTIMER {
  DISPATCHER_HEADER Header;
  LIST_ENTRY Entry;
  ULONGLONG Due; /* ns of the SDK's clock */
  PKDPC Dpc;
  ULONG Period; /* ms */
  UCHAR Queued;
} KTIMER, *PKTIMER, *PRKTIMER;

void KeInitializeTimer(PKTIMER timer);
void KeInitializeTimerEx(PKTIMER timer, TIMER_TYPE type);
BOOLEAN KeSetTimer(PKTIMER timer, LARGE_INTEGER due, PKDPC dpc); /* TRUE: it was set already */
BOOLEAN KeSetTimerEx(PKTIMER timer, LARGE_INTEGER due, LONG period_ms, PKDPC dpc);
BOOLEAN KeCancelTimer(PKTIMER timer); /* TRUE: it was set */
BOOLEAN KeReadStateTimer(PKTIMER timer);

/* Ticks of 100 ns. System time is since 1601. */
LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency);
void KeQuerySystemTime(PLARGE_INTEGER time);
void KeQuerySystemTimePrecise(PLARGE_INTEGER time);
ULONGLONG KeQueryInterruptTime(void);
ULONGLONG KeQueryUnbiasedInterruptTime(void);
ULONG KeQueryTimeIncrement(void);
void KeQueryTickCount(PLARGE_INTEGER ticks); /* each KeQueryTimeIncrement() units of 100 ns */
void KeStallExecutionProcessor(ULONG microseconds);

ULONG KeGetCurrentProcessorIndex(void);
ULONG KeGetCurrentProcessorNumber(void);
#define ALL_PROCESSOR_GROUPS 0xffff
ULONG KeQueryActiveProcessorCountEx(USHORT group);
ULONG KeQueryMaximumProcessorCountEx(USHORT group);

#define KeMemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#ifndef MemoryBarrier
#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#ifndef YieldProcessor
#define YieldProcessor() __builtin_ia32_pause()
#endif
#define ReadPointerAcquire(source) __atomic_load_n(source, __ATOMIC_ACQUIRE)
#define ReadAcquire(source) __atomic_load_n(source, __ATOMIC_ACQUIRE)
#define ReadNoFence(source) __atomic_load_n(source, __ATOMIC_RELAXED)
#define WriteRelease(target, value) __atomic_store_n(target, value, __ATOMIC_RELEASE)
#define WriteNoFence(target, value) __atomic_store_n(target, value, __ATOMIC_RELAXED)

HOOKLINE_STATIC_ASSERT(sizeof(KSPIN_LOCK) == 8 && sizeof(KEVENT) == 24, "KEVENT");

#ifdef __cplusplus
}
#endif
