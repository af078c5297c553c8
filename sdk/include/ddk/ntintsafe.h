#pragma once

/* Conversions and sums that say when they overflow: STATUS_INTEGER_OVERFLOW. */

#include <hookline/ddk/base.h>

#define HOOKLINE_INTSAFE(Name, Target, builtin, A, B)          \
  static inline NTSTATUS Rtl##Name(A a, B b, Target* result) { \
    if (builtin(a, b, result)) {                               \
      *result = (Target)-1;                                    \
      return STATUS_INTEGER_OVERFLOW;                          \
    }                                                          \
    return STATUS_SUCCESS;                                     \
  }
#define CONVERT(Name, From, To)                              \
  static inline NTSTATUS Rtl##Name(From value, To* result) { \
    if (__builtin_add_overflow(value, 0, result)) {          \
      *result = (To)-1;                                      \
      return STATUS_INTEGER_OVERFLOW;                        \
    }                                                        \
    return STATUS_SUCCESS;                                   \
  }
#define ARITHMETIC(Name, Type)                                          \
  HOOKLINE_INTSAFE(Name##Add, Type, __builtin_add_overflow, Type, Type) \
  HOOKLINE_INTSAFE(Name##Sub, Type, __builtin_sub_overflow, Type, Type) \
  HOOKLINE_INTSAFE(Name##Mult, Type, __builtin_mul_overflow, Type, Type)
#include <hookline/ddk/intsafe.def>
#undef CONVERT
#undef ARITHMETIC
#undef HOOKLINE_INTSAFE
