/* Control devices and their queues. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "wdf.h"

struct WDFDEVICE_INIT {
  struct DdkDriver* driver;
  char* name; /* UTF-8, or NULL */
  DEVICE_TYPE type;
  ULONG characteristics;
};

static uint32_t next_number;

PWDFDEVICE_INIT WdfControlDeviceInitAllocate(WDFDRIVER handle, PCUNICODE_STRING sddl) {
  (void)sddl;
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct DdkDriver* driver = ddk_object(__func__, handle, kDdkDriver);
  PWDFDEVICE_INIT init = driver != NULL ? ddk_allocate(sizeof *init) : NULL;
  if (init != NULL) {
    init->driver = driver;
    init->type = FILE_DEVICE_UNKNOWN;
  }
  return init;
}

void WdfDeviceInitFree(PWDFDEVICE_INIT init) {
  if (init != NULL) {
    free(init->name);
    free(init);
  }
}

NTSTATUS WdfDeviceInitAssignName(PWDFDEVICE_INIT init, PCUNICODE_STRING name) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  char* narrow = name != NULL ? ddk_narrow(name) : NULL;
  if (name != NULL && narrow == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  free(init->name);
  init->name = narrow;
  return STATUS_SUCCESS;
}

NTSTATUS WdfDeviceInitAssignSDDLString(PWDFDEVICE_INIT init, PCUNICODE_STRING sddl) {
  (void)init, (void)sddl;
  return STATUS_SUCCESS;
}

void WdfDeviceInitSetCharacteristics(PWDFDEVICE_INIT init, ULONG characteristics, BOOLEAN or_in) {
  init->characteristics = (or_in ? init->characteristics : 0) | characteristics;
}

void WdfDeviceInitSetDeviceClass(PWDFDEVICE_INIT init, const GUID* device_class) {
  (void)init, (void)device_class;
}

void WdfDeviceInitSetDeviceType(PWDFDEVICE_INIT init, DEVICE_TYPE type) { init->type = type; }

void WdfDeviceInitSetExclusive(PWDFDEVICE_INIT init, BOOLEAN exclusive) {
  (void)init, (void)exclusive;
}

void WdfDeviceInitSetIoType(PWDFDEVICE_INIT init, WDF_DEVICE_IO_TYPE type) {
  (void)init, (void)type;
}

static void remove_device(struct DdkObject* object) {
  struct DdkDevice* device = (struct DdkDevice*)object;
  DRIVER_OBJECT* driver = ddk_driver_object();
  pthread_mutex_lock(&ddk_lock);
  device->finished = 0;
  if (device->queue != NULL) {
    device->queue->gone = 1;
    pthread_cond_broadcast(&ddk_changed);
  }
  for (PDEVICE_OBJECT* link = &driver->DeviceObject; *link != NULL; link = &(*link)->NextDevice) {
    if (*link == &device->wdm) {
      *link = device->wdm.NextDevice;
      break;
    }
  }
  pthread_mutex_unlock(&ddk_lock);
  const struct HooklineDriverHost* host = ddk_host();
  if (DDK_HOST_HAS(host, device_removed)) {
    host->device_removed(host->context, device->number);
  }
}

static NTSTATUS announce(struct DdkDevice* device, const char* name) {
  const struct HooklineDriverHost* host = ddk_host();
  return DDK_HOST_HAS(host, device_created)
             ? (NTSTATUS)host->device_created(host->context, device->number, name)
             : STATUS_SUCCESS;
}

NTSTATUS WdfDeviceCreate(PWDFDEVICE_INIT* init, PWDF_OBJECT_ATTRIBUTES attributes,
                         WDFDEVICE* handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  PWDFDEVICE_INIT from = *init;
  struct DdkDevice* device;
  NTSTATUS status =
      ddk_object_new(sizeof *device, kDdkDevice, &from->driver->object, attributes, &device);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  DRIVER_OBJECT* driver = ddk_driver_object();
  device->wdm = (DEVICE_OBJECT){.Type = 3,
                                .Size = sizeof(DEVICE_OBJECT),
                                .ReferenceCount = 1,
                                .DriverObject = driver,
                                .Characteristics = from->characteristics,
                                .DeviceType = from->type};
  pthread_mutex_lock(&ddk_lock);
  device->number = next_number++;
  device->wdm.NextDevice = driver->DeviceObject;
  driver->DeviceObject = &device->wdm;
  pthread_mutex_unlock(&ddk_lock);
  status = announce(device, from->name != NULL ? from->name : "");
  device->object.remove = remove_device;
  if (!NT_SUCCESS(status)) {
    ddk_object_delete(&device->object);
    return status;
  }
  WdfDeviceInitFree(from);
  *init = NULL;
  *handle = (WDFDEVICE)(void*)device;
  return STATUS_SUCCESS;
}

NTSTATUS WdfDeviceCreateSymbolicLink(WDFDEVICE handle, PCUNICODE_STRING name) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct DdkDevice* device = ddk_object(__func__, handle, kDdkDevice);
  char* narrow = device != NULL ? ddk_narrow(name) : NULL;
  NTSTATUS status = device == NULL   ? STATUS_INVALID_HANDLE
                    : narrow == NULL ? STATUS_INSUFFICIENT_RESOURCES
                                     : announce(device, narrow);
  free(narrow);
  return status;
}

void WdfControlFinishInitializing(WDFDEVICE handle) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  struct DdkDevice* device = ddk_object(__func__, handle, kDdkDevice);
  if (device != NULL) {
    pthread_mutex_lock(&ddk_lock);
    device->finished = 1;
    pthread_mutex_unlock(&ddk_lock);
  }
}

PDEVICE_OBJECT WdfDeviceWdmGetDeviceObject(WDFDEVICE handle) {
  struct DdkDevice* device = ddk_object(__func__, handle, kDdkDevice);
  return device != NULL ? &device->wdm : NULL;
}

WDFDEVICE WdfWdmDeviceGetWdfDeviceHandle(PDEVICE_OBJECT wdm) {
  return (WDFDEVICE)(void*)CONTAINING_RECORD(wdm, struct DdkDevice, wdm);
}

WDFDRIVER WdfDeviceGetDriver(WDFDEVICE handle) {
  return ddk_object(__func__, handle, kDdkDevice) != NULL ? WdfGetDriver() : NULL;
}

WDFQUEUE WdfDeviceGetDefaultQueue(WDFDEVICE handle) {
  struct DdkDevice* device = ddk_object(__func__, handle, kDdkDevice);
  return device != NULL ? (WDFQUEUE)(void*)device->queue : NULL;
}

NTSTATUS WdfIoQueueCreate(WDFDEVICE handle, PWDF_IO_QUEUE_CONFIG config,
                          PWDF_OBJECT_ATTRIBUTES attributes, WDFQUEUE* result) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct DdkDevice* device = ddk_object(__func__, handle, kDdkDevice);
  if (device == NULL) {
    return STATUS_INVALID_HANDLE;
  }
  if (config->Size != sizeof *config) {
    return STATUS_INFO_LENGTH_MISMATCH;
  }
  if (config->EvtIoDeviceControl == NULL || config->DispatchType == WdfIoQueueDispatchInvalid) {
    return STATUS_INVALID_PARAMETER;
  }
  if (!config->DefaultQueue || device->queue != NULL) {
    return STATUS_NOT_SUPPORTED;
  }
  struct DdkQueue* queue;
  NTSTATUS status = ddk_object_new(sizeof *queue, kDdkQueue, &device->object, attributes, &queue);
  if (NT_SUCCESS(status)) {
    queue->device = device;
    queue->config = *config;
    pthread_mutex_lock(&ddk_lock);
    device->queue = queue;
    pthread_mutex_unlock(&ddk_lock);
    if (result != NULL) {
      *result = (WDFQUEUE)(void*)queue;
    }
  }
  return status;
}

WDFDEVICE WdfIoQueueGetDevice(WDFQUEUE handle) {
  struct DdkQueue* queue = ddk_object(__func__, handle, kDdkQueue);
  return queue != NULL ? (WDFDEVICE)(void*)queue->device : NULL;
}
