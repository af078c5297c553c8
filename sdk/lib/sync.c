/* Locks, and the objects that can be waited for.
 *
 * One lock and one condition serve all objects of a callout: waiting for several at once is then a
 * loop, and a callout has few of them. */

#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

HOOKLINE_STATIC_ASSERT(sizeof(pthread_mutex_t) <= sizeof(CRITICAL_SECTION), "CRITICAL_SECTION");
HOOKLINE_STATIC_ASSERT(sizeof(SRWLOCK) == 8, "SRWLOCK");

static pthread_mutex_t* mutex_of(LPCRITICAL_SECTION section) {
  return (pthread_mutex_t*)(void*)section->opaque;
}

BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION section, DWORD spins, DWORD flags) {
  pthread_mutexattr_t attributes;
  (void)spins, (void)flags;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(mutex_of(section), &attributes);
  pthread_mutexattr_destroy(&attributes);
  return TRUE;
}

BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD spins) {
  return InitializeCriticalSectionEx(section, spins, 0);
}

void WINAPI InitializeCriticalSection(LPCRITICAL_SECTION section) {
  InitializeCriticalSectionEx(section, 0, 0);
}

void WINAPI EnterCriticalSection(LPCRITICAL_SECTION section) {
  pthread_mutex_lock(mutex_of(section));
}

BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION section) {
  return pthread_mutex_trylock(mutex_of(section)) == 0;
}

void WINAPI LeaveCriticalSection(LPCRITICAL_SECTION section) {
  pthread_mutex_unlock(mutex_of(section));
}

void WINAPI DeleteCriticalSection(LPCRITICAL_SECTION section) {
  pthread_mutex_destroy(mutex_of(section));
}

void WINAPI InitializeSRWLock(PSRWLOCK lock) { *lock = (SRWLOCK)SRWLOCK_INIT; }

static BOOLEAN srw_try(PSRWLOCK lock, LONG add_reader) {
  LONG state = __atomic_load_n(&lock->state, __ATOMIC_RELAXED);
  while (add_reader ? state >= 0 : state == 0) {
    if (__atomic_compare_exchange_n(&lock->state, &state, add_reader ? state + 1 : -1, 0,
                                    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
      return TRUE;
    }
  }
  return FALSE;
}

static void srw_acquire(PSRWLOCK lock, LONG add_reader) {
  while (!srw_try(lock, add_reader)) {
    __atomic_add_fetch(&lock->waiters, 1, __ATOMIC_SEQ_CST);
    LONG state = __atomic_load_n(&lock->state, __ATOMIC_SEQ_CST);
    if (add_reader ? state < 0 : state != 0) {
      syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, state, NULL, NULL, 0);
    }
    __atomic_sub_fetch(&lock->waiters, 1, __ATOMIC_SEQ_CST);
  }
}

static void srw_release(PSRWLOCK lock, LONG change) {
  LONG state = __atomic_add_fetch(&lock->state, change, __ATOMIC_SEQ_CST);
  if (state == 0 && __atomic_load_n(&lock->waiters, __ATOMIC_SEQ_CST) != 0) {
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 0x7FFFFFFF, NULL, NULL, 0);
  }
}

void WINAPI AcquireSRWLockExclusive(PSRWLOCK lock) { srw_acquire(lock, 0); }
void WINAPI AcquireSRWLockShared(PSRWLOCK lock) { srw_acquire(lock, 1); }
void WINAPI ReleaseSRWLockExclusive(PSRWLOCK lock) { srw_release(lock, 1); }
void WINAPI ReleaseSRWLockShared(PSRWLOCK lock) { srw_release(lock, -1); }
BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK lock) { return srw_try(lock, 0); }
BOOLEAN WINAPI TryAcquireSRWLockShared(PSRWLOCK lock) { return srw_try(lock, 1); }

enum Kind { kEvent, kMutex, kThread };
enum { kMagic = 0x484f424a };

struct Object {
  uint32_t magic;
  enum Kind kind;
  int handles;     /* the handle, and for a thread the running thread itself */
  int set;         /* kEvent: set; kThread: ended */
  int manual;      /* kEvent */
  DWORD owner;     /* kMutex: thread id, or 0 */
  DWORD depth;     /* kMutex: how often the owner has taken it */
  int abandoned;   /* kMutex: the last owner ended without releasing it */
  DWORD exit_code; /* kThread */
  LPTHREAD_START_ROUTINE start;
  LPVOID parameter;
  struct Object* next; /* of all mutexes */
};

static pthread_mutex_t all = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct Object* mutexes;

static struct Object* make(enum Kind kind) {
  struct Object* object = calloc(1, sizeof *object);
  if (object == NULL) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  object->magic = kMagic;
  object->kind = kind;
  object->handles = 1;
  return object;
}

/* The object of a handle, or NULL and ERROR_INVALID_HANDLE. */
static struct Object* check(HANDLE handle, int kind) {
  struct Object* object = handle;
  if (object == NULL || handle == INVALID_HANDLE_VALUE || object->magic != kMagic ||
      (kind >= 0 && object->kind != (enum Kind)kind)) {
    SetLastError(ERROR_INVALID_HANDLE);
    return NULL;
  }
  return object;
}

static int is_named(const void* name) {
  if (name != NULL) {
    SetLastError(ERROR_NOT_SUPPORTED);
  }
  return name != NULL;
}

HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCSTR name) {
  (void)attributes;
  struct Object* object = is_named(name) ? NULL : make(kMutex);
  if (object != NULL) {
    object->owner = owned ? GetCurrentThreadId() : 0;
    object->depth = owned ? 1 : 0;
    pthread_mutex_lock(&all);
    object->next = mutexes;
    mutexes = object;
    pthread_mutex_unlock(&all);
  }
  return object;
}

HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCWSTR name) {
  return CreateMutexA(attributes, owned, name != NULL ? "named" : NULL);
}

BOOL WINAPI ReleaseMutex(HANDLE mutex) {
  struct Object* object = check(mutex, kMutex);
  if (object == NULL) {
    return FALSE;
  }
  pthread_mutex_lock(&all);
  BOOL mine = object->owner == GetCurrentThreadId();
  if (mine && --object->depth == 0) {
    object->owner = 0;
    pthread_cond_broadcast(&changed);
  }
  pthread_mutex_unlock(&all);
  if (!mine) {
    SetLastError(ERROR_NOT_OWNER);
  }
  return mine;
}

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL set,
                           LPCSTR name) {
  (void)attributes;
  struct Object* object = is_named(name) ? NULL : make(kEvent);
  if (object != NULL) {
    object->manual = manual_reset;
    object->set = set;
  }
  return object;
}

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL set,
                           LPCWSTR name) {
  return CreateEventA(attributes, manual_reset, set, name != NULL ? "named" : NULL);
}

static BOOL change_event(HANDLE event, int set) {
  struct Object* object = check(event, kEvent);
  if (object == NULL) {
    return FALSE;
  }
  pthread_mutex_lock(&all);
  object->set = set;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&all);
  return TRUE;
}

BOOL WINAPI SetEvent(HANDLE event) { return change_event(event, 1); }
BOOL WINAPI ResetEvent(HANDLE event) { return change_event(event, 0); }

/* Called with `all` held. */
static void drop_handle(struct Object* object) {
  if (--object->handles != 0) {
    return;
  }
  for (struct Object** at = &mutexes; *at != NULL; at = &(*at)->next) {
    if (*at == object) {
      *at = object->next;
      break;
    }
  }
  object->magic = 0;
  free(object);
}

BOOL WINAPI CloseHandle(HANDLE handle) {
  struct Object* object = check(handle, -1);
  if (object == NULL) {
    return FALSE;
  }
  pthread_mutex_lock(&all);
  drop_handle(object);
  pthread_mutex_unlock(&all);
  return TRUE;
}

static void* run_thread(void* argument) {
  struct Object* object = argument;
  DWORD code = object->start(object->parameter);
  DWORD self = GetCurrentThreadId();
  pthread_mutex_lock(&all);
  for (struct Object* mutex = mutexes; mutex != NULL; mutex = mutex->next) {
    if (mutex->owner == self) {
      mutex->owner = mutex->depth = 0;
      mutex->abandoned = 1;
    }
  }
  object->exit_code = code;
  object->set = 1;
  pthread_cond_broadcast(&changed);
  drop_handle(object);
  pthread_mutex_unlock(&all);
  return NULL;
}

/* The new thread's id is known only to itself: it tells it through here. */
struct Start {
  struct Object* object;
  DWORD id;
  int told;
};

static void* begin_thread(void* argument) {
  struct Start* start = argument;
  struct Object* object = start->object;
  pthread_mutex_lock(&all);
  start->id = GetCurrentThreadId();
  start->told = 1;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&all);
  return run_thread(object);
}

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES attributes, SIZE_T stack_bytes,
                           LPTHREAD_START_ROUTINE start, LPVOID parameter, DWORD flags,
                           LPDWORD thread_id) {
  (void)attributes;
  if (start == NULL || flags != 0) {
    SetLastError(start == NULL ? ERROR_INVALID_PARAMETER : ERROR_NOT_SUPPORTED);
    return NULL;
  }
  struct Object* object = make(kThread);
  if (object == NULL) {
    return NULL;
  }
  object->handles = 2;
  object->start = start;
  object->parameter = parameter;
  object->exit_code = STILL_ACTIVE;
  struct Start shared = {object, 0, 0};
  pthread_attr_t how;
  pthread_t thread;
  pthread_attr_init(&how);
  pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
  if (stack_bytes > 256 * 1024) {
    pthread_attr_setstacksize(&how, (stack_bytes + 0xFFFF) & ~(SIZE_T)0xFFFF);
  }
  int error = pthread_create(&thread, &how, begin_thread, &shared);
  pthread_attr_destroy(&how);
  if (error != 0) {
    free(object);
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  pthread_mutex_lock(&all);
  while (!shared.told) {
    pthread_cond_wait(&changed, &all);
  }
  pthread_mutex_unlock(&all);
  if (thread_id != NULL) {
    *thread_id = shared.id;
  }
  return object;
}

BOOL WINAPI GetExitCodeThread(HANDLE thread, LPDWORD code) {
  struct Object* object = check(thread, kThread);
  if (object == NULL || code == NULL) {
    return FALSE;
  }
  pthread_mutex_lock(&all);
  *code = object->exit_code;
  pthread_mutex_unlock(&all);
  return TRUE;
}

static int is_ready(const struct Object* object, DWORD self) {
  return object->kind == kMutex ? object->owner == 0 || object->owner == self : object->set;
}

/* Returns whether a mutex had been abandoned. */
static int take(struct Object* object, DWORD self) {
  int abandoned = object->abandoned;
  if (object->kind == kMutex) {
    object->owner = self;
    ++object->depth;
    object->abandoned = 0;
  } else if (object->kind == kEvent && !object->manual) {
    object->set = 0;
  }
  return abandoned;
}

/* WAIT_OBJECT_0 or WAIT_ABANDONED_0 plus an index, or WAIT_TIMEOUT: not now. */
static DWORD try_take(struct Object* const* objects, DWORD count, BOOL whole, DWORD self) {
  DWORD ready = 0;
  for (DWORD i = 0; i < count; ++i) {
    if (!is_ready(objects[i], self)) {
      continue;
    }
    if (!whole) {
      return (take(objects[i], self) ? WAIT_ABANDONED_0 : WAIT_OBJECT_0) + i;
    }
    ++ready;
  }
  if (ready != count) {
    return WAIT_TIMEOUT;
  }
  int abandoned = 0;
  for (DWORD i = 0; i < count; ++i) {
    abandoned |= take(objects[i], self);
  }
  return abandoned ? WAIT_ABANDONED_0 : WAIT_OBJECT_0;
}

static struct timespec after(DWORD milliseconds) {
  struct timespec when;
  clock_gettime(CLOCK_MONOTONIC, &when);
  when.tv_sec += milliseconds / 1000;
  when.tv_nsec += (long)(milliseconds % 1000) * 1000000;
  if (when.tv_nsec >= 1000000000) {
    when.tv_nsec -= 1000000000;
    ++when.tv_sec;
  }
  return when;
}

DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE* handles, BOOL whole,
                                    DWORD milliseconds) {
  struct Object* objects[MAXIMUM_WAIT_OBJECTS];
  if (count == 0 || count > MAXIMUM_WAIT_OBJECTS || handles == NULL) {
    SetLastError(ERROR_INVALID_PARAMETER);
    return WAIT_FAILED;
  }
  for (DWORD i = 0; i < count; ++i) {
    objects[i] = check(handles[i], -1);
    if (objects[i] == NULL) {
      return WAIT_FAILED;
    }
  }
  struct timespec until = after(milliseconds == INFINITE ? 0 : milliseconds);
  DWORD self = GetCurrentThreadId();
  pthread_mutex_lock(&all);
  DWORD result = try_take(objects, count, whole, self);
  while (result == WAIT_TIMEOUT) {
    if (milliseconds == INFINITE) {
      pthread_cond_wait(&changed, &all);
    } else if (pthread_cond_clockwait(&changed, &all, CLOCK_MONOTONIC, &until) == ETIMEDOUT) {
      result = try_take(objects, count, whole, self);
      break;
    }
    result = try_take(objects, count, whole, self);
  }
  pthread_mutex_unlock(&all);
  return result;
}

DWORD WINAPI WaitForSingleObject(HANDLE object, DWORD milliseconds) {
  return WaitForMultipleObjects(1, &object, FALSE, milliseconds);
}
