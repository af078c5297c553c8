/* The framework's objects: parents, contexts, references, deletion. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "wdf.h"

enum { kBuckets = 64 };
static struct DdkObject* living[kBuckets];

static struct DdkObject** bucket_of(const void* object) {
  return &living[((uintptr_t)object >> 5) * 0x9E3779B97F4A7C15u >> 58];
}

/* With the lock held. */
static struct DdkObject* find(const void* handle) {
  struct DdkObject* object = *bucket_of(handle);
  while (object != NULL && object != handle) {
    object = object->next;
  }
  return object;
}

static const char* kind_name(enum DdkKind kind) {
  static const char* const kNames[] = {"an object", "an object",   "a driver",    "a device",
                                       "a queue",   "a request",   "memory",      "a key",
                                       "a timer",   "a spin lock", "a wait lock", "a work item"};
  return kNames[kind];
}

void* ddk_object(const char* function, WDFOBJECT handle, enum DdkKind kind) {
  pthread_mutex_lock(&ddk_lock);
  struct DdkObject* object = find(handle);
  enum DdkKind found = object != NULL ? object->kind : kDdkAnyKind;
  pthread_mutex_unlock(&ddk_lock);
  if (object == NULL) {
    ddk_breach(function, "%p is no handle, or its object is gone", handle);
  } else if (kind != kDdkAnyKind && found != kind) {
    ddk_breach(function, "the handle is of %s, not of %s", kind_name(found), kind_name(kind));
    object = NULL;
  }
  return object;
}

static NTSTATUS make_context(struct DdkObject* object) {
  const WDF_OBJECT_ATTRIBUTES* attributes = &object->attributes;
  if (attributes->ContextTypeInfo == NULL) {
    return STATUS_SUCCESS;
  }
  SIZE_T size = attributes->ContextTypeInfo->ContextSize;
  if (attributes->ContextSizeOverride > size) {
    size = attributes->ContextSizeOverride;
  }
  /* Its object stands in front of it, for WdfObjectContextGetObject. */
  void** front = ddk_allocate(2 * sizeof(void*) + size);
  if (front == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  front[0] = object;
  object->context = front + 2;
  return STATUS_SUCCESS;
}

NTSTATUS ddk_object_new(size_t size, enum DdkKind kind, struct DdkObject* parent,
                        PWDF_OBJECT_ATTRIBUTES attributes, void* result) {
  if (attributes != NULL && attributes->Size != sizeof *attributes) {
    return STATUS_INFO_LENGTH_MISMATCH;
  }
  struct DdkObject* object = ddk_allocate(size);
  if (object == NULL) {
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  object->kind = kind;
  object->references = 1;
  InitializeListHead(&object->children);
  if (attributes != NULL) {
    object->attributes = *attributes;
  }
  if (!NT_SUCCESS(make_context(object))) {
    free(object);
    return STATUS_INSUFFICIENT_RESOURCES;
  }
  pthread_mutex_lock(&ddk_lock);
  if (attributes != NULL && attributes->ParentObject != NULL) {
    parent = find(attributes->ParentObject);
  }
  int good = kind == kDdkDriver || (parent != NULL && !parent->deleted);
  if (good) {
    object->parent = parent;
    if (parent != NULL) {
      InsertTailList(&parent->children, &object->sibling);
    }
    object->next = *bucket_of(object);
    *bucket_of(object) = object;
  }
  pthread_mutex_unlock(&ddk_lock);
  if (!good) {
    free(object->context != NULL ? (void**)object->context - 2 : NULL);
    free(object);
    return STATUS_INVALID_PARAMETER;
  }
  *(void**)result = object;
  return STATUS_SUCCESS;
}

static void release(struct DdkObject* object) {
  pthread_mutex_lock(&ddk_lock);
  int last = --object->references == 0;
  if (last) {
    struct DdkObject** link = bucket_of(object);
    while (*link != object) {
      link = &(*link)->next;
    }
    *link = object->next;
  }
  pthread_mutex_unlock(&ddk_lock);
  if (last) {
    if (object->attributes.EvtDestroyCallback != NULL) {
      object->attributes.EvtDestroyCallback(object);
    }
    free(object->context != NULL ? (void**)object->context - 2 : NULL);
    free(object);
  }
}

static struct DdkObject* last_child(struct DdkObject* object) {
  pthread_mutex_lock(&ddk_lock);
  struct DdkObject* child = NULL;
  for (PLIST_ENTRY at = object->children.Blink; at != &object->children; at = at->Blink) {
    struct DdkObject* candidate = CONTAINING_RECORD(at, struct DdkObject, sibling);
    if (!candidate->deleted) {
      child = candidate;
      break;
    }
  }
  pthread_mutex_unlock(&ddk_lock);
  return child;
}

/* Depth first. Objects are few and their trees three or four deep. */
void ddk_object_delete(struct DdkObject* object) {
  pthread_mutex_lock(&ddk_lock);
  int again = object->deleted;
  object->deleted = 1;
  pthread_mutex_unlock(&ddk_lock);
  if (again) {
    return;
  }
  if (object->remove != NULL) {
    object->remove(object);
  }
  for (struct DdkObject* child; (child = last_child(object)) != NULL;) {
    ddk_object_delete(child);
  }
  if (object->attributes.EvtCleanupCallback != NULL) {
    object->attributes.EvtCleanupCallback(object);
  }
  pthread_mutex_lock(&ddk_lock);
  if (object->parent != NULL) {
    RemoveEntryList(&object->sibling);
  }
  for (PLIST_ENTRY at = object->children.Flink; at != &object->children;) {
    struct DdkObject* orphan = CONTAINING_RECORD(at, struct DdkObject, sibling);
    at = at->Flink;
    RemoveEntryList(&orphan->sibling); /* being deleted by another thread */
    orphan->parent = NULL;
  }
  pthread_mutex_unlock(&ddk_lock);
  release(object);
}

PVOID WdfObjectGetTypedContextWorker(WDFOBJECT handle, PCWDF_OBJECT_CONTEXT_TYPE_INFO type) {
  struct DdkObject* object = ddk_object("WdfObjectGetTypedContext", handle, kDdkAnyKind);
  return object != NULL && object->attributes.ContextTypeInfo == type ? object->context : NULL;
}

WDFOBJECT WdfObjectContextGetObject(PVOID context) {
  return context != NULL ? ((void**)context)[-2] : NULL;
}

NTSTATUS WdfObjectCreate(PWDF_OBJECT_ATTRIBUTES attributes, WDFOBJECT* handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct DdkDriver* driver = ddk_driver();
  return ddk_object_new(sizeof(struct DdkObject), kDdkGeneral,
                        driver != NULL ? &driver->object : NULL, attributes, handle);
}

void WdfObjectDelete(WDFOBJECT handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  struct DdkObject* object = ddk_object(__func__, handle, kDdkAnyKind);
  if (object == NULL) {
    return;
  }
  if (object->kind == kDdkDriver || object->kind == kDdkQueue || object->kind == kDdkRequest) {
    ddk_breach(__func__, "%s is deleted by the framework only", kind_name(object->kind));
    return;
  }
  ddk_object_delete(object);
}

void WdfObjectReference(WDFOBJECT handle) {
  struct DdkObject* object = ddk_object(__func__, handle, kDdkAnyKind);
  if (object != NULL) {
    pthread_mutex_lock(&ddk_lock);
    ++object->references;
    pthread_mutex_unlock(&ddk_lock);
  }
}

void WdfObjectDereference(WDFOBJECT handle) {
  struct DdkObject* object = ddk_object(__func__, handle, kDdkAnyKind);
  if (object == NULL) {
    return;
  }
  pthread_mutex_lock(&ddk_lock);
  int none_left = object->references == 1 && !object->deleted;
  pthread_mutex_unlock(&ddk_lock);
  if (none_left) {
    ddk_breach(__func__, "more often than WdfObjectReference");
    return;
  }
  release(object);
}
