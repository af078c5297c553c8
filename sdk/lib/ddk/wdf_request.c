/* Requests to control devices, and memory objects. A request runs on the thread of the host that
 * asked, and that thread waits until the driver completes it. */

#define _GNU_SOURCE
#include <hookline/driver_entry.h>
#include <pthread.h>
#include <stdlib.h>

#include "wdf.h"

enum { kUnloadWaitMs = 5000 };

struct Memory {
  struct DdkObject object;
  char* bytes;
  size_t size;
  int owned;
};

struct Request {
  struct DdkObject object;
  struct DdkQueue* queue;
  ULONG code;
  char* buffer; /* input, then output; one for both with METHOD_BUFFERED */
  char* output;
  size_t input_bytes;
  size_t output_bytes;
  struct Memory* input_memory;
  struct Memory* output_memory;
  ULONG_PTR information;
  NTSTATUS status;
  int completed;
  int abandoned; /* its caller went away: whoever completes it deletes it */
};

static int closing;
static uint32_t in_driver; /* calls of EvtIoDeviceControl that have not returned */
static uint32_t callers;   /* threads inside hookline_driver_control() */

/* --- memory --- */

static void remove_memory(struct DdkObject* object) {
  struct Memory* memory = (struct Memory*)object;
  if (memory->owned) {
    ExFreePool(memory->bytes);
  }
}

NTSTATUS WdfMemoryCreate(PWDF_OBJECT_ATTRIBUTES attributes, POOL_TYPE type, ULONG tag, size_t size,
                         WDFMEMORY* handle, PVOID* buffer) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct DdkDriver* driver = ddk_driver();
  if (size == 0) {
    return STATUS_INVALID_PARAMETER;
  }
  if (tag == 0) {
    tag =
        driver != NULL && driver->config.DriverPoolTag != 0 ? driver->config.DriverPoolTag : 'vrDF';
  }
  void* bytes = ExAllocatePoolWithTag(type, size, tag);
  struct Memory* memory;
  NTSTATUS status =
      bytes == NULL ? STATUS_INSUFFICIENT_RESOURCES
                    : ddk_object_new(sizeof *memory, kDdkMemory,
                                     driver != NULL ? &driver->object : NULL, attributes, &memory);
  if (!NT_SUCCESS(status)) {
    if (bytes != NULL) {
      ExFreePool(bytes);
    }
    return status;
  }
  memory->bytes = bytes;
  memory->size = size;
  memory->owned = 1;
  memory->object.remove = remove_memory;
  *handle = (WDFMEMORY)(void*)memory;
  if (buffer != NULL) {
    *buffer = bytes;
  }
  return STATUS_SUCCESS;
}

PVOID WdfMemoryGetBuffer(WDFMEMORY handle, size_t* size) {
  struct Memory* memory = ddk_object(__func__, handle, kDdkMemory);
  if (size != NULL) {
    *size = memory != NULL ? memory->size : 0;
  }
  return memory != NULL ? memory->bytes : NULL;
}

static NTSTATUS in_memory(const char* function, WDFMEMORY handle, size_t offset, size_t bytes,
                          char** at) {
  struct Memory* memory = ddk_object(function, handle, kDdkMemory);
  if (memory == NULL) {
    return STATUS_INVALID_HANDLE;
  }
  *at = memory->bytes + offset;
  return offset > memory->size || bytes > memory->size - offset ? STATUS_BUFFER_TOO_SMALL
                                                                : STATUS_SUCCESS;
}

NTSTATUS WdfMemoryCopyToBuffer(WDFMEMORY source, size_t offset, PVOID target, size_t bytes) {
  char* at;
  NTSTATUS status = in_memory(__func__, source, offset, bytes, &at);
  if (NT_SUCCESS(status)) {
    memcpy(target, at, bytes);
  }
  return status;
}

NTSTATUS WdfMemoryCopyFromBuffer(WDFMEMORY target, size_t offset, PVOID source, size_t bytes) {
  char* at;
  NTSTATUS status = in_memory(__func__, target, offset, bytes, &at);
  if (NT_SUCCESS(status)) {
    memcpy(at, source, bytes);
  }
  return status;
}

/* --- requests --- */

static struct Request* request_of(const char* function, WDFREQUEST handle) {
  return ddk_object(function, handle, kDdkRequest);
}

/* A request's own buffer, and the memory object for it, made when first asked for. */
static NTSTATUS retrieve(const char* function, WDFREQUEST handle, int output, size_t at_least,
                         struct Memory** memory, char** bytes, size_t* size) {
  struct Request* request = request_of(function, handle);
  if (request == NULL) {
    return STATUS_INVALID_HANDLE;
  }
  if (METHOD_FROM_CTL_CODE(request->code) == METHOD_NEITHER) {
    return STATUS_INVALID_DEVICE_REQUEST;
  }
  *bytes = output ? request->output : request->buffer;
  *size = output ? request->output_bytes : request->input_bytes;
  if (*size == 0 || *size < at_least) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  if (memory == NULL) {
    return STATUS_SUCCESS;
  }
  struct Memory** kept = output ? &request->output_memory : &request->input_memory;
  if (*kept == NULL) {
    NTSTATUS status =
        ddk_object_new(sizeof **kept, kDdkMemory, &request->object, WDF_NO_OBJECT_ATTRIBUTES, kept);
    if (!NT_SUCCESS(status)) {
      return status;
    }
    (*kept)->bytes = *bytes;
    (*kept)->size = *size;
  }
  *memory = *kept;
  return STATUS_SUCCESS;
}

static NTSTATUS retrieve_memory(const char* function, WDFREQUEST handle, int output,
                                WDFMEMORY* result) {
  struct Memory* memory = NULL;
  char* bytes;
  size_t size;
  NTSTATUS status = retrieve(function, handle, output, 0, &memory, &bytes, &size);
  if (NT_SUCCESS(status)) {
    *result = (WDFMEMORY)(void*)memory;
  }
  return status;
}

NTSTATUS WdfRequestRetrieveInputMemory(WDFREQUEST request, WDFMEMORY* memory) {
  return retrieve_memory(__func__, request, 0, memory);
}

NTSTATUS WdfRequestRetrieveOutputMemory(WDFREQUEST request, WDFMEMORY* memory) {
  return retrieve_memory(__func__, request, 1, memory);
}

static NTSTATUS retrieve_buffer(const char* function, WDFREQUEST handle, int output,
                                size_t at_least, PVOID* buffer, size_t* result_size) {
  char* bytes;
  size_t size;
  NTSTATUS status = retrieve(function, handle, output, at_least, NULL, &bytes, &size);
  if (NT_SUCCESS(status)) {
    *buffer = bytes;
    if (result_size != NULL) {
      *result_size = size;
    }
  }
  return status;
}

NTSTATUS WdfRequestRetrieveInputBuffer(WDFREQUEST request, size_t at_least, PVOID* buffer,
                                       size_t* bytes) {
  return retrieve_buffer(__func__, request, 0, at_least, buffer, bytes);
}

NTSTATUS WdfRequestRetrieveOutputBuffer(WDFREQUEST request, size_t at_least, PVOID* buffer,
                                        size_t* bytes) {
  return retrieve_buffer(__func__, request, 1, at_least, buffer, bytes);
}

void WdfRequestSetInformation(WDFREQUEST handle, ULONG_PTR information) {
  struct Request* request = request_of(__func__, handle);
  if (request != NULL) {
    request->information = information;
  }
}

ULONG_PTR WdfRequestGetInformation(WDFREQUEST handle) {
  struct Request* request = request_of(__func__, handle);
  return request != NULL ? request->information : 0;
}

WDFQUEUE WdfRequestGetIoQueue(WDFREQUEST handle) {
  struct Request* request = request_of(__func__, handle);
  return request != NULL ? (WDFQUEUE)(void*)request->queue : NULL;
}

void WdfRequestComplete(WDFREQUEST handle, NTSTATUS status) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct Request* request = request_of(__func__, handle);
  if (request == NULL) {
    return;
  }
  if (request->information > request->output_bytes && NT_SUCCESS(status)) {
    ddk_breach(__func__, "%llu bytes of information, where the output buffer has %zu",
               request->information, request->output_bytes);
    request->information = request->output_bytes;
  }
  pthread_mutex_lock(&ddk_lock);
  int twice = request->completed;
  int abandoned = request->abandoned;
  if (!twice) {
    request->completed = 1;
    request->status = status;
    ++request->queue->serving;
    pthread_cond_broadcast(&ddk_changed);
  }
  pthread_mutex_unlock(&ddk_lock);
  if (twice) {
    ddk_breach(__func__, "the request was completed already");
  } else if (abandoned) {
    ddk_object_delete(&request->object);
  }
}

void WdfRequestCompleteWithInformation(WDFREQUEST request, NTSTATUS status, ULONG_PTR information) {
  WdfRequestSetInformation(request, information);
  WdfRequestComplete(request, status);
}

static void remove_request(struct DdkObject* object) {
  struct Request* request = (struct Request*)object;
  if (!request->completed) {
    ddk_breach("WdfRequestComplete", "a request (code 0x%08X) was never completed", request->code);
  }
  if (request->output != request->buffer) {
    free(request->output);
  }
  free(request->buffer);
  request->buffer = request->output = NULL;
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

static NTSTATUS make_request(struct DdkQueue* queue, uint32_t code, const void* in, size_t in_bytes,
                             size_t out_bytes, struct Request** result) {
  struct Request* request;
  NTSTATUS status = ddk_object_new(sizeof *request, kDdkRequest, &queue->object,
                                   WDF_NO_OBJECT_ATTRIBUTES, &request);
  if (!NT_SUCCESS(status)) {
    return status;
  }
  int buffered = METHOD_FROM_CTL_CODE(code) == METHOD_BUFFERED;
  request->queue = queue;
  request->code = code;
  request->input_bytes = in_bytes;
  request->output_bytes = out_bytes;
  request->buffer = calloc(1, larger(1, buffered ? larger(in_bytes, out_bytes) : in_bytes));
  request->output = buffered ? request->buffer : calloc(1, larger(1, out_bytes));
  if (request->buffer == NULL || request->output == NULL) {
    request->completed = 1;
    request->object.remove = remove_request;
    ddk_object_delete(&request->object);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  if (in_bytes != 0) {
    memcpy(request->buffer, in, in_bytes);
  }
  request->object.remove = remove_request;
  *result = request;
  return STATUS_SUCCESS;
}

/* With the lock held: the queue of a device that takes requests, referenced. */
static NTSTATUS find_queue(uint32_t number, struct DdkQueue** queue) {
  DRIVER_OBJECT* driver = ddk_driver_object();
  for (PDEVICE_OBJECT at = driver->DeviceObject; at != NULL && !closing; at = at->NextDevice) {
    struct DdkDevice* device = CONTAINING_RECORD(at, struct DdkDevice, wdm);
    if (device->number == number) {
      *queue = device->queue;
      if (!device->finished || device->queue == NULL) {
        return STATUS_DEVICE_NOT_READY;
      }
      ++device->queue->object.references;
      return STATUS_SUCCESS;
    }
  }
  return closing ? STATUS_CANCELLED : STATUS_NO_SUCH_DEVICE;
}

/* With the lock held. 0 when the driver is being unloaded meanwhile. */
static int wait_for_turn(struct DdkQueue* queue) {
  uint64_t ticket = queue->next_ticket++;
  int sequential = queue->config.DispatchType == WdfIoQueueDispatchSequential;
  while (sequential && queue->serving != ticket && !closing && !queue->gone) {
    ddk_wait_change(DDK_FOREVER);
  }
  return !closing && !queue->gone;
}

/* With the lock held, which it releases meanwhile. */
static NTSTATUS run_request(struct DdkQueue* queue, struct Request* request, void* out,
                            size_t* out_bytes) {
  ++in_driver;
  pthread_mutex_unlock(&ddk_lock);
  KIRQL old;
  ddk_call_begin(PASSIVE_LEVEL, &old);
  queue->config.EvtIoDeviceControl((WDFQUEUE)(void*)queue, (WDFREQUEST)(void*)request,
                                   request->output_bytes, request->input_bytes, request->code);
  ddk_call_end("EvtIoDeviceControl", PASSIVE_LEVEL, old);
  pthread_mutex_lock(&ddk_lock);
  --in_driver;
  pthread_cond_broadcast(&ddk_changed);
  while (!request->completed && !closing && !queue->gone) {
    ddk_wait_change(DDK_FOREVER);
  }
  if (!request->completed || request->object.deleted) {
    request->abandoned = 1;
    return STATUS_CANCELLED;
  }
  NTSTATUS status = request->status;
  if (!NT_ERROR(status) && request->information != 0) {
    *out_bytes = (size_t)request->information;
    memcpy(out, request->output, *out_bytes);
  }
  pthread_mutex_unlock(&ddk_lock);
  ddk_object_delete(&request->object);
  pthread_mutex_lock(&ddk_lock);
  return status;
}

DDK_EXPORT uint32_t hookline_driver_control(uint32_t number, uint32_t code, const void* in,
                                            size_t in_bytes, void* out, size_t* out_bytes) {
  struct DdkQueue* queue = NULL;
  struct Request* request = NULL;
  size_t room = *out_bytes;
  *out_bytes = 0;
  pthread_mutex_lock(&ddk_lock);
  NTSTATUS status = find_queue(number, &queue);
  callers += NT_SUCCESS(status);
  pthread_mutex_unlock(&ddk_lock);
  if (!NT_SUCCESS(status)) {
    return (uint32_t)status;
  }
  status = make_request(queue, code, in, in_bytes, room, &request);
  pthread_mutex_lock(&ddk_lock);
  if (NT_SUCCESS(status)) {
    ++request->object.references;
  }
  if (NT_SUCCESS(status) && wait_for_turn(queue)) {
    status = run_request(queue, request, out, out_bytes);
  } else if (NT_SUCCESS(status)) {
    request->completed = 1;
    pthread_mutex_unlock(&ddk_lock);
    ddk_object_delete(&request->object);
    pthread_mutex_lock(&ddk_lock);
    status = STATUS_CANCELLED;
  }
  pthread_mutex_unlock(&ddk_lock);
  if (request != NULL) {
    WdfObjectDereference(request);
  }
  WdfObjectDereference(queue);
  pthread_mutex_lock(&ddk_lock);
  --callers;
  pthread_cond_broadcast(&ddk_changed);
  pthread_mutex_unlock(&ddk_lock);
  return (uint32_t)status;
}

uint32_t ddk_control_stop(void) {
  pthread_mutex_lock(&ddk_lock);
  closing = 1;
  pthread_cond_broadcast(&ddk_changed);
  while (callers != 0 && ddk_wait_change_real_ms(kUnloadWaitMs)) {
  }
  uint32_t stuck = in_driver;
  pthread_mutex_unlock(&ddk_lock);
  if (stuck != 0) {
    ddk_breach("EvtIoDeviceControl", "%u call%s not returned at unload", stuck,
               stuck == 1 ? " has" : "s have");
  }
  return stuck;
}
