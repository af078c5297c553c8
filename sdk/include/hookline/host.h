#pragma once

/* What a loader gives a callout built by hookline-cc: the registry key, the log, the path map.
 *
 * Every callout built by hookline-cc exports
 *
 *     uint32_t hookline_attach(const struct HooklineHost* host);
 *
 * The loader calls it once after loading the library and before its entry point. The result is 0,
 * or the Win32 error with which the load must be counted as failed (1114, ERROR_DLL_INIT_FAILED:
 * DllMain said FALSE; 87: `host` is no HooklineHost). A library without this symbol is a callout
 * that needs nothing of the kind; load it all the same. `host` and what it points at stay alive and
 * unchanged until the library is unloaded or another host, or NULL, is attached. LoadLibrary hands
 * the host on to the libraries that a callout loads. NULL, and a callout that was never attached,
 * means: an empty registry key, log lines to stderr, no path map.
 *
 * DllMain(DLL_PROCESS_ATTACH) runs inside dlopen, before hookline_attach can be called. A loader
 * whose executable exports `const struct HooklineHost* hookline_current_host(void)` (link it with
 * -rdynamic) gives its services to DllMain as well; it is called on the loading thread.
 *
 * The callbacks are called on the thread that runs the callout: the packet thread in a hook, any
 * thread of the callout's own otherwise, several at once. They must not block and must not call
 * back into the callout. The struct grows only at its end: `size` says how much of it the loader
 * knows, and a callout treats what lies beyond as NULL. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The severities are those of the event log: EVENTLOG_ERROR_TYPE and so on. */
#define HOOKLINE_LOG_ERROR 1u
#define HOOKLINE_LOG_WARNING 2u
#define HOOKLINE_LOG_INFORMATION 4u
#define HOOKLINE_LOG_DEBUG 0x100u /* OutputDebugString, and the reasons why a load failed */

struct HooklineHost {
  uint32_t size; /* sizeof(struct HooklineHost) as the loader knows it */
  uint32_t reserved;
  void* context; /* passed to each callback */

  /* One line of the callout: UTF-8, no line end, valid during the call. `source` is the name given
   * to RegisterEventSource, or the callout's file name. `event_id` is 0 without an event. */
  void (*log)(void* context, uint32_t severity, const char* source, uint32_t event_id,
              const char* text);

  /* One value of HKLM\System\CurrentControlSet\Services\DHCPServer\Parameters (`subkey` is "" for
   * the key itself, or a path below it, parts divided by a backslash). `value` is its name in
   * UTF-8, compared without regard to case; NULL asks whether the subkey exists. Data are the
   * registry's own bytes: strings in UTF-16LE with their NUL, numbers little-endian. *size is the
   * room in bytes on entry, the value's size on return. The result is 0; 234 (ERROR_MORE_DATA),
   * nothing written and *size set, when the room is too small or `data` is NULL; 2
   * (ERROR_FILE_NOT_FOUND). */
  uint32_t (*registry_query)(void* context, const char* subkey, const char* value, uint32_t* type,
                             void* data, uint32_t* size);

  /* The file that stands for a Windows path or a bare DLL name, in UTF-8. Returns the length of
   * the path written with its NUL into `out`, or 0: not mapped, or no room. */
  uint32_t (*map_path)(void* context, const char* windows_path, char* out, uint32_t out_size);
};

typedef uint32_t (*HooklineAttach)(const struct HooklineHost* host);
typedef const struct HooklineHost* (*HooklineCurrentHost)(void);

#define HOOKLINE_ATTACH_SYMBOL "hookline_attach"
#define HOOKLINE_CURRENT_HOST_SYMBOL "hookline_current_host"

#ifdef __cplusplus
}
#endif
