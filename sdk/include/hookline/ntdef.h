#pragma once

/* The kernel's elementary types: strings with a length, lists, object attributes, interrupt levels.
 * Types, and functions that are wholly inline; no words that ordinary C or C++ code could mean
 * otherwise, so the server includes this file too. Compiles as C11 and C++11 and later. */

#include <hookline/ntstatus.h>
#include <hookline/wintypes.h>

typedef NTSTATUS* PNTSTATUS;
typedef short CSHORT;
typedef CHAR CCHAR;
typedef ULONG CLONG;
typedef ULONG LOGICAL;
typedef UCHAR KIRQL;
typedef KIRQL* PKIRQL;
typedef CCHAR KPROCESSOR_MODE;
typedef ULONG ACCESS_MASK;
typedef ACCESS_MASK* PACCESS_MASK;
typedef ULONG DEVICE_TYPE;
typedef LONG KPRIORITY;
typedef ULONG_PTR KAFFINITY;

typedef LARGE_INTEGER PHYSICAL_ADDRESS;
typedef PHYSICAL_ADDRESS* PPHYSICAL_ADDRESS;
typedef void* PSECURITY_DESCRIPTOR;

/* Lengths are in bytes and do not count a closing NUL, which need not be there. */
typedef struct _UNICODE_STRING {
  USHORT Length;
  USHORT MaximumLength;
  PWCH Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
typedef const UNICODE_STRING* PCUNICODE_STRING;

typedef struct _STRING {
  USHORT Length;
  USHORT MaximumLength;
  PCHAR Buffer;
} STRING, *PSTRING, ANSI_STRING, *PANSI_STRING, OEM_STRING, *POEM_STRING;
typedef const STRING *PCSTRING, *PCANSI_STRING;

#if defined(__GNUC__)
#define HOOKLINE_UNUSED __attribute__((unused))
#else
#define HOOKLINE_UNUSED
#endif

#define UNICODE_NULL ((WCHAR)0)
#define ANSI_NULL ((CHAR)0)
#define UNICODE_STRING_MAX_BYTES ((USHORT)65534)
#define UNICODE_STRING_MAX_CHARS (32767)

#define RTL_CONSTANT_STRING(text) \
  { sizeof(text) - sizeof((text)[0]), sizeof(text), (void*)(text) }
#define DECLARE_CONST_UNICODE_STRING(name, text)                                             \
  static const WCHAR name##_buffer[] = text;                                                 \
  HOOKLINE_UNUSED static const UNICODE_STRING name = {sizeof(name##_buffer) - sizeof(WCHAR), \
                                                      sizeof(name##_buffer), (PWCH)name##_buffer}
#define DECLARE_UNICODE_STRING_SIZE(name, characters) \
  WCHAR name##_buffer[characters];                    \
  UNICODE_STRING name = {0, (characters) * sizeof(WCHAR), name##_buffer}
#define DECLARE_GLOBAL_CONST_UNICODE_STRING(name, text) DECLARE_CONST_UNICODE_STRING(name, text)

typedef struct _OBJECT_ATTRIBUTES {
  ULONG Length;
  HANDLE RootDirectory;
  PUNICODE_STRING ObjectName;
  ULONG Attributes;
  PVOID SecurityDescriptor;
  PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;

#define OBJ_INHERIT 0x00000002
#define OBJ_CASE_INSENSITIVE 0x00000040
#define OBJ_KERNEL_HANDLE 0x00000200
#define InitializeObjectAttributes(attributes, name, flags, root, security) \
  do {                                                                      \
    (attributes)->Length = sizeof(OBJECT_ATTRIBUTES);                       \
    (attributes)->RootDirectory = (root);                                   \
    (attributes)->Attributes = (flags);                                     \
    (attributes)->ObjectName = (name);                                      \
    (attributes)->SecurityDescriptor = (security);                          \
    (attributes)->SecurityQualityOfService = NULL;                          \
  } while (0)

typedef struct _SINGLE_LIST_ENTRY {
  struct _SINGLE_LIST_ENTRY* Next;
} SINGLE_LIST_ENTRY, *PSINGLE_LIST_ENTRY;

typedef struct _CLIENT_ID {
  HANDLE UniqueProcess;
  HANDLE UniqueThread;
} CLIENT_ID, *PCLIENT_ID;

typedef struct _IO_STATUS_BLOCK {
  HOOKLINE_ANONYMOUS union {
    NTSTATUS Status;
    PVOID Pointer;
  };
  ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

#define PASSIVE_LEVEL 0
#define LOW_LEVEL 0
#define APC_LEVEL 1
#define DISPATCH_LEVEL 2
#define HIGH_LEVEL 15

#ifndef FIELD_OFFSET
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))
#endif
#ifndef CONTAINING_RECORD
#define CONTAINING_RECORD(address, type, field) ((type*)((char*)(address)-offsetof(type, field)))
#endif

/* Doubly linked lists: a head that is an entry itself. Not synchronized. */
static inline void InitializeListHead(PLIST_ENTRY head) { head->Flink = head->Blink = head; }

static inline BOOLEAN IsListEmpty(const LIST_ENTRY* head) { return head->Flink == head; }

static inline BOOLEAN RemoveEntryList(PLIST_ENTRY entry) {
  PLIST_ENTRY next = entry->Flink;
  PLIST_ENTRY previous = entry->Blink;
  previous->Flink = next;
  next->Blink = previous;
  return next == previous;
}

/* The head itself when the list is empty, as on Windows. */
static inline PLIST_ENTRY RemoveHeadList(PLIST_ENTRY head) {
  PLIST_ENTRY entry = head->Flink;
  RemoveEntryList(entry);
  return entry;
}

static inline PLIST_ENTRY RemoveTailList(PLIST_ENTRY head) {
  PLIST_ENTRY entry = head->Blink;
  RemoveEntryList(entry);
  return entry;
}

static inline void InsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry) {
  PLIST_ENTRY last = head->Blink;
  entry->Flink = head;
  entry->Blink = last;
  last->Flink = entry;
  head->Blink = entry;
}

static inline void InsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry) {
  PLIST_ENTRY first = head->Flink;
  entry->Flink = first;
  entry->Blink = head;
  first->Blink = entry;
  head->Flink = entry;
}

/* Puts the entries of a list whose head is `list` (and stays linked in) behind those of `head`. */
static inline void AppendTailList(PLIST_ENTRY head, PLIST_ENTRY list) {
  PLIST_ENTRY last = head->Blink;
  head->Blink->Flink = list;
  head->Blink = list->Blink;
  list->Blink->Flink = head;
  list->Blink = last;
}

static inline void PushEntryList(PSINGLE_LIST_ENTRY head, PSINGLE_LIST_ENTRY entry) {
  entry->Next = head->Next;
  head->Next = entry;
}

static inline PSINGLE_LIST_ENTRY PopEntryList(PSINGLE_LIST_ENTRY head) {
  PSINGLE_LIST_ENTRY first = head->Next;
  if (first != NULL) {
    head->Next = first->Next;
  }
  return first;
}

HOOKLINE_STATIC_ASSERT(sizeof(UNICODE_STRING) == 16, "UNICODE_STRING");
HOOKLINE_STATIC_ASSERT(sizeof(OBJECT_ATTRIBUTES) == 48, "OBJECT_ATTRIBUTES");
