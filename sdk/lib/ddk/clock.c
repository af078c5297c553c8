/* Time: the system's, or the host's for simulation. */

#define _GNU_SOURCE
#include <errno.h>
#include <hookline/driver_entry.h>
#include <time.h>

#include "kernel.h"

enum { kNsPerSecond = 1000000000 };
#define SECONDS_1601_TO_1970 11644473600ull

pthread_mutex_t ddk_lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t ddk_changed = PTHREAD_COND_INITIALIZER;

static HooklineDriverClock host_clock;
static void* host_clock_context;

DDK_EXPORT void hookline_driver_set_clock(HooklineDriverClock now_ns, void* context) {
  pthread_mutex_lock(&ddk_lock);
  host_clock_context = context;
  __atomic_store_n(&host_clock, now_ns, __ATOMIC_RELEASE);
  pthread_cond_broadcast(&ddk_changed);
  pthread_mutex_unlock(&ddk_lock);
}

static uint64_t read_clock(clockid_t id) {
  HooklineDriverClock clock = __atomic_load_n(&host_clock, __ATOMIC_ACQUIRE);
  if (clock != NULL) {
    return clock(host_clock_context);
  }
  struct timespec now;
  clock_gettime(id, &now);
  return (uint64_t)now.tv_sec * kNsPerSecond + (uint64_t)now.tv_nsec;
}

uint64_t ddk_now_ns(void) { return read_clock(CLOCK_MONOTONIC); }
uint64_t ddk_wall_ns(void) { return read_clock(CLOCK_REALTIME); }

uint64_t ddk_deadline(LONGLONG timeout) {
  uint64_t now = ddk_now_ns();
  uint64_t units; /* from now, 100 ns */
  if (timeout < 0) {
    units = (uint64_t) - (timeout + 1) + 1;
  } else {
    uint64_t wall = ddk_wall_ns() / 100 + SECONDS_1601_TO_1970 * 10000000;
    units = (uint64_t)timeout > wall ? (uint64_t)timeout - wall : 0;
  }
  return units > (DDK_FOREVER - 1 - now) / 100 ? DDK_FOREVER - 1 : now + units * 100;
}

static struct timespec timespec_of(uint64_t ns) {
  return (struct timespec){(time_t)(ns / kNsPerSecond), (long)(ns % kNsPerSecond)};
}

int ddk_wait_change(uint64_t deadline_ns) {
  if (deadline_ns == DDK_FOREVER) {
    pthread_cond_wait(&ddk_changed, &ddk_lock);
    return 1;
  }
  if (__atomic_load_n(&host_clock, __ATOMIC_ACQUIRE) != NULL) {
    if (ddk_now_ns() >= deadline_ns) {
      return 0;
    }
    pthread_cond_wait(&ddk_changed, &ddk_lock);
    return 1;
  }
  struct timespec until = timespec_of(deadline_ns);
  return pthread_cond_clockwait(&ddk_changed, &ddk_lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
}

int ddk_wait_change_real_ms(unsigned milliseconds) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  struct timespec until = timespec_of((uint64_t)now.tv_sec * kNsPerSecond + (uint64_t)now.tv_nsec +
                                      (uint64_t)milliseconds * 1000000);
  return pthread_cond_clockwait(&ddk_changed, &ddk_lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT;
}

LARGE_INTEGER KeQueryPerformanceCounter(PLARGE_INTEGER frequency) {
  if (frequency != NULL) {
    frequency->QuadPart = 10000000;
  }
  return (LARGE_INTEGER){.QuadPart = (LONGLONG)(ddk_now_ns() / 100)};
}

void KeQuerySystemTime(PLARGE_INTEGER time) {
  time->QuadPart = (LONGLONG)(ddk_wall_ns() / 100 + SECONDS_1601_TO_1970 * 10000000);
}

void KeQuerySystemTimePrecise(PLARGE_INTEGER time) { KeQuerySystemTime(time); }
ULONGLONG KeQueryInterruptTime(void) { return ddk_now_ns() / 100; }
ULONGLONG KeQueryUnbiasedInterruptTime(void) { return KeQueryInterruptTime(); }
ULONG KeQueryTimeIncrement(void) { return 156250; }

void KeQueryTickCount(PLARGE_INTEGER ticks) {
  ticks->QuadPart = (LONGLONG)(KeQueryInterruptTime() / KeQueryTimeIncrement());
}

void KeStallExecutionProcessor(ULONG microseconds) {
  struct timespec left = {microseconds / 1000000, (long)(microseconds % 1000000) * 1000};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
  }
}
