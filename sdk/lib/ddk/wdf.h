#pragma once

/* What the framework's files share: its objects. Every handle is a pointer to one; a table of the
 * living ones makes a stale handle a breach instead of a crash. */

#include <wdf.h>

#include "kernel.h"

enum DdkKind {
  kDdkAnyKind,
  kDdkGeneral,
  kDdkDriver,
  kDdkDevice,
  kDdkQueue,
  kDdkRequest,
  kDdkMemory,
  kDdkKey,
  kDdkWdfTimer,
  kDdkSpinLock,
  kDdkWaitLock,
  kDdkWorkItem
};

struct DdkObject {
  enum DdkKind kind;
  LONG references;
  int deleted; /* its children and its cleanup callback are done, or being done */
  struct DdkObject* parent;
  LIST_ENTRY children;
  LIST_ENTRY sibling;
  struct DdkObject* next; /* in the table of the living */
  /* What the kind needs done before the cleanup callback; without the lock. May be NULL. */
  void (*remove)(struct DdkObject* object);
  WDF_OBJECT_ATTRIBUTES attributes;
  void* context;
};

/* The new object, `size` bytes of zeros that begin with a DdkObject, in *object. Its parent is the
 * attributes' one, or else `parent`, which may be NULL for the driver only. */
NTSTATUS ddk_object_new(size_t size, enum DdkKind kind, struct DdkObject* parent,
                        PWDF_OBJECT_ATTRIBUTES attributes, void* object);
/* The object of a handle, or NULL and a breach. */
void* ddk_object(const char* function, WDFOBJECT handle, enum DdkKind kind);
void ddk_object_delete(struct DdkObject* object);

struct DdkDriver {
  struct DdkObject object;
  WDF_DRIVER_CONFIG config;
};
struct DdkDriver* ddk_driver(void); /* NULL before WdfDriverCreate */

struct DdkDevice {
  struct DdkObject object;
  DEVICE_OBJECT wdm;
  uint32_t number;
  int finished;
  struct DdkQueue* queue;
};

struct DdkQueue {
  struct DdkObject object;
  struct DdkDevice* device;
  WDF_IO_QUEUE_CONFIG config;
  uint64_t next_ticket;
  uint64_t serving;
  int gone; /* its device is being deleted */
};

/* Control requests: none new from then on, and those that wait are cancelled. Returns how many
 * calls are still in the driver's code. */
uint32_t ddk_control_stop(void);
