#pragma once

/* Conversions and sums that say when they overflow. */

#include <hookline/ddk/base.h>

#ifndef S_OK
#define S_OK ((HRESULT)0)
#endif
#define INTSAFE_E_ARITHMETIC_OVERFLOW ((HRESULT)0x80070216)

#define HOOKLINE_INTSAFE(Name, Target, builtin, A, B)    \
  static inline HRESULT Name(A a, B b, Target* result) { \
    if (builtin(a, b, result)) {                         \
      *result = (Target)-1;                              \
      return INTSAFE_E_ARITHMETIC_OVERFLOW;              \
    }                                                    \
    return S_OK;                                         \
  }
#define CONVERT(Name, From, To)                        \
  static inline HRESULT Name(From value, To* result) { \
    if (__builtin_add_overflow(value, 0, result)) {    \
      *result = (To)-1;                                \
      return INTSAFE_E_ARITHMETIC_OVERFLOW;            \
    }                                                  \
    return S_OK;                                       \
  }
#define ARITHMETIC(Name, Type)                                          \
  HOOKLINE_INTSAFE(Name##Add, Type, __builtin_add_overflow, Type, Type) \
  HOOKLINE_INTSAFE(Name##Sub, Type, __builtin_sub_overflow, Type, Type) \
  HOOKLINE_INTSAFE(Name##Mult, Type, __builtin_mul_overflow, Type, Type)
#include <hookline/ddk/intsafe.def>
#undef CONVERT
#undef ARITHMETIC
#undef HOOKLINE_INTSAFE
