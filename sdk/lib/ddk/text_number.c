/* Numbers as text, memory compared, numbers by chance. */

#define _GNU_SOURCE
#include <string.h>

#include "kernel.h"

SIZE_T RtlCompareMemory(const void* a, const void* b, SIZE_T bytes) {
  const UCHAR* one = a;
  const UCHAR* other = b;
  SIZE_T equal = 0;
  while (equal < bytes && one[equal] == other[equal]) {
    ++equal;
  }
  return equal;
}

PVOID RtlSecureZeroMemory(PVOID target, SIZE_T bytes) {
  explicit_bzero(target, bytes);
  return target;
}

/* The minimal standard generator of Park and Miller, with the multiplier 48271. */
ULONG RtlRandomEx(PULONG seed) {
  ULONG64 state = *seed % MAXLONG;
  state = (state != 0 ? state : 1) * 48271u % MAXLONG;
  *seed = (ULONG)state;
  return (ULONG)state - 1;
}

ULONG RtlRandom(PULONG seed) { return RtlRandomEx(seed); }

static int digit_of(WCHAR c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'z' ? c - 'a' + 10
         : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                : 99;
}

/* Steps over a 0x, 0o or 0b, and returns the base that it means. */
static ULONG base_of(PCWCH* at, PCWCH end) {
  if (end - *at < 2 || (*at)[0] != '0') {
    return 10;
  }
  WCHAR kind = (*at)[1] | 0x20;
  ULONG base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
  *at += base != 10 ? 2 : 0;
  return base;
}

NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING text, ULONG base, PULONG value) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  PCWCH at = text->Buffer;
  PCWCH end = at + text->Length / sizeof(WCHAR);
  while (at < end && *at <= ' ') {
    ++at;
  }
  int minus = at < end && *at == '-';
  at += minus || (at < end && *at == '+');
  base = base == 0 ? base_of(&at, end) : base;
  if (base != 2 && base != 8 && base != 10 && base != 16) {
    return STATUS_INVALID_PARAMETER;
  }
  ULONG number = 0;
  while (at < end && digit_of(*at) < (int)base) {
    number = number * base + (ULONG)digit_of(*at++);
  }
  *value = minus ? 0 - number : number;
  return STATUS_SUCCESS;
}

NTSTATUS RtlInt64ToUnicodeString(ULONGLONG value, ULONG base, PUNICODE_STRING target) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  base = base == 0 ? 10 : base;
  if (base != 2 && base != 8 && base != 10 && base != 16) {
    return STATUS_INVALID_PARAMETER;
  }
  WCHAR digits[64];
  size_t count = 0;
  do {
    digits[count++] = (WCHAR) "0123456789ABCDEF"[value % base];
    value /= base;
  } while (value != 0);
  if (target->MaximumLength < (count + 1) * sizeof(WCHAR)) {
    return STATUS_BUFFER_OVERFLOW;
  }
  for (size_t i = 0; i < count; ++i) {
    target->Buffer[i] = digits[count - 1 - i];
  }
  target->Buffer[count] = 0;
  target->Length = (USHORT)(count * sizeof(WCHAR));
  return STATUS_SUCCESS;
}

NTSTATUS RtlIntegerToUnicodeString(ULONG value, ULONG base, PUNICODE_STRING target) {
  return RtlInt64ToUnicodeString(value, base, target);
}
