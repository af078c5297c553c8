#pragma once

/* What a server gives a packet-callout driver built by `hookline-cc --driver`, the filter engine
 * included. Every such driver exports
 *
 *     uint32_t hookline_driver_attach(const struct HooklineDriverHost* host);
 *
 * beside what <hookline/driver_entry.h> lists. The server calls it once after loading the library,
 * before hookline_driver_start. The result is 0, or 87 (`host` is no HooklineDriverHost): then the
 * load has failed. `host` and what it points at stay alive and unchanged until the library is
 * closed. A driver that was never attached logs to stderr, has no parameters, and every call of the
 * engine gives STATUS_NOT_IMPLEMENTED.
 *
 * The callbacks are called on any thread of the driver or of the server's, several at once. They
 * keep no pointer of the driver's after their return, except where the engine's own rules say so.
 * The struct grows only at its end: `size` says how much of it the server knows, and a driver
 * treats what lies beyond as NULL: logs the missing call's name once and gives
 * STATUS_NOT_IMPLEMENTED. */

#include <hookline/fwp.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The severities of <hookline/host.h>. */
#define HOOKLINE_DRIVER_LOG_ERROR 1u
#define HOOKLINE_DRIVER_LOG_WARNING 2u
#define HOOKLINE_DRIVER_LOG_INFORMATION 4u
#define HOOKLINE_DRIVER_LOG_DEBUG 0x100u

struct HooklineDriverHost {
  uint32_t size; /* sizeof(struct HooklineDriverHost) as the server knows it */
  uint32_t reserved;
  void* context;    /* the first argument of every callback, those of the engine included */
  const char* name; /* the driver's, in UTF-8: its service name, in the log and in counters */

  /* One line of the driver's: UTF-8, no line end. */
  void (*log)(void* context, uint32_t severity, const char* text);

  /* The driver broke a rule: `function` is the call, or the driver's callback, in which it was
   * found; `text` says in English what was wrong. To be counted and logged with the driver's name.
   */
  void (*breach)(void* context, const char* function, const char* text);

  /* One value of the driver's Parameters key. `value` is its name in UTF-8, compared without regard
   * to case. Data are the registry's own bytes: strings in UTF-16LE with their NUL, numbers
   * little-endian. *size is the room in bytes on entry, the value's size on return. The result is
   * 0; 234 (ERROR_MORE_DATA), nothing written and *size set, when the room is too small or `data`
   * is NULL; 2 (ERROR_FILE_NOT_FOUND). */
  uint32_t (*parameter_query)(void* context, const char* value, uint32_t* type, void* data,
                              uint32_t* size);

  /* The control device number `device` of this driver is there and takes hookline_driver_control();
   * called again for each further name (symbolic link) of the same device. `name` is as the driver
   * gave it, in UTF-8, such as "\Device\Name" or "\DosDevices\Name"; "" for none. Returns an
   * NTSTATUS: STATUS_OBJECT_NAME_COLLISION when another driver has the name. */
  uint32_t (*device_created)(void* context, uint32_t device, const char* name);
  /* The device and its names go away; a control request that still runs has been cancelled. */
  void (*device_removed)(void* context, uint32_t device);

  /* The engine: one pointer for each line of fwp_calls.def, in its order, with `context` first. New
   * lines are added at the end of that file only. */
#define HOOKLINE_FWP_UNPACK(...) __VA_ARGS__
#define HOOKLINE_FWP_STATUS(irql, name, parameters, arguments) \
  NTSTATUS (*name)(void* engine_context, HOOKLINE_FWP_UNPACK parameters);
#define HOOKLINE_FWP_VOID(irql, name, parameters, arguments) \
  void (*name)(void* engine_context, HOOKLINE_FWP_UNPACK parameters);
#define HOOKLINE_FWP_VALUE(type, fallback, irql, name, parameters, arguments) \
  type (*name)(void* engine_context, HOOKLINE_FWP_UNPACK parameters);
#define HOOKLINE_FWP_VALUE_OF_NOTHING(type, fallback, irql, name) \
  type (*name)(void* engine_context);
#include <hookline/fwp_calls.def>
#undef HOOKLINE_FWP_STATUS
#undef HOOKLINE_FWP_VOID
#undef HOOKLINE_FWP_VALUE
#undef HOOKLINE_FWP_VALUE_OF_NOTHING
};

typedef uint32_t (*HooklineDriverAttach)(const struct HooklineDriverHost* host);

#define HOOKLINE_DRIVER_ATTACH_SYMBOL "hookline_driver_attach"

#ifdef __cplusplus
}
#endif
