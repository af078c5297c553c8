/* Timers and deferred procedure calls: one thread of the SDK runs them, in order of time, at
 * DISPATCH_LEVEL. It begins with the first of them. */

#define _GNU_SOURCE
#include <hookline/driver_entry.h>
#include <pthread.h>

#include "kernel.h"

static LIST_ENTRY timers = {&timers, &timers}; /* by Due, the earliest first */
static LIST_ENTRY dpcs = {&dpcs, &dpcs};
static PKDPC current; /* whose routine is being called */
static int started;
static pthread_t thread;

static PKTIMER first_timer(void) {
  return IsListEmpty(&timers) ? NULL : CONTAINING_RECORD(timers.Flink, KTIMER, Entry);
}

static void insert_timer(PKTIMER timer) {
  PLIST_ENTRY at = timers.Blink;
  while (at != &timers && CONTAINING_RECORD(at, KTIMER, Entry)->Due > timer->Due) {
    at = at->Blink;
  }
  InsertHeadList(at, &timer->Entry);
  timer->Queued = TRUE;
}

static void queue_dpc(PKDPC dpc, PVOID argument1, PVOID argument2) {
  dpc->Argument1 = argument1;
  dpc->Argument2 = argument2;
  dpc->Queued = 1;
  InsertTailList(&dpcs, &dpc->Entry);
}

static void expire(PKTIMER timer) {
  RemoveEntryList(&timer->Entry);
  timer->Queued = FALSE;
  timer->Header.SignalState = 1;
  if (timer->Dpc != NULL && !timer->Dpc->Queued) {
    queue_dpc(timer->Dpc, NULL, NULL);
  }
  if (timer->Period != 0) {
    timer->Due += (uint64_t)timer->Period * 1000000;
    insert_timer(timer);
  }
  pthread_cond_broadcast(&ddk_changed);
}

static void run_dpc(void) {
  PKDPC dpc = CONTAINING_RECORD(RemoveHeadList(&dpcs), KDPC, Entry);
  dpc->Queued = 0;
  KDPC copy = *dpc; /* its routine may free it */
  current = dpc;
  pthread_mutex_unlock(&ddk_lock);
  KIRQL old;
  ddk_call_begin(DISPATCH_LEVEL, &old);
  copy.Routine(dpc, copy.Context, copy.Argument1, copy.Argument2);
  ddk_call_end("a deferred procedure call", DISPATCH_LEVEL, old);
  pthread_mutex_lock(&ddk_lock);
  current = NULL;
  pthread_cond_broadcast(&ddk_changed);
}

static void* run(void* nothing) {
  pthread_setname_np(pthread_self(), "ddk-timers");
  pthread_mutex_lock(&ddk_lock);
  for (;;) {
    PKTIMER timer = first_timer();
    if (!IsListEmpty(&dpcs)) {
      run_dpc();
    } else if (ddk_stopping) {
      break;
    } else if (timer != NULL && timer->Due <= ddk_now_ns()) {
      expire(timer);
    } else {
      ddk_wait_change(timer != NULL ? timer->Due : DDK_FOREVER);
    }
  }
  pthread_mutex_unlock(&ddk_lock);
  return nothing;
}

/* With the lock held. */
static void wake_thread(void) {
  if (!started && !ddk_stopping) {
    started = ddk_service_start(&thread, run);
  }
  pthread_cond_broadcast(&ddk_changed);
}

void KeInitializeDpc(PRKDPC dpc, PKDEFERRED_ROUTINE routine, PVOID context) {
  *dpc = (KDPC){.Routine = routine, .Context = context};
}

BOOLEAN KeInsertQueueDpc(PRKDPC dpc, PVOID argument1, PVOID argument2) {
  pthread_mutex_lock(&ddk_lock);
  BOOLEAN now = !dpc->Queued;
  if (now) {
    queue_dpc(dpc, argument1, argument2);
    wake_thread();
  }
  pthread_mutex_unlock(&ddk_lock);
  return now;
}

BOOLEAN KeRemoveQueueDpc(PRKDPC dpc) {
  pthread_mutex_lock(&ddk_lock);
  BOOLEAN was = dpc->Queued != 0;
  if (was) {
    RemoveEntryList(&dpc->Entry);
    dpc->Queued = 0;
  }
  pthread_mutex_unlock(&ddk_lock);
  return was;
}

static int on_own_thread(void) { return started && pthread_equal(thread, pthread_self()); }

void KeFlushQueuedDpcs(void) {
  DDK_IRQL_MAX(APC_LEVEL);
  pthread_mutex_lock(&ddk_lock);
  while (!on_own_thread() && (current != NULL || !IsListEmpty(&dpcs))) {
    ddk_wait_change(DDK_FOREVER);
  }
  pthread_mutex_unlock(&ddk_lock);
}

void ddk_dpc_wait(PKDPC dpc) {
  pthread_mutex_lock(&ddk_lock);
  while (!on_own_thread() && (current == dpc || dpc->Queued)) {
    ddk_wait_change(DDK_FOREVER);
  }
  pthread_mutex_unlock(&ddk_lock);
}

DDK_EXPORT void hookline_driver_clock_changed(void) {
  pthread_mutex_lock(&ddk_lock);
  pthread_cond_broadcast(&ddk_changed);
  for (;;) {
    PKTIMER timer = first_timer();
    int due = timer != NULL && timer->Due <= ddk_now_ns();
    if (!started || ddk_stopping || (current == NULL && IsListEmpty(&dpcs) && !due)) {
      break;
    }
    ddk_wait_change(DDK_FOREVER);
  }
  pthread_mutex_unlock(&ddk_lock);
}

void KeInitializeTimerEx(PKTIMER timer, TIMER_TYPE type) {
  memset(timer, 0, sizeof *timer);
  ddk_header_init(&timer->Header, type == NotificationTimer ? kDdkTimer : kDdkTimerAuto, 0);
}

void KeInitializeTimer(PKTIMER timer) { KeInitializeTimerEx(timer, NotificationTimer); }

BOOLEAN KeSetTimerEx(PKTIMER timer, LARGE_INTEGER due, LONG period_ms, PKDPC dpc) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  pthread_mutex_lock(&ddk_lock);
  BOOLEAN was = timer->Queued;
  if (was) {
    RemoveEntryList(&timer->Entry);
  }
  timer->Header.SignalState = 0;
  timer->Due = ddk_deadline(due.QuadPart);
  timer->Period = period_ms > 0 ? (ULONG)period_ms : 0;
  timer->Dpc = dpc;
  insert_timer(timer);
  wake_thread();
  pthread_mutex_unlock(&ddk_lock);
  return was;
}

BOOLEAN KeSetTimer(PKTIMER timer, LARGE_INTEGER due, PKDPC dpc) {
  return KeSetTimerEx(timer, due, 0, dpc);
}

BOOLEAN KeCancelTimer(PKTIMER timer) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  pthread_mutex_lock(&ddk_lock);
  BOOLEAN was = timer->Queued;
  if (was) {
    RemoveEntryList(&timer->Entry);
    timer->Queued = FALSE;
  }
  pthread_mutex_unlock(&ddk_lock);
  return was;
}

void ddk_timer_stop(void) {
  pthread_mutex_lock(&ddk_lock);
  int left = 0;
  while (!IsListEmpty(&timers)) {
    CONTAINING_RECORD(RemoveHeadList(&timers), KTIMER, Entry)->Queued = FALSE;
    ++left;
  }
  ddk_stopping = 1;
  pthread_cond_broadcast(&ddk_changed);
  int join = started;
  pthread_mutex_unlock(&ddk_lock);
  if (left != 0) {
    ddk_breach("KeSetTimer", "%d timer%s not cancelled before the unload routine returned", left,
               left == 1 ? " was" : "s were");
  }
  if (join) {
    pthread_join(thread, NULL);
  }
}
