/* Routines on worker threads: work items, and the framework's passive timers. A thread is added
 * when all are busy, up to a limit; routines beyond it wait their turn. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "kernel.h"

enum { kWorkersMax = 16, kUnloadWaitMs = 5000 };

struct _IO_WORKITEM {
  struct DdkWork work; /* first */
  PVOID object;
  PIO_WORKITEM_ROUTINE routine;
  PIO_WORKITEM_ROUTINE_EX routine_ex;
  PVOID context;
  ULONG magic;
  ULONG allocated;
};
enum { kItemMagic = 0x574b4954 };

int ddk_stopping;

static LIST_ENTRY queue = {&queue, &queue};
static pthread_t workers[kWorkersMax];
static int worker_count;
static int idle_count;
static int busy_count;
static LONG items_allocated;

static void run_one(struct DdkWork* work) {
  work->queued = 0;
  if (work->begin != NULL) {
    work->begin(work);
  }
  ++busy_count;
  pthread_mutex_unlock(&ddk_lock);
  KIRQL old;
  ddk_call_begin(PASSIVE_LEVEL, &old);
  work->run(work);
  ddk_call_end("a work item's routine", PASSIVE_LEVEL, old);
  pthread_mutex_lock(&ddk_lock);
  --busy_count;
  pthread_cond_broadcast(&ddk_changed);
}

static void* run(void* nothing) {
  pthread_setname_np(pthread_self(), "ddk-worker");
  pthread_mutex_lock(&ddk_lock);
  for (;;) {
    if (!IsListEmpty(&queue)) {
      run_one(CONTAINING_RECORD(RemoveHeadList(&queue), struct DdkWork, entry));
    } else if (ddk_stopping) {
      break;
    } else {
      ++idle_count;
      ddk_wait_change(DDK_FOREVER);
      --idle_count;
    }
  }
  pthread_mutex_unlock(&ddk_lock);
  return nothing;
}

static int queue_length(void) {
  int length = 0;
  for (PLIST_ENTRY at = queue.Flink; at != &queue; at = at->Flink) {
    ++length;
  }
  return length;
}

int ddk_work_queue(struct DdkWork* work) {
  if (work->queued) {
    return 0;
  }
  work->queued = 1;
  InsertTailList(&queue, &work->entry);
  if (queue_length() > idle_count && worker_count < kWorkersMax &&
      ddk_service_start(&workers[worker_count], run)) {
    ++worker_count;
  }
  pthread_cond_broadcast(&ddk_changed);
  return 1;
}

uint32_t ddk_work_stop(void) {
  pthread_mutex_lock(&ddk_lock);
  while ((busy_count != 0 || !IsListEmpty(&queue)) && ddk_wait_change_real_ms(kUnloadWaitMs)) {
  }
  int stuck = busy_count;
  int join = stuck == 0 ? worker_count : 0;
  worker_count -= join;
  ddk_stopping = 1;
  pthread_cond_broadcast(&ddk_changed);
  pthread_mutex_unlock(&ddk_lock);
  for (int i = 0; i < join; ++i) {
    pthread_join(workers[i], NULL);
  }
  if (stuck != 0) {
    ddk_breach("IoQueueWorkItem", "%d work item%s still running at unload", stuck,
               stuck == 1 ? " is" : "s are");
  }
  return (uint32_t)stuck;
}

void ddk_work_report(void) {
  if (items_allocated != 0) {
    ddk_breach("IoAllocateWorkItem", "%d work item%s not freed", items_allocated,
               items_allocated == 1 ? " was" : "s were");
  }
}

static void run_item(struct DdkWork* work) {
  PIO_WORKITEM item = (PIO_WORKITEM)(void*)work;
  PVOID object = item->object;
  PVOID context = item->context;
  if (item->routine != NULL) {
    item->routine((PDEVICE_OBJECT)object, context); /* may free the item */
  } else {
    item->routine_ex(object, context, item);
  }
}

static void initialize(PIO_WORKITEM item, PVOID object) {
  *item = (struct _IO_WORKITEM){.work.run = run_item, .object = object, .magic = kItemMagic};
}

static int is_item(const char* function, const struct _IO_WORKITEM* item) {
  if (item != NULL && item->magic == kItemMagic) {
    return 1;
  }
  ddk_breach(function, "this is no initialized work item");
  return 0;
}

ULONG IoSizeofWorkItem(void) { return sizeof(struct _IO_WORKITEM); }

void IoInitializeWorkItem(PVOID io_object, PIO_WORKITEM item) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  initialize(item, io_object);
}

static void uninitialize(const char* function, PIO_WORKITEM item) {
  pthread_mutex_lock(&ddk_lock);
  int queued = item->work.queued;
  if (queued) {
    RemoveEntryList(&item->work.entry);
    item->work.queued = 0;
  }
  item->magic = 0;
  pthread_mutex_unlock(&ddk_lock);
  if (queued) {
    ddk_breach(function, "the work item is still queued; its routine will not run");
  }
}

void IoUninitializeWorkItem(PIO_WORKITEM item) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (is_item(__func__, item)) {
    uninitialize(__func__, item);
  }
}

PIO_WORKITEM IoAllocateWorkItem(PDEVICE_OBJECT device) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  PIO_WORKITEM item = ddk_allocate(sizeof *item);
  if (item != NULL) {
    initialize(item, device);
    item->allocated = TRUE;
    __atomic_add_fetch(&items_allocated, 1, __ATOMIC_RELAXED);
  }
  return item;
}

void IoFreeWorkItem(PIO_WORKITEM item) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (is_item(__func__, item)) {
    uninitialize(__func__, item);
    __atomic_sub_fetch(&items_allocated, 1, __ATOMIC_RELAXED);
    free(item);
  }
}

static void queue_item(const char* function, PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine,
                       PIO_WORKITEM_ROUTINE_EX routine_ex, PVOID context) {
  ddk_irql_at_most(function, DISPATCH_LEVEL);
  if (!is_item(function, item)) {
    return;
  }
  pthread_mutex_lock(&ddk_lock);
  int twice = item->work.queued;
  if (!twice) {
    item->routine = routine;
    item->routine_ex = routine_ex;
    item->context = context;
    ddk_work_queue(&item->work);
  }
  pthread_mutex_unlock(&ddk_lock);
  if (twice) {
    ddk_breach(function, "the work item is queued already");
  }
}

void IoQueueWorkItem(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE routine, WORK_QUEUE_TYPE type,
                     PVOID context) {
  (void)type;
  queue_item(__func__, item, routine, NULL, context);
}

void IoQueueWorkItemEx(PIO_WORKITEM item, PIO_WORKITEM_ROUTINE_EX routine, WORK_QUEUE_TYPE type,
                       PVOID context) {
  (void)type;
  queue_item(__func__, item, NULL, routine, context);
}
