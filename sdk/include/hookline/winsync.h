#pragma once

/* Part of windows.h: locks, objects to wait for, threads, interlocked operations.
 *
 * A handle belongs to the callout that made it: it means nothing to another library, and objects
 * have no names (a name is refused with ERROR_NOT_SUPPORTED). */

#include <hookline/interlocked.h>
#include <hookline/wintypes.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Recursive. Initialize before use; static storage is fine. */
typedef struct _RTL_CRITICAL_SECTION {
  ULONGLONG opaque[6];
} CRITICAL_SECTION, RTL_CRITICAL_SECTION, *PCRITICAL_SECTION, *LPCRITICAL_SECTION;

void WINAPI InitializeCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION section, DWORD spins);
BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION section, DWORD spins, DWORD flags);
void WINAPI EnterCriticalSection(LPCRITICAL_SECTION section);
BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION section);
void WINAPI LeaveCriticalSection(LPCRITICAL_SECTION section);
void WINAPI DeleteCriticalSection(LPCRITICAL_SECTION section);

/* Not recursive; needs no initialization beyond zeros. Writers are not starved for ever, but there
 * is no promise of order. */
typedef struct _RTL_SRWLOCK {
  LONG state; /* -1: a writer; n > 0: n readers */
  LONG waiters;
} SRWLOCK, RTL_SRWLOCK, *PSRWLOCK;
#define SRWLOCK_INIT \
  { 0, 0 }
#define RTL_SRWLOCK_INIT \
  { 0, 0 }

void WINAPI InitializeSRWLock(PSRWLOCK lock);
void WINAPI AcquireSRWLockExclusive(PSRWLOCK lock);
void WINAPI ReleaseSRWLockExclusive(PSRWLOCK lock);
void WINAPI AcquireSRWLockShared(PSRWLOCK lock);
void WINAPI ReleaseSRWLockShared(PSRWLOCK lock);
BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK lock);
BOOLEAN WINAPI TryAcquireSRWLockShared(PSRWLOCK lock);

typedef struct _SECURITY_ATTRIBUTES {
  DWORD nLength;
  LPVOID lpSecurityDescriptor;
  BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

#define WAIT_OBJECT_0 0x00000000
#define WAIT_ABANDONED 0x00000080
#define WAIT_ABANDONED_0 0x00000080
#define WAIT_TIMEOUT 0x00000102
#define WAIT_FAILED 0xFFFFFFFF
#define STILL_ACTIVE 0x00000103
#define MAXIMUM_WAIT_OBJECTS 64

/* `attributes` are ignored. A mutex is recursive and knows its owner; one whose owner thread of
 * CreateThread ended is WAIT_ABANDONED to the next. */
HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCSTR name);
HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCWSTR name);
BOOL WINAPI ReleaseMutex(HANDLE mutex);
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL set,
                           LPCSTR name);
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES attributes, BOOL manual_reset, BOOL set,
                           LPCWSTR name);
BOOL WINAPI SetEvent(HANDLE event);
BOOL WINAPI ResetEvent(HANDLE event);

typedef DWORD(WINAPI* PTHREAD_START_ROUTINE)(LPVOID parameter);
typedef PTHREAD_START_ROUTINE LPTHREAD_START_ROUTINE;
/* `flags` must be 0: there are no suspended threads. End every thread before the STOP hook returns:
 * the library is unloaded after it. */
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES attributes, SIZE_T stack_bytes,
                           LPTHREAD_START_ROUTINE start, LPVOID parameter, DWORD flags,
                           LPDWORD thread_id);
BOOL WINAPI GetExitCodeThread(HANDLE thread, LPDWORD code);

BOOL WINAPI CloseHandle(HANDLE object);
DWORD WINAPI WaitForSingleObject(HANDLE object, DWORD milliseconds);
DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE* objects, BOOL all,
                                    DWORD milliseconds);

#ifdef UNICODE
#define CreateMutex CreateMutexW
#define CreateEvent CreateEventW
#else
#define CreateMutex CreateMutexA
#define CreateEvent CreateEventA
#endif

#ifdef __cplusplus
}
#endif
