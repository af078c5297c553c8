/* The driver object, its parameters, and memory objects. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "wdf.h"

static struct DdkDriver* the_driver;
static UNICODE_STRING path;

struct DdkDriver* ddk_driver(void) {
  return __atomic_load_n(&the_driver, __ATOMIC_ACQUIRE);
}
WDFDRIVER WdfGetDriver(void) { return (WDFDRIVER)(void*)ddk_driver(); }

static void forget(struct DdkObject* object) {
  (void)object;
  __atomic_store_n(&the_driver, NULL, __ATOMIC_RELEASE);
}

NTSTATUS WdfDriverCreate(PDRIVER_OBJECT driver_object, PCUNICODE_STRING registry_path,
                         PWDF_OBJECT_ATTRIBUTES attributes, PWDF_DRIVER_CONFIG config,
                         WDFDRIVER* handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  if (driver_object != ddk_driver_object() || registry_path == NULL || config == NULL) {
    return STATUS_INVALID_PARAMETER;
  }
  if (config->Size != sizeof *config) {
    return STATUS_INFO_LENGTH_MISMATCH;
  }
  if (config->EvtDriverDeviceAdd != NULL ||
      (config->DriverInitFlags & WdfDriverInitNonPnpDriver) == 0) {
    ddk_log(HOOKLINE_DRIVER_LOG_ERROR,
            "WdfDriverCreate: a packet callout is a non-PnP driver: no EvtDriverDeviceAdd, and "
            "WdfDriverInitNonPnpDriver");
    return STATUS_NOT_SUPPORTED;
  }
  if (ddk_driver() != NULL) {
    ddk_breach(__func__, "called twice");
    return STATUS_INVALID_DEVICE_STATE;
  }
  struct DdkDriver* driver;
  NTSTATUS status = ddk_object_new(sizeof *driver, kDdkDriver, NULL, attributes, &driver);
  if (NT_SUCCESS(status)) {
    driver->config = *config;
    path = *registry_path;
    __atomic_store_n(&the_driver, driver, __ATOMIC_RELEASE);
    if (handle != NULL) {
      *handle = (WDFDRIVER)(void*)driver;
    }
  }
  return status;
}

PDRIVER_OBJECT WdfDriverWdmGetDriverObject(WDFDRIVER handle) {
  return ddk_object(__func__, handle, kDdkDriver) != NULL ? ddk_driver_object() : NULL;
}

PWSTR WdfDriverGetRegistryPath(WDFDRIVER handle) {
  return ddk_object(__func__, handle, kDdkDriver) != NULL ? path.Buffer : NULL;
}

void ddk_wdf_stop(int call_unload) {
  struct DdkDriver* driver = ddk_driver();
  DRIVER_OBJECT* object = ddk_driver_object();
  KIRQL old;
  ddk_call_begin(PASSIVE_LEVEL, &old);
  if (call_unload && driver != NULL && driver->config.EvtDriverUnload != NULL) {
    driver->config.EvtDriverUnload((WDFDRIVER)(void*)driver);
  } else if (call_unload && object->DriverUnload != NULL) {
    object->DriverUnload(object);
  }
  ddk_call_end("the unload routine", PASSIVE_LEVEL, old);
  if (driver != NULL) {
    ddk_object_delete(&driver->object);
    forget(NULL);
  }
}

/* --- parameters --- */

NTSTATUS WdfDriverOpenParametersRegistryKey(WDFDRIVER handle, ACCESS_MASK access,
                                            PWDF_OBJECT_ATTRIBUTES attributes, WDFKEY* key) {
  (void)access;
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct DdkDriver* driver = ddk_object(__func__, handle, kDdkDriver);
  return driver == NULL
             ? STATUS_INVALID_HANDLE
             : ddk_object_new(sizeof(struct DdkObject), kDdkKey, &driver->object, attributes, key);
}

void WdfRegistryClose(WDFKEY handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct DdkObject* key = ddk_object(__func__, handle, kDdkKey);
  if (key != NULL) {
    ddk_object_delete(key);
  }
}

enum { kMoreData = 234 };

/* The host's answer to a question about one value. */
static NTSTATUS query(const char* function, WDFKEY handle, PCUNICODE_STRING name, uint32_t* type,
                      void* data, uint32_t* size) {
  ddk_irql_at_most(function, PASSIVE_LEVEL);
  const struct HooklineDriverHost* host = ddk_host();
  if (ddk_object(function, handle, kDdkKey) == NULL) {
    return STATUS_INVALID_HANDLE;
  }
  if (!DDK_HOST_HAS(host, parameter_query)) {
    return STATUS_OBJECT_NAME_NOT_FOUND;
  }
  char* narrow = ddk_narrow(name);
  if (narrow == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  uint32_t error = host->parameter_query(host->context, narrow, type, data, size);
  free(narrow);
  return error == 0           ? STATUS_SUCCESS
         : error == kMoreData ? STATUS_BUFFER_OVERFLOW
                              : STATUS_OBJECT_NAME_NOT_FOUND;
}

NTSTATUS WdfRegistryQueryValue(WDFKEY key, PCUNICODE_STRING name, ULONG size, PVOID value,
                               PULONG bytes, PULONG type) {
  uint32_t found_type = REG_NONE;
  uint32_t found_size = size;
  NTSTATUS status = query(__func__, key, name, &found_type, value, &found_size);
  if (status == STATUS_SUCCESS || status == STATUS_BUFFER_OVERFLOW) {
    if (bytes != NULL) {
      *bytes = found_size;
    }
    if (type != NULL) {
      *type = found_type;
    }
  }
  return status;
}

NTSTATUS WdfRegistryQueryULong(WDFKEY key, PCUNICODE_STRING name, PULONG value) {
  uint32_t type = REG_NONE;
  ULONG number = 0;
  uint32_t size = sizeof number;
  NTSTATUS status = query(__func__, key, name, &type, &number, &size);
  if (status == STATUS_BUFFER_OVERFLOW ||
      (NT_SUCCESS(status) && (type != REG_DWORD || size != sizeof number))) {
    return STATUS_OBJECT_TYPE_MISMATCH;
  }
  if (NT_SUCCESS(status)) {
    *value = number;
  }
  return status;
}

NTSTATUS WdfRegistryQueryUnicodeString(WDFKEY key, PCUNICODE_STRING name, PUSHORT bytes,
                                       PUNICODE_STRING value) {
  uint32_t type = REG_NONE;
  uint32_t size = 0;
  NTSTATUS status = query(__func__, key, name, &type, NULL, &size);
  if (status != STATUS_BUFFER_OVERFLOW && !NT_SUCCESS(status)) {
    return status;
  }
  if (type != REG_SZ && type != REG_EXPAND_SZ) {
    return STATUS_OBJECT_TYPE_MISMATCH;
  }
  if (size > UNICODE_STRING_MAX_BYTES || size < sizeof(WCHAR)) {
    return STATUS_INVALID_BUFFER_SIZE;
  }
  if (bytes != NULL) {
    *bytes = (USHORT)size;
  }
  if (value == NULL) {
    return STATUS_SUCCESS;
  }
  if (value->MaximumLength < size) {
    return STATUS_BUFFER_OVERFLOW;
  }
  uint32_t room = value->MaximumLength;
  status = query(__func__, key, name, &type, value->Buffer, &room);
  if (NT_SUCCESS(status)) {
    value->Length = (USHORT)(room - sizeof(WCHAR));
  }
  return status;
}
