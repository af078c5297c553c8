/* Lookaside lists. A checked build gives every block back to the pool at once, so that a use after
 * the free, or a second one, is found; otherwise some are kept for the next caller. */

#define _GNU_SOURCE
#include <stdlib.h>

#include "kernel.h"

enum { kKeptMax = 256 };
#define MAGIC 0x4c4f4f4b41534944ull

static PVOID allocate_default(POOL_TYPE type, SIZE_T bytes, ULONG tag, PLOOKASIDE_LIST_EX list) {
  (void)list;
  return ExAllocatePoolWithTag(type, bytes, tag);
}

static void release_default(PVOID block, PLOOKASIDE_LIST_EX list) {
  ExFreePoolWithTag(block, list->Tag);
}

static LONG lists; /* initialized and not deleted */

static int is_list(const char* function, const LOOKASIDE_LIST_EX* list) {
  if (list->Magic == MAGIC) {
    return 1;
  }
  ddk_breach(function, "the lookaside list is not initialized, or was deleted");
  return 0;
}

NTSTATUS ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX list, PALLOCATE_FUNCTION_EX allocate,
                                     PFREE_FUNCTION_EX release, POOL_TYPE type, ULONG flags,
                                     SIZE_T size, ULONG tag, USHORT depth) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (depth != 0) {
    return STATUS_INVALID_PARAMETER_8;
  }
  if ((flags & EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL) != 0) {
    ddk_breach(__func__, "EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL: nothing can be raised here");
    return STATUS_INVALID_PARAMETER_5;
  }
  memset(list, 0, sizeof *list);
  InitializeListHead(&list->Entry);
  list->Allocate = allocate != NULL ? allocate : allocate_default;
  list->Release = release != NULL ? release : release_default;
  list->Size = size < sizeof(void*) ? sizeof(void*) : size;
  list->Tag = tag;
  list->Type = type;
  list->Flags = flags;
  list->Magic = MAGIC;
  __atomic_add_fetch(&lists, 1, __ATOMIC_RELAXED);
  return STATUS_SUCCESS;
}

static void lock(PLOOKASIDE_LIST_EX list) {
  while (__atomic_exchange_n(&list->Lock, 1, __ATOMIC_ACQUIRE) != 0) {
    __builtin_ia32_pause();
  }
}

static void unlock(PLOOKASIDE_LIST_EX list) { __atomic_store_n(&list->Lock, 0, __ATOMIC_RELEASE); }

static PVOID pop(PLOOKASIDE_LIST_EX list) {
  lock(list);
  PVOID block = list->Free;
  if (block != NULL) {
    list->Free = *(PVOID*)block;
    --list->Kept;
  }
  unlock(list);
  return block;
}

static int push(PLOOKASIDE_LIST_EX list, PVOID block) {
  lock(list);
  int kept = !HOOKLINE_DDK_CHECKS && list->Kept < kKeptMax;
  if (kept) {
    *(PVOID*)block = list->Free;
    list->Free = block;
    ++list->Kept;
  }
  unlock(list);
  return kept;
}

PVOID ExAllocateFromLookasideListEx(PLOOKASIDE_LIST_EX list) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (!is_list(__func__, list)) {
    return NULL;
  }
  PVOID block = pop(list);
  if (block == NULL) {
    block = list->Allocate(list->Type, list->Size, list->Tag, list);
  }
  if (block != NULL) {
    __atomic_add_fetch(&list->Outstanding, 1, __ATOMIC_RELAXED);
  }
  return block;
}

void ExFreeToLookasideListEx(PLOOKASIDE_LIST_EX list, PVOID entry) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (!is_list(__func__, list)) {
    return;
  }
  __atomic_sub_fetch(&list->Outstanding, 1, __ATOMIC_RELAXED);
  if (!push(list, entry)) {
    list->Release(entry, list);
  }
}

void ExFlushLookasideListEx(PLOOKASIDE_LIST_EX list) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  for (PVOID block; (block = pop(list)) != NULL;) {
    list->Release(block, list);
  }
}

void ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX list) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (!is_list(__func__, list)) {
    return;
  }
  ExFlushLookasideListEx(list);
  list->Magic = 0;
  __atomic_sub_fetch(&lists, 1, __ATOMIC_RELAXED);
  LONG out = __atomic_load_n(&list->Outstanding, __ATOMIC_RELAXED);
  if (out > 0) {
    ddk_breach(__func__, "%d entr%s not returned to the list", out,
               out == 1 ? "y was" : "ies were");
  }
}

void ddk_lookaside_report(void) {
  if (lists != 0) {
    ddk_breach("ExInitializeLookasideListEx", "%d list%s not deleted", lists,
               lists == 1 ? " was" : "s were");
  }
}
