#pragma once

/* What the kernel services share among themselves. Include it after the system's headers: wdm.h
 * takes words that those use.
 *
 * One lock and one condition (ddk_lock, ddk_changed) serve all objects that can be waited for, the
 * timers, the queues of routines and the framework's objects: waiting for several at once is then a
 * loop, and a driver has few of them. No routine of the driver's is called with the lock held. */

#include <pthread.h>
#include <stdint.h>
#include <wdm.h>

#include "ddk.h"

extern pthread_mutex_t ddk_lock;
extern pthread_cond_t ddk_changed;

#define DDK_EXPORT __attribute__((visibility("default")))
#define DDK_FOREVER UINT64_MAX

/* ns on the clock by which everything is due, and ns since 1970: the same with a host's clock. */
uint64_t ddk_now_ns(void);
uint64_t ddk_wall_ns(void);
/* When a Windows timeout (100 ns; negative: from now) is over, as ddk_now_ns() counts. */
uint64_t ddk_deadline(LONGLONG timeout);
/* Waits for a change until then, with ddk_lock held; 0 when the time is over. */
int ddk_wait_change(uint64_t deadline_ns);
/* The same by the system's clock whatever the host's: for waits at unload. */
int ddk_wait_change_real_ms(unsigned milliseconds);

/* Around each call of a driver's routine by the SDK: the level it runs at, and what is wrong when
 * it comes back with another or holding a lock. `what` names the kind of routine. */
void ddk_call_begin(KIRQL level, KIRQL* old);
void ddk_call_end(const char* what, KIRQL level, KIRQL old);

enum DdkObjectType {
  kDdkEvent = 0x51,
  kDdkEventAuto,
  kDdkSemaphore,
  kDdkTimer,
  kDdkTimerAuto,
  kDdkThread
};
void ddk_header_init(DISPATCHER_HEADER* header, enum DdkObjectType type, LONG state);

/* A thread of the SDK's own; 0 and a line in the log when there is none to be had. */
int ddk_service_start(pthread_t* thread, void* (*run)(void*));
extern int ddk_stopping; /* with ddk_lock: the SDK's threads end when they have nothing to do */

/* Routines on worker threads. The record is the caller's and stays until its routine begins. */
struct DdkWork {
  LIST_ENTRY entry;
  void (*begin)(struct DdkWork* work); /* just before, with the lock; may be NULL */
  void (*run)(struct DdkWork* work);   /* called without the lock, at PASSIVE_LEVEL */
  int queued;
};
/* 0 when it is queued already. With ddk_lock held. */
int ddk_work_queue(struct DdkWork* work);

/* Waits until a DPC is neither queued nor running; not when its own thread asks. */
void ddk_dpc_wait(PKDPC dpc);

/* What unload does, in the order of entry.c. Each reports what was left. */
uint32_t ddk_work_stop(void); /* how many routines still run; can be called again */
void ddk_timer_stop(void);
uint32_t ddk_threads_stop(void); /* how many still run; can be called again */
void ddk_pool_report(void);
void ddk_mdl_report(void);
void ddk_lookaside_report(void);
void ddk_work_report(void);
void ddk_wdf_stop(int call_unload);
DRIVER_OBJECT* ddk_driver_object(void);

/* Memory of the SDK's own for a driver's request: counts as an allocation that can be made fail.
 * Zeros. Free with free(). */
void* ddk_allocate(size_t bytes);

/* A copy as UTF-8 for free(); NULL without memory. */
char* ddk_narrow(PCUNICODE_STRING text);
