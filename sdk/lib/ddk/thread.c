/* System threads, their handles and objects. */

#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel.h"

enum { kUnloadWaitMs = 2000 };

struct _KTHREAD {
  DISPATCHER_HEADER header; /* first: it can be waited for; set when the thread has ended */
  LIST_ENTRY entry;
  HANDLE handle;   /* NULL when closed */
  LONG references; /* ObReferenceObject… */
  pthread_t thread;
  int joined;
  NTSTATUS status;
  KPRIORITY priority;
  PKSTART_ROUTINE routine;
  PVOID context;
};

struct _OBJECT_TYPE {
  const char* name;
};
static struct _OBJECT_TYPE thread_type = {"Thread"};
static POBJECT_TYPE thread_type_pointer = &thread_type;
POBJECT_TYPE* PsThreadType = &thread_type_pointer;

static LIST_ENTRY threads = {&threads, &threads};
static ULONG_PTR last_handle = 0x80000000;
static __thread PKTHREAD current;
static __thread struct _KTHREAD foreign; /* what a thread of the host's is to this driver */

/* SDK threads take no signals: those are the server's. */
static int start_thread(pthread_t* thread, void* (*run)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(thread, NULL, run, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return error == 0;
}

int ddk_service_start(pthread_t* thread, void* (*run)(void*)) {
  if (!start_thread(thread, run, NULL)) {
    ddk_log(HOOKLINE_DRIVER_LOG_ERROR, "no thread could be started for timers and work items");
    return 0;
  }
  return 1;
}

/* With the lock held. A thread that ended is joined, and forgotten when nobody refers to it. */
static void reap(void) {
  for (PLIST_ENTRY at = threads.Flink; at != &threads;) {
    PKTHREAD thread = CONTAINING_RECORD(at, struct _KTHREAD, entry);
    at = at->Flink;
    if (thread->header.SignalState != 0 && !thread->joined && thread != current) {
      pthread_join(thread->thread, NULL); /* it does nothing more that takes the lock */
      thread->joined = 1;
    }
    if (thread->joined && thread->handle == NULL && thread->references == 0) {
      RemoveEntryList(&thread->entry);
      free(thread);
    }
  }
}

static void end(PKTHREAD thread, NTSTATUS status) {
  ddk_call_end("a system thread", PASSIVE_LEVEL, PASSIVE_LEVEL);
  pthread_mutex_lock(&ddk_lock);
  thread->status = status;
  thread->header.SignalState = 1;
  pthread_cond_broadcast(&ddk_changed);
  pthread_mutex_unlock(&ddk_lock);
}

static void* run(void* argument) {
  current = argument;
  pthread_setname_np(pthread_self(), "ddk-thread");
  current->routine(current->context);
  end(current, STATUS_SUCCESS);
  return NULL;
}

NTSTATUS PsTerminateSystemThread(NTSTATUS status) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  if (current == NULL) {
    ddk_breach(__func__, "the calling thread is not a system thread of this driver");
    return STATUS_INVALID_PARAMETER;
  }
  end(current, status);
  pthread_exit(NULL);
}

NTSTATUS PsCreateSystemThread(PHANDLE handle, ULONG access, POBJECT_ATTRIBUTES attributes,
                              HANDLE process, PCLIENT_ID id, PKSTART_ROUTINE routine,
                              PVOID context) {
  (void)access, (void)attributes, (void)process;
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  PKTHREAD thread = ddk_allocate(sizeof *thread);
  if (thread == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  ddk_header_init(&thread->header, kDdkThread, 0);
  thread->routine = routine;
  thread->context = context;
  pthread_mutex_lock(&ddk_lock);
  reap();
  last_handle += 4;
  thread->handle = (HANDLE)last_handle;
  *handle = thread->handle; /* the new thread may look at it */
  if (!start_thread(&thread->thread, run, thread)) {
    pthread_mutex_unlock(&ddk_lock);
    *handle = NULL;
    free(thread);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  InsertTailList(&threads, &thread->entry);
  pthread_mutex_unlock(&ddk_lock);
  if (id != NULL) {
    id->UniqueProcess = PsGetCurrentProcessId();
    id->UniqueThread = (HANDLE)thread;
  }
  return STATUS_SUCCESS;
}

PKTHREAD KeGetCurrentThread(void) { return current != NULL ? current : &foreign; }
HANDLE PsGetCurrentThreadId(void) { return (HANDLE)(ULONG_PTR)gettid(); }
HANDLE PsGetCurrentProcessId(void) { return (HANDLE)(ULONG_PTR)getpid(); }

KPRIORITY KeSetPriorityThread(PKTHREAD thread, KPRIORITY priority) {
  KPRIORITY old = thread->priority;
  thread->priority = priority;
  return old;
}

static PKTHREAD find(HANDLE handle) {
  for (PLIST_ENTRY at = threads.Flink; at != &threads && handle != NULL; at = at->Flink) {
    PKTHREAD thread = CONTAINING_RECORD(at, struct _KTHREAD, entry);
    if (thread->handle == handle) {
      return thread;
    }
  }
  return NULL;
}

static PKTHREAD find_object(PVOID object) {
  for (PLIST_ENTRY at = threads.Flink; at != &threads; at = at->Flink) {
    if (object == CONTAINING_RECORD(at, struct _KTHREAD, entry)) {
      return object;
    }
  }
  return NULL;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE handle, ACCESS_MASK access, POBJECT_TYPE type,
                                   KPROCESSOR_MODE mode, PVOID* object,
                                   POBJECT_HANDLE_INFORMATION information) {
  (void)access, (void)mode, (void)information;
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  if (type != NULL && type != &thread_type) {
    return STATUS_OBJECT_TYPE_MISMATCH;
  }
  pthread_mutex_lock(&ddk_lock);
  PKTHREAD thread = find(handle);
  if (thread != NULL) {
    ++thread->references;
    *object = thread;
  }
  pthread_mutex_unlock(&ddk_lock);
  return thread != NULL ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

static LONG_PTR change_references(const char* function, PVOID object, LONG by) {
  ddk_irql_at_most(function, DISPATCH_LEVEL);
  if (object == &foreign) {
    return 1;
  }
  LONG_PTR left = -1;
  pthread_mutex_lock(&ddk_lock);
  PKTHREAD thread = find_object(object);
  if (thread != NULL && thread->references + by >= 0) {
    thread->references += by;
    left = thread->references;
  }
  pthread_mutex_unlock(&ddk_lock);
  if (left < 0) {
    ddk_breach(function, "the object is not referenced by this driver");
  }
  return left;
}

LONG_PTR ObfReferenceObject(PVOID object) {
  return change_references("ObReferenceObject", object, 1);
}

LONG_PTR ObfDereferenceObject(PVOID object) {
  return change_references("ObDereferenceObject", object, -1);
}

NTSTATUS ZwClose(HANDLE handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  pthread_mutex_lock(&ddk_lock);
  PKTHREAD thread = find(handle);
  if (thread != NULL) {
    thread->handle = NULL;
  }
  pthread_mutex_unlock(&ddk_lock);
  if (thread == NULL) {
    ddk_breach(__func__, "%p is no open handle of this driver", handle);
  }
  return thread != NULL ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

static uint32_t count_running(void) {
  uint32_t count = 0;
  for (PLIST_ENTRY at = threads.Flink; at != &threads; at = at->Flink) {
    count += CONTAINING_RECORD(at, struct _KTHREAD, entry)->header.SignalState == 0;
  }
  return count;
}

uint32_t ddk_threads_stop(void) {
  pthread_mutex_lock(&ddk_lock);
  uint32_t late = count_running();
  uint32_t running = late;
  while (running != 0 && ddk_wait_change_real_ms(kUnloadWaitMs)) {
    running = count_running();
  }
  reap();
  int handles = 0;
  int references = 0;
  for (PLIST_ENTRY at = threads.Flink; at != &threads; at = at->Flink) {
    PKTHREAD thread = CONTAINING_RECORD(at, struct _KTHREAD, entry);
    handles += thread->handle != NULL;
    references += thread->references != 0;
  }
  pthread_mutex_unlock(&ddk_lock);
  if (late != 0) {
    ddk_breach("PsCreateSystemThread", "%u system thread%s after the unload routine%s", late,
               late == 1 ? " still ran" : "s still ran", running != 0 ? ", and did not end" : "");
  }
  if (handles != 0) {
    ddk_breach("ZwClose", "%d thread handle%s not closed", handles,
               handles == 1 ? " was" : "s were");
  }
  if (references != 0) {
    ddk_breach("ObDereferenceObject", "%d thread object%s still referenced", references,
               references == 1 ? " is" : "s are");
  }
  return running;
}
