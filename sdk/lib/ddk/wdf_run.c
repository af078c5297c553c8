/* The framework's timers, locks and work items, on those of the kernel. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "wdf.h"

/* A routine of an object that may run, and whoever waits for its end. With ddk_lock. */
struct Running {
  int count;
  pthread_t thread;
};

/* With the lock held. The reference is for a routine that deletes its own object. */
static void begin(struct DdkObject* object, struct Running* running) {
  ++object->references;
  ++running->count;
  running->thread = pthread_self();
}

static void finish(struct DdkObject* object, struct Running* running) {
  pthread_mutex_lock(&ddk_lock);
  --running->count;
  pthread_cond_broadcast(&ddk_changed);
  pthread_mutex_unlock(&ddk_lock);
  WdfObjectDereference(object);
}

/* --- timers --- */

struct Timer {
  struct DdkObject object;
  WDF_TIMER_CONFIG config;
  KTIMER timer;
  KDPC dpc;
  struct DdkWork work; /* for a passive one */
  struct Running running;
  int passive;
};

static void begin_timer(struct DdkWork* work) {
  struct Timer* timer = CONTAINING_RECORD(work, struct Timer, work);
  begin(&timer->object, &timer->running);
}

static void timer_work(struct DdkWork* work) {
  struct Timer* timer = CONTAINING_RECORD(work, struct Timer, work);
  timer->config.EvtTimerFunc((WDFTIMER)(void*)timer);
  finish(&timer->object, &timer->running);
}

static void timer_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2) {
  (void)dpc, (void)argument1, (void)argument2;
  struct Timer* timer = context;
  if (!timer->passive) {
    timer->config.EvtTimerFunc((WDFTIMER)(void*)timer);
    return;
  }
  pthread_mutex_lock(&ddk_lock);
  ddk_work_queue(&timer->work);
  pthread_mutex_unlock(&ddk_lock);
}

/* Not for its own routine. */
static void wait_timer(struct Timer* timer) {
  ddk_dpc_wait(&timer->dpc);
  pthread_mutex_lock(&ddk_lock);
  int own = timer->running.count != 0 && pthread_equal(timer->running.thread, pthread_self());
  while (!own && (timer->running.count != 0 || timer->work.queued)) {
    ddk_wait_change(DDK_FOREVER);
  }
  pthread_mutex_unlock(&ddk_lock);
}

static void remove_timer(struct DdkObject* object) {
  struct Timer* timer = (struct Timer*)object;
  KeCancelTimer(&timer->timer);
  KeRemoveQueueDpc(&timer->dpc);
  wait_timer(timer);
}

NTSTATUS WdfTimerCreate(PWDF_TIMER_CONFIG config, PWDF_OBJECT_ATTRIBUTES attributes,
                        WDFTIMER* handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (config->Size != sizeof *config) {
    return STATUS_INFO_LENGTH_MISMATCH;
  }
  int passive = attributes != NULL && attributes->ExecutionLevel == WdfExecutionLevelPassive;
  if (config->EvtTimerFunc == NULL || attributes == NULL || attributes->ParentObject == NULL ||
      (passive && config->Period != 0)) {
    return STATUS_INVALID_PARAMETER;
  }
  struct Timer* timer;
  NTSTATUS status = ddk_object_new(sizeof *timer, kDdkWdfTimer, NULL, attributes, &timer);
  if (NT_SUCCESS(status)) {
    timer->config = *config;
    timer->passive = passive;
    timer->work.begin = begin_timer;
    timer->work.run = timer_work;
    KeInitializeTimerEx(&timer->timer, NotificationTimer);
    KeInitializeDpc(&timer->dpc, timer_dpc, timer);
    timer->object.remove = remove_timer;
    *handle = (WDFTIMER)(void*)timer;
  }
  return status;
}

BOOLEAN WdfTimerStart(WDFTIMER handle, LONGLONG due) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct Timer* timer = ddk_object(__func__, handle, kDdkWdfTimer);
  if (timer == NULL || timer->object.deleted) {
    return FALSE;
  }
  return KeSetTimerEx(&timer->timer, (LARGE_INTEGER){.QuadPart = due}, (LONG)timer->config.Period,
                      &timer->dpc);
}

BOOLEAN WdfTimerStop(WDFTIMER handle, BOOLEAN wait) {
  ddk_irql_at_most(__func__, wait ? PASSIVE_LEVEL : DISPATCH_LEVEL);
  struct Timer* timer = ddk_object(__func__, handle, kDdkWdfTimer);
  if (timer == NULL) {
    return FALSE;
  }
  BOOLEAN was = KeCancelTimer(&timer->timer);
  if (wait) {
    wait_timer(timer);
  }
  return was;
}

WDFOBJECT WdfTimerGetParentObject(WDFTIMER handle) {
  struct Timer* timer = ddk_object(__func__, handle, kDdkWdfTimer);
  return timer != NULL ? timer->object.parent : NULL;
}

/* --- locks --- */

struct SpinLock {
  struct DdkObject object;
  KSPIN_LOCK lock;
  KIRQL old;
};

static struct DdkObject* parent_by_default(void) {
  struct DdkDriver* driver = ddk_driver();
  return driver != NULL ? &driver->object : NULL;
}

NTSTATUS WdfSpinLockCreate(PWDF_OBJECT_ATTRIBUTES attributes, WDFSPINLOCK* handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  return ddk_object_new(sizeof(struct SpinLock), kDdkSpinLock, parent_by_default(), attributes,
                        handle);
}

void WdfSpinLockAcquire(WDFSPINLOCK handle) {
  struct SpinLock* lock = ddk_object(__func__, handle, kDdkSpinLock);
  if (lock != NULL) {
    KIRQL old = KeAcquireSpinLockRaiseToDpc(&lock->lock);
    lock->old = old;
  }
}

void WdfSpinLockRelease(WDFSPINLOCK handle) {
  struct SpinLock* lock = ddk_object(__func__, handle, kDdkSpinLock);
  if (lock != NULL) {
    KeReleaseSpinLock(&lock->lock, lock->old);
  }
}

struct WaitLock {
  struct DdkObject object;
  KEVENT free;
};

NTSTATUS WdfWaitLockCreate(PWDF_OBJECT_ATTRIBUTES attributes, WDFWAITLOCK* handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct WaitLock* lock;
  NTSTATUS status =
      ddk_object_new(sizeof *lock, kDdkWaitLock, parent_by_default(), attributes, &lock);
  if (NT_SUCCESS(status)) {
    KeInitializeEvent(&lock->free, SynchronizationEvent, TRUE);
    *handle = (WDFWAITLOCK)(void*)lock;
  }
  return status;
}

NTSTATUS WdfWaitLockAcquire(WDFWAITLOCK handle, PLONGLONG timeout) {
  struct WaitLock* lock = ddk_object(__func__, handle, kDdkWaitLock);
  LARGE_INTEGER until = {.QuadPart = timeout != NULL ? *timeout : 0};
  return lock == NULL ? STATUS_INVALID_HANDLE
                      : KeWaitForSingleObject(&lock->free, Executive, KernelMode, FALSE,
                                              timeout != NULL ? &until : NULL);
}

void WdfWaitLockRelease(WDFWAITLOCK handle) {
  struct WaitLock* lock = ddk_object(__func__, handle, kDdkWaitLock);
  if (lock != NULL && KeSetEvent(&lock->free, IO_NO_INCREMENT, FALSE) != 0) {
    ddk_breach(__func__, "the lock was not acquired");
  }
}

/* --- work items --- */

struct WorkItem {
  struct DdkObject object;
  WDF_WORKITEM_CONFIG config;
  struct DdkWork work;
  struct Running running;
};

static void begin_item(struct DdkWork* work) {
  struct WorkItem* item = CONTAINING_RECORD(work, struct WorkItem, work);
  begin(&item->object, &item->running);
}

static void item_work(struct DdkWork* work) {
  struct WorkItem* item = CONTAINING_RECORD(work, struct WorkItem, work);
  item->config.EvtWorkItemFunc((WDFWORKITEM)(void*)item);
  finish(&item->object, &item->running);
}

static void wait_item(struct WorkItem* item) {
  pthread_mutex_lock(&ddk_lock);
  int own = item->running.count != 0 && pthread_equal(item->running.thread, pthread_self());
  while (!own && (item->running.count != 0 || item->work.queued)) {
    ddk_wait_change(DDK_FOREVER);
  }
  pthread_mutex_unlock(&ddk_lock);
}

static void remove_item(struct DdkObject* object) { wait_item((struct WorkItem*)object); }

NTSTATUS WdfWorkItemCreate(PWDF_WORKITEM_CONFIG config, PWDF_OBJECT_ATTRIBUTES attributes,
                           WDFWORKITEM* handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (config->Size != sizeof *config) {
    return STATUS_INFO_LENGTH_MISMATCH;
  }
  if (config->EvtWorkItemFunc == NULL || attributes == NULL || attributes->ParentObject == NULL) {
    return STATUS_INVALID_PARAMETER;
  }
  struct WorkItem* item;
  NTSTATUS status = ddk_object_new(sizeof *item, kDdkWorkItem, NULL, attributes, &item);
  if (NT_SUCCESS(status)) {
    item->config = *config;
    item->work.begin = begin_item;
    item->work.run = item_work;
    item->object.remove = remove_item;
    *handle = (WDFWORKITEM)(void*)item;
  }
  return status;
}

void WdfWorkItemEnqueue(WDFWORKITEM handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct WorkItem* item = ddk_object(__func__, handle, kDdkWorkItem);
  if (item != NULL) {
    pthread_mutex_lock(&ddk_lock);
    ddk_work_queue(&item->work);
    pthread_mutex_unlock(&ddk_lock);
  }
}

void WdfWorkItemFlush(WDFWORKITEM handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct WorkItem* item = ddk_object(__func__, handle, kDdkWorkItem);
  if (item != NULL) {
    wait_item(item);
  }
}

WDFOBJECT WdfWorkItemGetParentObject(WDFWORKITEM handle) {
  struct WorkItem* item = ddk_object(__func__, handle, kDdkWorkItem);
  return item != NULL ? item->object.parent : NULL;
}
