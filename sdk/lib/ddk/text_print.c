/* DbgPrint, and the bounded text functions of ntstrsafe.h. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

#include "../text.h"
#include "kernel.h"
#include "ntstrsafe.h"

enum { kLineMax = 512 };

ULONG vDbgPrintEx(ULONG component, ULONG level, PCCH format, va_list arguments) {
  (void)component;
  char text[kLineMax];
  size_t length = hookline_format(0, text, sizeof text - 1, format, arguments);
  text[length < sizeof text ? length : sizeof text - 1] = '\0';
  uint32_t severity = level == DPFLTR_ERROR_LEVEL     ? HOOKLINE_DRIVER_LOG_ERROR
                      : level == DPFLTR_WARNING_LEVEL ? HOOKLINE_DRIVER_LOG_WARNING
                                                      : HOOKLINE_DRIVER_LOG_DEBUG;
  ddk_log(severity, text);
  return (ULONG)STATUS_SUCCESS;
}

ULONG DbgPrintEx(ULONG component, ULONG level, PCSTR format, ...) {
  va_list arguments;
  va_start(arguments, format);
  ULONG status = vDbgPrintEx(component, level, format, arguments);
  va_end(arguments);
  return status;
}

ULONG DbgPrint(PCSTR format, ...) {
  va_list arguments;
  va_start(arguments, format);
  ULONG status = vDbgPrintEx(DPFLTR_DEFAULT_ID, DPFLTR_INFO_LEVEL, format, arguments);
  va_end(arguments);
  return status;
}

/* All of ntstrsafe.h on units of `wide`: `size` and lengths in units. */

static size_t length_of(int wide, const void* text, size_t most) {
  return wide ? wcsnlen(text, most) : strnlen(text, most);
}

static void* at_unit(int wide, void* text, size_t at) {
  return (char*)text + at * (wide ? sizeof(WCHAR) : 1);
}

static void end_text(int wide, void* text, size_t at) {
  memset(at_unit(wide, text, at), 0, wide ? sizeof(WCHAR) : 1);
}

static int is_bad(const void* target, size_t size) {
  return target == NULL || size == 0 || size > NTSTRSAFE_MAX_CCH;
}

static NTSTATUS copy(int wide, void* target, size_t size, const void* text, size_t at_most) {
  if (is_bad(target, size)) {
    return STATUS_INVALID_PARAMETER;
  }
  if (text == NULL) {
    end_text(wide, target, 0);
    return STATUS_INVALID_PARAMETER;
  }
  size_t length = length_of(wide, text, at_most < size ? at_most : size);
  size_t kept = length < size ? length : size - 1;
  memcpy(target, text, kept * (wide ? sizeof(WCHAR) : 1));
  end_text(wide, target, kept);
  return kept == length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

static NTSTATUS cat(int wide, void* target, size_t size, const void* text, size_t at_most) {
  if (is_bad(target, size)) {
    return STATUS_INVALID_PARAMETER;
  }
  size_t used = length_of(wide, target, size);
  return used == size ? STATUS_INVALID_PARAMETER
                      : copy(wide, at_unit(wide, target, used), size - used, text, at_most);
}

static NTSTATUS measure(int wide, const void* text, size_t size, size_t unit, size_t* length) {
  size_t found = text != NULL && size <= NTSTRSAFE_MAX_CCH ? length_of(wide, text, size) : size;
  if (length != NULL) {
    *length = found == size ? 0 : found * unit;
  }
  return found == size ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

static NTSTATUS print(int wide, void* target, size_t size, const void* format, va_list arguments) {
  if (is_bad(target, size) || format == NULL) {
    return STATUS_INVALID_PARAMETER;
  }
  size_t length = hookline_format(wide, target, size, format, arguments);
  end_text(wide, target, length < size ? length : size - 1);
  return length < size ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

#define FAMILY(Size, A, Unit, wide, bytes)                                                         \
  NTSTATUS RtlString##Size##Copy##A(Unit* target, size_t size, const Unit* text) {                 \
    return copy(wide, target, size / (bytes), text, SIZE_MAX);                                     \
  }                                                                                                \
  NTSTATUS RtlString##Size##CopyN##A(Unit* target, size_t size, const Unit* text,                  \
                                     size_t at_most) {                                             \
    return copy(wide, target, size / (bytes), text, at_most / (bytes));                            \
  }                                                                                                \
  NTSTATUS RtlString##Size##Cat##A(Unit* target, size_t size, const Unit* text) {                  \
    return cat(wide, target, size / (bytes), text, SIZE_MAX);                                      \
  }                                                                                                \
  NTSTATUS RtlString##Size##CatN##A(Unit* target, size_t size, const Unit* text, size_t at_most) { \
    return cat(wide, target, size / (bytes), text, at_most / (bytes));                             \
  }                                                                                                \
  NTSTATUS RtlString##Size##Length##A(const Unit* text, size_t size, size_t* length) {             \
    return measure(wide, text, size / (bytes), bytes, length);                                     \
  }                                                                                                \
  NTSTATUS RtlString##Size##VPrintf##A(Unit* target, size_t size, const Unit* format,              \
                                       va_list arguments) {                                        \
    return print(wide, target, size / (bytes), format, arguments);                                 \
  }                                                                                                \
  NTSTATUS RtlString##Size##Printf##A(Unit* target, size_t size, const Unit* format, ...) {        \
    va_list arguments;                                                                             \
    va_start(arguments, format);                                                                   \
    NTSTATUS status = print(wide, target, size / (bytes), format, arguments);                      \
    va_end(arguments);                                                                             \
    return status;                                                                                 \
  }
FAMILY(Cch, A, char, 0, 1)
FAMILY(Cch, W, WCHAR, 1, 1)
FAMILY(Cb, A, char, 0, 1)
FAMILY(Cb, W, WCHAR, 1, sizeof(WCHAR))

NTSTATUS RtlUnicodeStringInit(PUNICODE_STRING target, const WCHAR* text) {
  return RtlInitUnicodeStringEx(target, text);
}

NTSTATUS RtlUnicodeStringCopy(PUNICODE_STRING target, PCUNICODE_STRING text) {
  RtlCopyUnicodeString(target, text);
  return target->Length == text->Length ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

NTSTATUS RtlUnicodeStringCopyString(PUNICODE_STRING target, const WCHAR* text) {
  UNICODE_STRING counted;
  NTSTATUS status = RtlInitUnicodeStringEx(&counted, text);
  return NT_SUCCESS(status) ? RtlUnicodeStringCopy(target, &counted) : STATUS_INVALID_PARAMETER;
}

NTSTATUS RtlUnicodeStringCat(PUNICODE_STRING target, PCUNICODE_STRING text) {
  UNICODE_STRING rest = {0, (USHORT)(target->MaximumLength - target->Length),
                         target->Buffer + target->Length / sizeof(WCHAR)};
  NTSTATUS status = RtlUnicodeStringCopy(&rest, text);
  target->Length = (USHORT)(target->Length + rest.Length);
  return status;
}

NTSTATUS RtlUnicodeStringCatString(PUNICODE_STRING target, const WCHAR* text) {
  UNICODE_STRING counted;
  NTSTATUS status = RtlInitUnicodeStringEx(&counted, text);
  return NT_SUCCESS(status) ? RtlUnicodeStringCat(target, &counted) : STATUS_INVALID_PARAMETER;
}

NTSTATUS RtlUnicodeStringVPrintf(PUNICODE_STRING target, const WCHAR* format, va_list arguments) {
  size_t room = target->MaximumLength / sizeof(WCHAR);
  size_t length = hookline_format(1, target->Buffer, room, format, arguments);
  target->Length = (USHORT)((length < room ? length : room) * sizeof(WCHAR));
  return length <= room ? STATUS_SUCCESS : STATUS_BUFFER_OVERFLOW;
}

NTSTATUS RtlUnicodeStringPrintf(PUNICODE_STRING target, const WCHAR* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  NTSTATUS status = RtlUnicodeStringVPrintf(target, format, arguments);
  va_end(arguments);
  return status;
}
