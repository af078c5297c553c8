/* The loader's start and end of a driver. */

#define _GNU_SOURCE
#include <hookline/driver_entry.h>
#include <pthread.h>
#include <stdlib.h>

#include "../text.h"
#include "wdf.h"

enum { kPathMax = 256 };

static DRIVER_OBJECT driver = {.Type = 4, .Size = sizeof(DRIVER_OBJECT)};
static WCHAR driver_name[kPathMax];
static WCHAR registry_path[kPathMax];
static int running;

DRIVER_OBJECT* ddk_driver_object(void) { return &driver; }

/* "prefix" and the driver's name as a counted string with a NUL. */
static UNICODE_STRING named(WCHAR* buffer, const WCHAR* prefix) {
  UNICODE_STRING text = {0, kPathMax * sizeof(WCHAR), buffer};
  const char* name = ddk_driver_name();
  ULONG bytes = 0;
  RtlAppendUnicodeToString(&text, prefix);
  RtlUTF8ToUnicodeN(buffer + text.Length / sizeof(WCHAR),
                    (ULONG)(text.MaximumLength - text.Length - sizeof(WCHAR)), &bytes, name,
                    (ULONG)strlen(name));
  text.Length = (USHORT)(text.Length + bytes);
  buffer[text.Length / sizeof(WCHAR)] = 0;
  return text;
}

/* What still runs the driver's code, after waiting for it a while. */
static uint32_t wait_for_threads(void) {
  return ddk_control_stop() + ddk_threads_stop() + ddk_work_stop();
}

DDK_EXPORT uint32_t hookline_driver_start(void) {
  driver.DriverName = named(driver_name, L"\\Driver\\");
  UNICODE_STRING path =
      named(registry_path, L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\");
  KIRQL old;
  ddk_call_begin(PASSIVE_LEVEL, &old);
  NTSTATUS status = DriverEntry(&driver, &path);
  ddk_call_end("DriverEntry", PASSIVE_LEVEL, old);
  running = NT_SUCCESS(status);
  return (uint32_t)status;
}

DDK_EXPORT uint32_t hookline_driver_unload(void) {
  static int called;
  if (called) {
    return wait_for_threads();
  }
  called = 1;
  if (running && driver.DriverUnload == NULL &&
      (ddk_driver() == NULL || ddk_driver()->config.EvtDriverUnload == NULL)) {
    ddk_log(HOOKLINE_DRIVER_LOG_WARNING, "the driver has no unload routine");
  }
  ddk_control_stop();
  ddk_wdf_stop(running);
  uint32_t stuck = wait_for_threads();
  ddk_timer_stop();
  ddk_work_report();
  ddk_lookaside_report();
  ddk_mdl_report();
  ddk_pool_report();
  return stuck;
}
