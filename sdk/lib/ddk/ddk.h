#pragma once

/* What the files of libhookline-ddk.a share: the kernel services (all of this folder but fwp_*.c)
 * and the forwarders of the filter engine (fwp_*.c). The library is linked into every driver,
 * hidden, so each driver has its own copy of all state. Compiled with -DHOOKLINE_DDK_CHECKS=1 (a
 * checked build) or 0 (`hookline-cc --release`). */

#include <hookline/driver_host.h>
#include <hookline/ntdef.h>

#ifndef HOOKLINE_DDK_CHECKS
#define HOOKLINE_DDK_CHECKS 1
#endif

/* hookline_driver_attach() is in host.c. NULL before it. */
const struct HooklineDriverHost* ddk_host(void);

/* Whether the host knows a field and has filled it. */
#define DDK_HOST_HAS(host, field)                                                        \
  ((host) != NULL &&                                                                     \
   (host)->size >= offsetof(struct HooklineDriverHost, field) + sizeof((host)->field) && \
   (host)->field != NULL)

/* A breach of a rule: `function` is the kernel function, or the callback, that the rule is about;
 * the text is formatted as by printf (the C library's). Goes to the host, or to stderr. */
void ddk_breach(const char* function, const char* format, ...)
    __attribute__((format(printf, 2, 3)));

/* One line for the host's log, with a severity of driver_host.h; a line end is cut off. */
void ddk_log(uint32_t severity, const char* text);

/* The driver's name: the host's for it, or that of its file. */
const char* ddk_driver_name(void);

/* The interrupt level of this thread in this driver. ddk_irql_at_most() reports a breach when it is
 * higher; write DDK_IRQL_MAX(PASSIVE_LEVEL) at the top of a function that has a limit. */
extern __thread KIRQL ddk_irql;
void ddk_irql_too_high(const char* function, KIRQL highest);
static inline void ddk_irql_at_most(const char* function, KIRQL highest) {
#if HOOKLINE_DDK_CHECKS
  if (__builtin_expect(ddk_irql > highest, 0)) {
    ddk_irql_too_high(function, highest);
  }
#else
  (void)function, (void)highest;
#endif
}
#define DDK_IRQL_MAX(highest) ddk_irql_at_most(__func__, highest)

/* How many spin locks this thread holds (0 without checks). */
uint32_t ddk_locks_held(void);

/* Whether this allocation may succeed (hookline_driver_fail_allocation). Ask before each one. */
int ddk_may_allocate(void);
