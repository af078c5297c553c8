/* Errors, memory, time, identity, debug output, addresses as text. */

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <winsock2.h>

#include "core.h"

static __thread DWORD last_error;

DWORD WINAPI GetLastError(void) { return last_error; }
void WINAPI SetLastError(DWORD error) { last_error = error; }

/* Each block has its size before it, which HeapSize and a zeroing HeapReAlloc need. */
struct Block {
  SIZE_T bytes;
  SIZE_T padding; /* keeps the alignment of malloc */
};

static void* allocate(SIZE_T bytes, int zero) {
  struct Block* block = NULL;
  if (bytes <= SIZE_MAX - sizeof *block) {
    SIZE_T whole = sizeof *block + bytes;
    block = zero ? calloc(1, whole) : malloc(whole);
  }
  if (block == NULL) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  block->bytes = bytes;
  return block + 1;
}

static void release(void* memory) {
  if (memory != NULL) {
    free((struct Block*)memory - 1);
  }
}

HANDLE WINAPI GetProcessHeap(void) {
  static int heap;
  return &heap;
}

LPVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, SIZE_T bytes) {
  (void)heap;
  return allocate(bytes, (flags & HEAP_ZERO_MEMORY) != 0);
}

LPVOID WINAPI HeapReAlloc(HANDLE heap, DWORD flags, LPVOID memory, SIZE_T bytes) {
  (void)heap;
  if (memory == NULL || bytes > SIZE_MAX - sizeof(struct Block)) {
    SetLastError(memory == NULL ? ERROR_INVALID_PARAMETER : ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  struct Block* block = (struct Block*)memory - 1;
  SIZE_T before = block->bytes;
  block = realloc(block, sizeof *block + bytes);
  if (block == NULL) {
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
  }
  block->bytes = bytes;
  if ((flags & HEAP_ZERO_MEMORY) != 0 && bytes > before) {
    memset((char*)(block + 1) + before, 0, bytes - before);
  }
  return block + 1;
}

BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, LPVOID memory) {
  (void)heap, (void)flags;
  release(memory);
  return TRUE;
}

SIZE_T WINAPI HeapSize(HANDLE heap, DWORD flags, LPCVOID memory) {
  (void)heap, (void)flags;
  return memory != NULL ? ((const struct Block*)memory)[-1].bytes : (SIZE_T)-1;
}

HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T bytes) {
  return allocate(bytes, (flags & LMEM_ZEROINIT) != 0);
}

HLOCAL WINAPI LocalFree(HLOCAL memory) {
  release(memory);
  return NULL;
}

HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T bytes) {
  return allocate(bytes, (flags & GMEM_ZEROINIT) != 0);
}

HGLOBAL WINAPI GlobalFree(HGLOBAL memory) {
  release(memory);
  return NULL;
}

PVOID WINAPI SecureZeroMemory(PVOID memory, SIZE_T bytes) {
  explicit_bzero(memory, bytes);
  return memory;
}

static ULONGLONG monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (ULONGLONG)now.tv_sec * 1000000000u + (ULONGLONG)now.tv_nsec;
}

ULONGLONG WINAPI GetTickCount64(void) { return monotonic_ns() / 1000000u; }
DWORD WINAPI GetTickCount(void) { return (DWORD)GetTickCount64(); }

BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER* ticks) {
  ticks->QuadPart = (LONGLONG)(monotonic_ns() / 100u);
  return TRUE;
}

BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER* ticks_per_second) {
  ticks_per_second->QuadPart = 10000000;
  return TRUE;
}

void WINAPI Sleep(DWORD milliseconds) {
  struct timespec left = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
  while (milliseconds == INFINITE) {
    pause();
  }
  if (milliseconds == 0) {
    sched_yield();
  }
  while (milliseconds != 0 && nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

DWORD WINAPI GetCurrentThreadId(void) { return (DWORD)gettid(); }
DWORD WINAPI GetCurrentProcessId(void) { return (DWORD)getpid(); }

void WINAPI OutputDebugStringA(LPCSTR text) {
  char* line = strdup(text != NULL ? text : "");
  if (line == NULL) {
    return;
  }
  line[strcspn(line, "\r\n")] = '\0';
  hookline_log(HOOKLINE_LOG_DEBUG, hookline_own_name(), 0, line);
  free(line);
}

void WINAPI OutputDebugStringW(LPCWSTR text) {
  char* narrow = hookline_narrow(text);
  OutputDebugStringA(narrow);
  free(narrow);
}

char* inet_ntoa(struct in_addr address) {
  static __thread char text[16];
  snprintf(text, sizeof text, "%u.%u.%u.%u", address.S_un.S_un_b.s_b1, address.S_un.S_un_b.s_b2,
           address.S_un.S_un_b.s_b3, address.S_un.S_un_b.s_b4);
  return text;
}
