/* Pool memory with tags. A record of every block stands beside it, not in it: a second free, or the
 * free of what is no block, is found without touching it, and the address sanitizer sees both
 * edges. Without checks there are only the numbers for the report. */

#define _GNU_SOURCE
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel.h"

enum { kShards = 16, kBuckets = 256, kTags = 256, kCacheLine = 64 };

/* What is allocated with one tag. The table is open-addressed and never forgets a tag; tags beyond
 * its room are counted together as 0. */
struct Tag {
  ULONG tag;
  LONG64 blocks;
  LONG64 bytes;
};
static struct Tag tags[kTags];

static struct Tag* tag_of(ULONG tag) {
  size_t at = tag * 0x9E3779B1u >> 24;
  for (size_t i = 0; tag != 0 && i < kTags; ++i, at = (at + 1) % kTags) {
    ULONG found = __atomic_load_n(&tags[at].tag, __ATOMIC_RELAXED);
    if (found == tag || (found == 0 && at != 0 &&
                         (__atomic_compare_exchange_n(&tags[at].tag, &found, tag, 0,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
                          found == tag))) {
      return &tags[at];
    }
  }
  return &tags[0];
}

static void count(ULONG tag, LONG64 blocks, LONG64 bytes) {
  struct Tag* entry = tag_of(tag);
  __atomic_add_fetch(&entry->blocks, blocks, __ATOMIC_RELAXED);
  __atomic_add_fetch(&entry->bytes, bytes, __ATOMIC_RELAXED);
}

static const char* text_of(ULONG tag, char text[16]) {
  if (tag == 0) {
    return "of various tags";
  }
  char* at = text;
  *at++ = '\'';
  for (int i = 0; i < 4; ++i) {
    unsigned char c = (unsigned char)(tag >> (8 * i));
    *at++ = c >= 0x20 && c < 0x7F ? (char)c : '.';
  }
  *at++ = '\'';
  *at = '\0';
  return text;
}

static size_t alignment_of(SIZE_T bytes, int cache_aligned) {
  return bytes >= PAGE_SIZE ? PAGE_SIZE : cache_aligned ? kCacheLine : 16;
}

#if HOOKLINE_DDK_CHECKS

struct Record {
  struct Record* next;
  void* block;
  SIZE_T bytes;
  ULONG tag;
};

static struct Shard {
  pthread_mutex_t lock;
  struct Record* buckets[kBuckets];
} shards[kShards];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void prepare(void) {
  for (int i = 0; i < kShards; ++i) {
    pthread_mutex_init(&shards[i].lock, NULL);
  }
}

static size_t hash(const void* block) {
  return (size_t)(((uintptr_t)block >> 4) * 0x9E3779B97F4A7C15u >> 40);
}

static void* new_block(SIZE_T bytes, int cache_aligned) {
  void* block = NULL;
  size_t alignment = alignment_of(bytes, cache_aligned);
  return posix_memalign(&block, alignment, bytes != 0 ? bytes : 1) == 0 ? block : NULL;
}

static void* allocate(SIZE_T bytes, ULONG tag, int cache_aligned) {
  struct Record* record = ddk_may_allocate() ? malloc(sizeof *record) : NULL;
  void* block = record != NULL ? new_block(bytes, cache_aligned) : NULL;
  if (block == NULL) {
    free(record);
    return NULL;
  }
  *record = (struct Record){NULL, block, bytes, tag};
  pthread_once(&once, prepare);
  size_t at = hash(block);
  struct Shard* shard = &shards[at % kShards];
  struct Record** bucket = &shard->buckets[at / kShards % kBuckets];
  pthread_mutex_lock(&shard->lock);
  record->next = *bucket;
  *bucket = record;
  pthread_mutex_unlock(&shard->lock);
  count(tag, 1, (LONG64)bytes);
  return block;
}

/* Takes the record of a block out; NULL: there is none. With another tag it stays, and *wrong is
 * set to the tag. */
static struct Record* take(void* block, ULONG tag, ULONG* wrong) {
  pthread_once(&once, prepare);
  size_t at = hash(block);
  struct Shard* shard = &shards[at % kShards];
  struct Record** link = &shard->buckets[at / kShards % kBuckets];
  pthread_mutex_lock(&shard->lock);
  while (*link != NULL && (*link)->block != block) {
    link = &(*link)->next;
  }
  struct Record* record = *link;
  if (record != NULL && tag != 0 && record->tag != tag) {
    *wrong = record->tag;
    record = NULL;
  } else if (record != NULL) {
    *link = record->next;
  }
  pthread_mutex_unlock(&shard->lock);
  return record;
}

static void release(const char* function, void* block, ULONG tag) {
  ULONG wrong = 0;
  struct Record* record = take(block, tag, &wrong);
  if (record == NULL) {
    char asked[16];
    char kept[16];
    if (wrong != 0) {
      ddk_breach(function, "%p has the tag %s, not %s: not freed", block, text_of(wrong, kept),
                 text_of(tag, asked));
    } else {
      ddk_breach(function, "%p is no pool block, or was freed already", block);
    }
    return;
  }
  count(record->tag, -1, -(LONG64)record->bytes);
  free(block);
  free(record);
}

#else

/* The size and the tag stand in front of the block. */
struct Front {
  SIZE_T bytes;
  ULONG tag;
  ULONG offset; /* from what posix_memalign gave */
};

static void* allocate(SIZE_T bytes, ULONG tag, int cache_aligned) {
  size_t alignment = alignment_of(bytes, cache_aligned);
  void* whole = NULL;
  if (!ddk_may_allocate() || bytes > SIZE_MAX - alignment ||
      posix_memalign(&whole, alignment, bytes + alignment) != 0) {
    return NULL;
  }
  char* block = (char*)whole + alignment;
  ((struct Front*)(void*)block)[-1] = (struct Front){bytes, tag, (ULONG)alignment};
  count(tag, 1, (LONG64)bytes);
  return block;
}

static void release(const char* function, void* block, ULONG tag) {
  (void)function, (void)tag;
  struct Front* front = (struct Front*)block - 1;
  count(front->tag, -1, -(LONG64)front->bytes);
  free((char*)block - front->offset);
}

#endif

static void check(const char* function, int paged) {
  ddk_irql_at_most(function, paged ? APC_LEVEL : DISPATCH_LEVEL);
}

PVOID ExAllocatePool2(POOL_FLAGS flags, SIZE_T bytes, ULONG tag) {
  const POOL_FLAGS kinds = POOL_FLAG_NON_PAGED | POOL_FLAG_NON_PAGED_EXECUTE | POOL_FLAG_PAGED;
  check(__func__, (flags & POOL_FLAG_PAGED) != 0);
  POOL_FLAGS kind = flags & kinds;
  if (tag == 0 || bytes == 0 || kind == 0 || (kind & (kind - 1)) != 0 ||
      (flags & POOL_FLAG_RAISE_ON_FAILURE) != 0) {
    ddk_breach(__func__, "%s",
               tag == 0     ? "the tag is 0"
               : bytes == 0 ? "of 0 bytes"
               : (flags & POOL_FLAG_RAISE_ON_FAILURE) != 0
                   ? "POOL_FLAG_RAISE_ON_FAILURE: nothing can be raised here"
                   : "the flags name no kind of pool, or two");
    return NULL;
  }
  void* block = allocate(bytes, tag, (flags & POOL_FLAG_CACHE_ALIGNED) != 0);
  if (block != NULL && (flags & POOL_FLAG_UNINITIALIZED) == 0) {
    memset(block, 0, bytes);
  }
  return block;
}

static PVOID allocate_type(const char* function, POOL_TYPE type, SIZE_T bytes, ULONG tag) {
  check(function, (type & PagedPool) != 0);
  return allocate(bytes, tag, (type & NonPagedPoolCacheAligned) != 0);
}

PVOID ExAllocatePoolWithTag(POOL_TYPE type, SIZE_T bytes, ULONG tag) {
  return allocate_type(__func__, type, bytes, tag);
}

PVOID ExAllocatePoolUninitialized(POOL_TYPE type, SIZE_T bytes, ULONG tag) {
  return allocate_type(__func__, type, bytes, tag);
}

PVOID ExAllocatePoolZero(POOL_TYPE type, SIZE_T bytes, ULONG tag) {
  void* block = allocate_type(__func__, type, bytes, tag);
  return block != NULL ? memset(block, 0, bytes) : NULL;
}

void ExFreePoolWithTag(PVOID block, ULONG tag) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (block == NULL) {
    ddk_breach(__func__, "of NULL");
    return;
  }
  release(__func__, block, tag);
}

void ExFreePool(PVOID block) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  if (block == NULL) {
    ddk_breach(__func__, "of NULL");
    return;
  }
  release(__func__, block, 0);
}

void ddk_pool_report(void) {
  for (int i = 0; i < kTags; ++i) {
    LONG64 blocks = __atomic_load_n(&tags[i].blocks, __ATOMIC_RELAXED);
    LONG64 bytes = __atomic_load_n(&tags[i].bytes, __ATOMIC_RELAXED);
    char text[16];
    if (blocks != 0) {
      ddk_breach("ExAllocatePool", "leak: tag %s, %lld block%s, %lld bytes",
                 text_of(tags[i].tag, text), blocks, blocks == 1 ? "" : "s", bytes);
    }
  }
}
