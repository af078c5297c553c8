/* Spin locks: tickets, so that waiters come in order of arrival. The eight bytes of a KSPIN_LOCK
 * are the ticket word (low half: the next ticket; high half: the one that is served) and the
 * owner's thread id. A waiter spins a little and then sleeps, for the owner may have been
 * preempted: here DISPATCH_LEVEL keeps nobody from that. */

#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel.h"

enum { kSpins = 200, kHeldMax = 32 };

struct Words {
  uint32_t ticket;
  uint32_t owner;
};

/* The locks that this thread holds; `again` counts forbidden nested acquisitions. */
struct Held {
  PKSPIN_LOCK lock;
  uint32_t again;
};
static __thread struct Held held[kHeldMax];
static __thread uint32_t held_count;
static __thread uint32_t own_id;
static uint32_t sleepers;

static struct Words* words(PKSPIN_LOCK lock) { return (struct Words*)(void*)lock; }

static uint32_t self(void) {
  if (own_id == 0) {
    own_id = (uint32_t)gettid();
  }
  return own_id;
}

uint32_t ddk_locks_held(void) { return held_count; }

static void wait_for_turn(uint32_t* word, uint16_t ticket) {
  for (int spins = 0;; ++spins) {
    uint32_t now = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    if (now >> 16 == ticket) {
      return;
    }
    if (spins < kSpins) {
      __builtin_ia32_pause();
      continue;
    }
    __atomic_add_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
    now = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    if (now >> 16 != ticket) {
      syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
    }
    __atomic_sub_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
  }
}

static void take(uint32_t* word) {
  uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
  uint32_t next;
  do {
    next = (now & 0xFFFF0000u) | ((now + 1) & 0xFFFF);
  } while (!__atomic_compare_exchange_n(word, &now, next, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
  wait_for_turn(word, (uint16_t)now);
}

/* Whether it was free. */
static int try_take(uint32_t* word) {
  uint32_t now = __atomic_load_n(word, __ATOMIC_RELAXED);
  uint32_t next = (now & 0xFFFF0000u) | ((now + 1) & 0xFFFF);
  return now >> 16 == (now & 0xFFFF) &&
         __atomic_compare_exchange_n(word, &now, next, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void give(uint32_t* word) {
  __atomic_add_fetch(word, 0x10000, __ATOMIC_SEQ_CST); /* the carry out of the word vanishes */
  if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST) != 0) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7FFFFFFF, NULL, NULL, 0);
  }
}

static void remember(PKSPIN_LOCK lock) {
  if (!HOOKLINE_DDK_CHECKS) {
    return;
  }
  __atomic_store_n(&words(lock)->owner, self(), __ATOMIC_RELAXED);
  if (held_count < kHeldMax) {
    held[held_count] = (struct Held){lock, 0};
  }
  ++held_count;
}

static struct Held* find_held(PKSPIN_LOCK lock) {
  for (uint32_t i = held_count < kHeldMax ? held_count : kHeldMax; i > 0; --i) {
    if (held[i - 1].lock == lock) {
      return &held[i - 1];
    }
  }
  return NULL;
}

static int is_mine(PKSPIN_LOCK lock) {
  return __atomic_load_n(&words(lock)->owner, __ATOMIC_RELAXED) == self();
}

static void acquire(const char* function, PKSPIN_LOCK lock) {
  if (HOOKLINE_DDK_CHECKS && is_mine(lock)) {
    ddk_breach(function, "this thread holds the spin lock already: on Windows it would hang here");
    struct Held* mine = find_held(lock);
    if (mine != NULL) {
      ++mine->again;
    }
    return;
  }
  take(&words(lock)->ticket);
  remember(lock);
}

/* Whether the lock itself is to be given back now. */
static int forget(const char* function, PKSPIN_LOCK lock) {
  if (!is_mine(lock)) {
    ddk_breach(function, "this thread does not hold the spin lock");
    return 0;
  }
  struct Held* mine = find_held(lock);
  if (mine != NULL && mine->again != 0) {
    --mine->again;
    return 0;
  }
  if (mine != NULL) {
    *mine = held[(held_count < kHeldMax ? held_count : kHeldMax) - 1];
  }
  --held_count;
  __atomic_store_n(&words(lock)->owner, 0, __ATOMIC_RELAXED);
  return 1;
}

static void release(const char* function, PKSPIN_LOCK lock) {
  if (!HOOKLINE_DDK_CHECKS || forget(function, lock)) {
    give(&words(lock)->ticket);
  }
}

/* The variants "at DPC level" leave the level alone, and it must be there. */
static void need_dispatch(const char* function) {
  if (HOOKLINE_DDK_CHECKS && ddk_irql < DISPATCH_LEVEL) {
    ddk_breach(function, "called below DISPATCH_LEVEL");
  }
}

void KeInitializeSpinLock(PKSPIN_LOCK lock) { *lock = 0; }

KIRQL KeAcquireSpinLockRaiseToDpc(PKSPIN_LOCK lock) {
  ddk_irql_at_most("KeAcquireSpinLock", DISPATCH_LEVEL);
  KIRQL old = ddk_irql;
  ddk_irql = DISPATCH_LEVEL;
  acquire("KeAcquireSpinLock", lock);
  return old;
}

void KeReleaseSpinLock(PKSPIN_LOCK lock, KIRQL old) {
  need_dispatch(__func__);
  release(__func__, lock);
  ddk_irql = old;
}

void KeAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock) {
  need_dispatch(__func__);
  acquire(__func__, lock);
}

void KeReleaseSpinLockFromDpcLevel(PKSPIN_LOCK lock) {
  need_dispatch(__func__);
  release(__func__, lock);
}

BOOLEAN KeTryToAcquireSpinLockAtDpcLevel(PKSPIN_LOCK lock) {
  need_dispatch(__func__);
  if (!try_take(&words(lock)->ticket)) {
    return FALSE;
  }
  remember(lock);
  return TRUE;
}

void KeAcquireInStackQueuedSpinLock(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle) {
  DDK_IRQL_MAX(DISPATCH_LEVEL);
  handle->OldIrql = ddk_irql;
  handle->LockQueue.Next = NULL;
  handle->LockQueue.Lock = lock;
  ddk_irql = DISPATCH_LEVEL;
  acquire(__func__, lock);
}

void KeReleaseInStackQueuedSpinLock(PKLOCK_QUEUE_HANDLE handle) {
  need_dispatch(__func__);
  release(__func__, handle->LockQueue.Lock);
  ddk_irql = handle->OldIrql;
}

void KeAcquireInStackQueuedSpinLockAtDpcLevel(PKSPIN_LOCK lock, PKLOCK_QUEUE_HANDLE handle) {
  need_dispatch(__func__);
  handle->OldIrql = ddk_irql;
  handle->LockQueue.Next = NULL;
  handle->LockQueue.Lock = lock;
  acquire(__func__, lock);
}

void KeReleaseInStackQueuedSpinLockFromDpcLevel(PKLOCK_QUEUE_HANDLE handle) {
  need_dispatch(__func__);
  release(__func__, handle->LockQueue.Lock);
}

PLIST_ENTRY ExInterlockedInsertHeadList(PLIST_ENTRY head, PLIST_ENTRY entry, PKSPIN_LOCK lock) {
  KIRQL old = KeAcquireSpinLockRaiseToDpc(lock);
  PLIST_ENTRY first = IsListEmpty(head) ? NULL : head->Flink;
  InsertHeadList(head, entry);
  KeReleaseSpinLock(lock, old);
  return first;
}

PLIST_ENTRY ExInterlockedInsertTailList(PLIST_ENTRY head, PLIST_ENTRY entry, PKSPIN_LOCK lock) {
  KIRQL old = KeAcquireSpinLockRaiseToDpc(lock);
  PLIST_ENTRY last = IsListEmpty(head) ? NULL : head->Blink;
  InsertTailList(head, entry);
  KeReleaseSpinLock(lock, old);
  return last;
}

PLIST_ENTRY ExInterlockedRemoveHeadList(PLIST_ENTRY head, PKSPIN_LOCK lock) {
  KIRQL old = KeAcquireSpinLockRaiseToDpc(lock);
  PLIST_ENTRY first = IsListEmpty(head) ? NULL : RemoveHeadList(head);
  KeReleaseSpinLock(lock, old);
  return first;
}
