/* The interrupt level of each thread, assertions, and the frame around a driver's routines. */

#define _GNU_SOURCE
#include <hookline/driver_entry.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel.h"

__thread KIRQL ddk_irql;

static const char* level_name(KIRQL level) {
  return level == PASSIVE_LEVEL    ? "PASSIVE_LEVEL"
         : level == APC_LEVEL      ? "APC_LEVEL"
         : level == DISPATCH_LEVEL ? "DISPATCH_LEVEL"
                                   : "a level above DISPATCH_LEVEL";
}

void ddk_irql_too_high(const char* function, KIRQL highest) {
  ddk_breach(function, "called at %s; at most %s is allowed", level_name(ddk_irql),
             level_name(highest));
}

DDK_EXPORT uint8_t hookline_driver_set_irql(uint8_t level) {
  KIRQL old = ddk_irql;
  ddk_irql = level;
  return old;
}

DDK_EXPORT uint32_t hookline_driver_locks_held(void) { return ddk_locks_held(); }

KIRQL KeGetCurrentIrql(void) { return ddk_irql; }

KIRQL KfRaiseIrql(KIRQL level) {
  KIRQL old = ddk_irql;
  if (HOOKLINE_DDK_CHECKS && level < old) {
    ddk_breach("KeRaiseIrql", "raises the level from %s to %s", level_name(old), level_name(level));
  }
  ddk_irql = level;
  return old;
}

void KeLowerIrql(KIRQL level) {
  if (HOOKLINE_DDK_CHECKS && level > ddk_irql) {
    ddk_breach(__func__, "lowers the level from %s to %s", level_name(ddk_irql), level_name(level));
  }
  if (HOOKLINE_DDK_CHECKS && level < DISPATCH_LEVEL && ddk_locks_held() != 0) {
    ddk_breach(__func__, "to %s while a spin lock is held", level_name(level));
  }
  ddk_irql = level;
}

void ddk_call_begin(KIRQL level, KIRQL* old) {
  *old = ddk_irql;
  ddk_irql = level;
}

void ddk_call_end(const char* what, KIRQL level, KIRQL old) {
#if HOOKLINE_DDK_CHECKS
  if (ddk_locks_held() != 0) {
    ddk_breach(what, "returned while it holds a spin lock");
  } else if (ddk_irql != level) {
    ddk_breach(what, "returned at %s; it was called at %s", level_name(ddk_irql),
               level_name(level));
  }
#else
  (void)what, (void)level;
#endif
  ddk_irql = old;
}

void hookline_ddk_paged_code(const char* function) { ddk_irql_at_most(function, APC_LEVEL); }

void hookline_ddk_assertion_failed(const char* text, const char* file, int line) {
  const char* slash = strrchr(file, '/');
  ddk_breach("ASSERT", "%s:%d: %s is not so", slash != NULL ? slash + 1 : file, line, text);
}

ULONG KeGetCurrentProcessorIndex(void) {
  int index = sched_getcpu();
  return index > 0 ? (ULONG)index : 0;
}

ULONG KeGetCurrentProcessorNumber(void) { return KeGetCurrentProcessorIndex(); }

ULONG KeQueryMaximumProcessorCountEx(USHORT group) {
  long count = group == 0 || group == ALL_PROCESSOR_GROUPS ? sysconf(_SC_NPROCESSORS_CONF) : 0;
  return count > 0 ? (ULONG)count : 0;
}

ULONG KeQueryActiveProcessorCountEx(USHORT group) { return KeQueryMaximumProcessorCountEx(group); }

void* ddk_allocate(size_t bytes) { return ddk_may_allocate() ? calloc(1, bytes) : NULL; }
