/* The engine's functions in a driver: each checks what the kernel would, then hands the call to the
 * server. Made from fwp_calls.def. */

#include <hookline/fwp_functions.h>
#include <stdio.h>

#include "ddk.h"

/* Says once for each function that the server has none of this name. */
static void not_in_this_engine(const char* name, int* told) {
  if (__atomic_exchange_n(told, 1, __ATOMIC_RELAXED) != 0) {
    return;
  }
  char line[160];
  snprintf(line, sizeof line, "%s: this server's engine does not have it", name);
  ddk_log(HOOKLINE_DRIVER_LOG_ERROR, line);
}

static void check_locks(const char* name) {
#if HOOKLINE_DDK_CHECKS
  uint32_t held = ddk_locks_held();
  if (__builtin_expect(held != 0, 0)) {
    ddk_breach(name, "called with %u spin lock%s held; a completion may run inside the call", held,
               held == 1 ? "" : "s");
  }
#else
  (void)name;
#endif
}

#define CALL_OR(otherwise, irql, name, arguments)     \
  static int told;                                    \
  DDK_IRQL_MAX(irql);                                 \
  const struct HooklineDriverHost* host = ddk_host(); \
  if (!DDK_HOST_HAS(host, name)) {                    \
    not_in_this_engine(#name, &told);                 \
    return otherwise;                                 \
  }                                                   \
  return host->name(host->context, HOOKLINE_FWP_UNPACK arguments);

#define HOOKLINE_FWP_STATUS(irql, name, parameters, arguments) \
  NTSTATUS NTAPI name parameters { CALL_OR(STATUS_NOT_IMPLEMENTED, irql, name, arguments) }

#define HOOKLINE_FWP_INJECT(irql, name, parameters, arguments) \
  NTSTATUS NTAPI name parameters {                             \
    check_locks(#name);                                        \
    CALL_OR(STATUS_NOT_IMPLEMENTED, irql, name, arguments)     \
  }

#define HOOKLINE_FWP_VALUE(type, fallback, irql, name, parameters, arguments) \
  type NTAPI name parameters { CALL_OR(fallback, irql, name, arguments) }

#define HOOKLINE_FWP_VOID(irql, name, parameters, arguments)    \
  void NTAPI name parameters {                                  \
    static int told;                                            \
    DDK_IRQL_MAX(irql);                                         \
    const struct HooklineDriverHost* host = ddk_host();         \
    if (DDK_HOST_HAS(host, name)) {                             \
      host->name(host->context, HOOKLINE_FWP_UNPACK arguments); \
    } else {                                                    \
      not_in_this_engine(#name, &told);                         \
    }                                                           \
  }

#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, name) \
  type NTAPI name(void) {                                         \
    static int told;                                              \
    DDK_IRQL_MAX(irql);                                           \
    const struct HooklineDriverHost* host = ddk_host();           \
    if (!DDK_HOST_HAS(host, name)) {                              \
      not_in_this_engine(#name, &told);                           \
      return fallback;                                            \
    }                                                             \
    return host->name(host->context);                             \
  }

#include <hookline/fwp_calls.def>
