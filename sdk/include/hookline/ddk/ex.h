#pragma once

/* Part of wdm.h: pool, lookaside lists, interlocked operations.
 *
 * Every block has a tag. A free of what is not allocated, or with another tag, is a breach in a
 * checked build and is not done; what a driver leaves behind is reported at unload, by tag. */

#include <hookline/ddk/ke.h>
#include <hookline/interlocked.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum _POOL_TYPE {
  NonPagedPool = 0,
  NonPagedPoolExecute = 0,
  PagedPool = 1,
  NonPagedPoolCacheAligned = 4,
  PagedPoolCacheAligned = 5,
  NonPagedPoolNx = 512,
  NonPagedPoolNxCacheAligned = 516
} POOL_TYPE;
typedef POOL_TYPE* PPOOL_TYPE;

typedef ULONG64 POOL_FLAGS;
#define POOL_FLAG_USE_QUOTA 0x0000000000000001ULL
#define POOL_FLAG_UNINITIALIZED 0x0000000000000002ULL
#define POOL_FLAG_SESSION 0x0000000000000004ULL
#define POOL_FLAG_CACHE_ALIGNED 0x0000000000000008ULL
#define POOL_FLAG_RAISE_ON_FAILURE 0x0000000000000020ULL /* refused: NULL */
#define POOL_FLAG_NON_PAGED 0x0000000000000040ULL
#define POOL_FLAG_NON_PAGED_EXECUTE 0x0000000000000080ULL
#define POOL_FLAG_PAGED 0x0000000000000100ULL

/* 16 bytes aligned, 64 when cache-aligned, a page from a page's size on. Paged pool is as good as
 * any here, but asking for it above APC_LEVEL is a breach. A tag of 0 is refused by ExAllocatePool2
 * as on Windows. ExAllocatePool2 and ExAllocatePoolZero give zeros. */
PVOID ExAllocatePool2(POOL_FLAGS flags, SIZE_T bytes, ULONG tag);
PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T bytes, ULONG tag);
PVOID ExAllocatePoolZero(POOL_TYPE type, SIZE_T bytes, ULONG tag);
PVOID ExAllocatePoolUninitialized(POOL_TYPE type, SIZE_T bytes, ULONG tag);
void ExFreePoolWithTag(PVOID block, ULONG tag); /* 0: any tag */
void ExFreePool(PVOID block);

#define DrvRtPoolNxOptIn 0x00000001
#define ExInitializeDriverRuntime(flags) ((void)(flags))

struct _LOOKASIDE_LIST_EX;
typedef PVOID ALLOCATE_FUNCTION_EX(POOL_TYPE type, SIZE_T bytes, ULONG tag,
                                   struct _LOOKASIDE_LIST_EX* list);
typedef ALLOCATE_FUNCTION_EX* PALLOCATE_FUNCTION_EX;
typedef void FREE_FUNCTION_EX(PVOID block, struct _LOOKASIDE_LIST_EX* list);
typedef FREE_FUNCTION_EX* PFREE_FUNCTION_EX;

/* In a checked build nothing is kept for the next caller, so that a use after free is seen. */
typedef struct _LOOKASIDE_LIST_EX {
  LIST_ENTRY Entry;
  PVOID Free; /* kept blocks, each pointing to the next */
  SIZE_T Size;
  PALLOCATE_FUNCTION_EX Allocate;
  PFREE_FUNCTION_EX Release;
  LONG Lock;
  ULONG Kept;
  ULONG Tag;
  POOL_TYPE Type;
  ULONG Flags;
  LONG Outstanding;
  ULONG64 Magic;
} LOOKASIDE_LIST_EX, *PLOOKASIDE_LIST_EX;

#define EX_LOOKASIDE_LIST_EX_FLAGS_RAISE_ON_FAIL 1UL /* refused */
#define EX_LOOKASIDE_LIST_EX_FLAGS_FAIL_NO_RAISE 2UL
NTSTATUS ExInitializeLookasideListEx(PLOOKASIDE_LIST_EX list, PALLOCATE_FUNCTION_EX allocate,
                                     PFREE_FUNCTION_EX release, POOL_TYPE type, ULONG flags,
                                     SIZE_T size, ULONG tag, USHORT depth);
void ExDeleteLookasideListEx(PLOOKASIDE_LIST_EX list);
void ExFlushLookasideListEx(PLOOKASIDE_LIST_EX list);
PVOID ExAllocateFromLookasideListEx(PLOOKASIDE_LIST_EX list);
void ExFreeToLookasideListEx(PLOOKASIDE_LIST_EX list, PVOID entry);

PLIST_ENTRY ExInterlockedInsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry, PKSPIN_LOCK lock);
PLIST_ENTRY ExInterlockedInsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry, PKSPIN_LOCK lock);
PLIST_ENTRY ExInterlockedRemoveHeadList(PLIST_ENTRY head, PKSPIN_LOCK lock);

#ifdef __cplusplus
}
#endif
