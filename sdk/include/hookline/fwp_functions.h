#pragma once

/* The engine's functions as a driver calls them, made from fwp_calls.def. The driver's library
 * (sdk/lib/ddk/fwp_forward.c) hands each call to the server. */

#include <hookline/fwp.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOOKLINE_FWP_STATUS(irql, name, parameters, arguments) NTSTATUS NTAPI name parameters;
#define HOOKLINE_FWP_VOID(irql, name, parameters, arguments) void NTAPI name parameters;
#define HOOKLINE_FWP_VALUE(type, fallback, irql, name, parameters, arguments) \
  type NTAPI name parameters;
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, name) type NTAPI name(void);
#include <hookline/fwp_calls.def>
#undef HOOKLINE_FWP_STATUS
#undef HOOKLINE_FWP_VOID
#undef HOOKLINE_FWP_VALUE
#undef HOOKLINE_FWP_VALUE_OF_NOTHING

#ifdef __cplusplus
}
#endif
