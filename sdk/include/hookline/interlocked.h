#pragma once

/* Interlocked operations, for callouts of both kinds: full barriers, as on Windows. */

#include <hookline/wintypes.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HOOKLINE_INTERLOCKED(Suffix, Type)                                                        \
  static inline Type InterlockedIncrement##Suffix(Type volatile* target) {                        \
    return __atomic_add_fetch(target, 1, __ATOMIC_SEQ_CST);                                       \
  }                                                                                               \
  static inline Type InterlockedDecrement##Suffix(Type volatile* target) {                        \
    return __atomic_sub_fetch(target, 1, __ATOMIC_SEQ_CST);                                       \
  }                                                                                               \
  static inline Type InterlockedAdd##Suffix(Type volatile* target, Type value) {                  \
    return __atomic_add_fetch(target, value, __ATOMIC_SEQ_CST);                                   \
  }                                                                                               \
  static inline Type InterlockedExchangeAdd##Suffix(Type volatile* target, Type value) {          \
    return __atomic_fetch_add(target, value, __ATOMIC_SEQ_CST);                                   \
  }                                                                                               \
  static inline Type InterlockedExchange##Suffix(Type volatile* target, Type value) {             \
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);                                  \
  }                                                                                               \
  static inline Type InterlockedAnd##Suffix(Type volatile* target, Type value) {                  \
    return __atomic_fetch_and(target, value, __ATOMIC_SEQ_CST);                                   \
  }                                                                                               \
  static inline Type InterlockedOr##Suffix(Type volatile* target, Type value) {                   \
    return __atomic_fetch_or(target, value, __ATOMIC_SEQ_CST);                                    \
  }                                                                                               \
  static inline Type InterlockedXor##Suffix(Type volatile* target, Type value) {                  \
    return __atomic_fetch_xor(target, value, __ATOMIC_SEQ_CST);                                   \
  }                                                                                               \
  static inline Type InterlockedCompareExchange##Suffix(Type volatile* target, Type value,        \
                                                        Type expected) {                          \
    __atomic_compare_exchange_n(target, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    return expected;                                                                              \
  }
HOOKLINE_INTERLOCKED(, LONG)
HOOKLINE_INTERLOCKED(64, LONG64)
#undef HOOKLINE_INTERLOCKED

#define HOOKLINE_INTERLOCKED_SMALL(Suffix, Type)                                      \
  static inline Type InterlockedExchange##Suffix(Type volatile* target, Type value) { \
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);                      \
  }                                                                                   \
  static inline Type InterlockedAnd##Suffix(Type volatile* target, Type value) {      \
    return __atomic_fetch_and(target, value, __ATOMIC_SEQ_CST);                       \
  }                                                                                   \
  static inline Type InterlockedOr##Suffix(Type volatile* target, Type value) {       \
    return __atomic_fetch_or(target, value, __ATOMIC_SEQ_CST);                        \
  }                                                                                   \
  static inline Type InterlockedXor##Suffix(Type volatile* target, Type value) {      \
    return __atomic_fetch_xor(target, value, __ATOMIC_SEQ_CST);                       \
  }
HOOKLINE_INTERLOCKED_SMALL(8, CHAR)
HOOKLINE_INTERLOCKED_SMALL(16, SHORT)
#undef HOOKLINE_INTERLOCKED_SMALL

static inline PVOID InterlockedExchangePointer(PVOID volatile* target, PVOID value) {
  return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
static inline PVOID InterlockedCompareExchangePointer(PVOID volatile* target, PVOID value,
                                                      PVOID expected) {
  __atomic_compare_exchange_n(target, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define YieldProcessor() __builtin_ia32_pause()

#ifdef __cplusplus
}
#endif
