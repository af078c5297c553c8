/* Events, semaphores, and waiting for them, for timers and for threads. */

#define _GNU_SOURCE
#include <pthread.h>

#include "kernel.h"

void ddk_header_init(DISPATCHER_HEADER* header, enum DdkObjectType type, LONG state) {
  memset(header, 0, sizeof *header);
  header->Type = (UCHAR)type;
  header->SignalState = state;
  InitializeListHead(&header->WaitListHead);
}

static int is_type(const DISPATCHER_HEADER* header, int first, int last) {
  return header->Type >= first && header->Type <= last;
}

void KeInitializeEvent(PRKEVENT event, EVENT_TYPE type, BOOLEAN set) {
  ddk_header_init(&event->Header, type == NotificationEvent ? kDdkEvent : kDdkEventAuto, set != 0);
}

/* Returns the former state. */
static LONG change(const char* function, DISPATCHER_HEADER* header, int first, int last,
                   LONG state) {
  if (HOOKLINE_DDK_CHECKS && !is_type(header, first, last)) {
    ddk_breach(function, "the object was not initialized, or is of another kind");
  }
  pthread_mutex_lock(&ddk_lock);
  LONG old = header->SignalState;
  header->SignalState = state;
  if (state > old) {
    pthread_cond_broadcast(&ddk_changed);
  }
  pthread_mutex_unlock(&ddk_lock);
  return old;
}

LONG KeSetEvent(PRKEVENT event, KPRIORITY increment, BOOLEAN wait) {
  (void)increment;
  ddk_irql_at_most(__func__, wait ? APC_LEVEL : DISPATCH_LEVEL);
  return change(__func__, &event->Header, kDdkEvent, kDdkEventAuto, 1);
}

LONG KeResetEvent(PRKEVENT event) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  return change(__func__, &event->Header, kDdkEvent, kDdkEventAuto, 0);
}

void KeClearEvent(PRKEVENT event) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  change(__func__, &event->Header, kDdkEvent, kDdkEventAuto, 0);
}

static LONG read_state(const DISPATCHER_HEADER* header) {
  pthread_mutex_lock(&ddk_lock);
  LONG state = header->SignalState;
  pthread_mutex_unlock(&ddk_lock);
  return state;
}

LONG KeReadStateEvent(PRKEVENT event) { return read_state(&event->Header); }
BOOLEAN KeReadStateTimer(PKTIMER timer) { return read_state(&timer->Header) != 0; }

void KeInitializeSemaphore(PRKSEMAPHORE semaphore, LONG count, LONG limit) {
  ddk_header_init(&semaphore->Header, kDdkSemaphore, count);
  semaphore->Limit = limit;
}

LONG KeReleaseSemaphore(PRKSEMAPHORE semaphore, KPRIORITY increment, LONG adjustment,
                        BOOLEAN wait) {
  (void)increment;
  ddk_irql_at_most(__func__, wait ? APC_LEVEL : DISPATCH_LEVEL);
  pthread_mutex_lock(&ddk_lock);
  LONG old = semaphore->Header.SignalState;
  int good = adjustment > 0 && adjustment <= semaphore->Limit - old;
  if (good) {
    semaphore->Header.SignalState = old + adjustment;
    pthread_cond_broadcast(&ddk_changed);
  }
  pthread_mutex_unlock(&ddk_lock);
  if (!good) {
    ddk_breach(__func__, "%d more than %d goes above the limit %d", adjustment, old,
               semaphore->Limit);
  }
  return old;
}

static void consume(DISPATCHER_HEADER* header) {
  if (header->Type == kDdkSemaphore) {
    --header->SignalState;
  } else if (header->Type == kDdkEventAuto || header->Type == kDdkTimerAuto) {
    header->SignalState = 0;
  }
}

/* STATUS_WAIT_0 plus an index, or STATUS_TIMEOUT: not now. */
static NTSTATUS try_wait(ULONG count, DISPATCHER_HEADER* const* headers, WAIT_TYPE type) {
  ULONG ready = 0;
  for (ULONG i = 0; i < count; ++i) {
    if (headers[i]->SignalState <= 0) {
      continue;
    }
    if (type == WaitAny) {
      consume(headers[i]);
      return STATUS_WAIT_0 + (NTSTATUS)i;
    }
    ++ready;
  }
  if (ready != count) {
    return STATUS_TIMEOUT;
  }
  for (ULONG i = 0; i < count; ++i) {
    consume(headers[i]);
  }
  return STATUS_WAIT_0;
}

static void check_wait(const char* function, const PLARGE_INTEGER timeout) {
#if HOOKLINE_DDK_CHECKS
  if (timeout == NULL || timeout->QuadPart != 0) {
    if (ddk_locks_held() != 0) {
      ddk_breach(function, "waits while a spin lock is held");
    } else {
      ddk_irql_at_most(function, APC_LEVEL);
    }
  } else {
    ddk_irql_at_most(function, DISPATCH_LEVEL);
  }
#else
  (void)function, (void)timeout;
#endif
}

static NTSTATUS wait_for(const char* function, ULONG count, DISPATCHER_HEADER* const* headers,
                         WAIT_TYPE type, PLARGE_INTEGER timeout) {
  check_wait(function, timeout);
  for (ULONG i = 0; i < count; ++i) {
    if (!is_type(headers[i], kDdkEvent, kDdkThread)) {
      ddk_breach(function, "waits for what is no initialized event, semaphore, timer or thread");
      return STATUS_INVALID_PARAMETER;
    }
  }
  uint64_t until = timeout != NULL ? ddk_deadline(timeout->QuadPart) : DDK_FOREVER;
  int poll = timeout != NULL && timeout->QuadPart == 0;
  pthread_mutex_lock(&ddk_lock);
  NTSTATUS status = try_wait(count, headers, type);
  while (status == STATUS_TIMEOUT && !poll) {
    int more = ddk_wait_change(until);
    status = try_wait(count, headers, type);
    if (!more) {
      break;
    }
  }
  pthread_mutex_unlock(&ddk_lock);
  return status;
}

NTSTATUS KeWaitForSingleObject(PVOID object, KWAIT_REASON reason, KPROCESSOR_MODE mode,
                               BOOLEAN alertable, PLARGE_INTEGER timeout) {
  (void)reason, (void)mode, (void)alertable;
  DISPATCHER_HEADER* header = object;
  return wait_for(__func__, 1, &header, WaitAny, timeout);
}

NTSTATUS KeWaitForMultipleObjects(ULONG count, PVOID objects[], WAIT_TYPE type, KWAIT_REASON reason,
                                  KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER timeout,
                                  PKWAIT_BLOCK blocks) {
  (void)reason, (void)mode, (void)alertable;
  if (count == 0 || count > MAXIMUM_WAIT_OBJECTS ||
      (count > THREAD_WAIT_OBJECTS && blocks == NULL)) {
    ddk_breach(__func__, "%u objects%s", count, blocks == NULL ? " without wait blocks" : "");
    return STATUS_INVALID_PARAMETER_1;
  }
  return wait_for(__func__, count, (DISPATCHER_HEADER* const*)(void*)objects, type, timeout);
}

NTSTATUS KeDelayExecutionThread(KPROCESSOR_MODE mode, BOOLEAN alertable, PLARGE_INTEGER interval) {
  (void)mode, (void)alertable;
  if (ddk_locks_held() != 0) {
    ddk_breach(__func__, "waits while a spin lock is held");
  } else {
    ddk_irql_at_most(__func__, APC_LEVEL);
  }
  uint64_t until = ddk_deadline(interval->QuadPart);
  pthread_mutex_lock(&ddk_lock);
  while (ddk_now_ns() < until) {
    ddk_wait_change(until);
  }
  pthread_mutex_unlock(&ddk_lock);
  return STATUS_SUCCESS;
}
