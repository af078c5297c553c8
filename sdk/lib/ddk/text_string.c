/* Counted strings. Narrow text is UTF-8. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <wctype.h>

#include "../text.h"
#include "kernel.h"

#define STRING_TAG 'grtS'

NTSTATUS RtlInitUnicodeStringEx(PUNICODE_STRING target, PCWSTR text) {
  size_t length = text != NULL ? wcslen(text) : 0;
  *target = (UNICODE_STRING){0, 0, NULL};
  if (length > (UNICODE_STRING_MAX_BYTES / sizeof(WCHAR)) - 1) {
    return STATUS_NAME_TOO_LONG;
  }
  if (text != NULL) {
    *target = (UNICODE_STRING){(USHORT)(length * sizeof(WCHAR)),
                               (USHORT)((length + 1) * sizeof(WCHAR)), (PWCH)text};
  }
  return STATUS_SUCCESS;
}

void RtlInitUnicodeString(PUNICODE_STRING target, PCWSTR text) {
  if (!NT_SUCCESS(RtlInitUnicodeStringEx(target, text))) { /* cut, as on Windows */
    *target = (UNICODE_STRING){UNICODE_STRING_MAX_BYTES - sizeof(WCHAR), UNICODE_STRING_MAX_BYTES,
                               (PWCH)text};
  }
}

void RtlInitAnsiString(PANSI_STRING target, PCSTR text) {
  size_t length = text != NULL ? strlen(text) : 0;
  length = length < 0xFFFE ? length : 0xFFFE;
  *target = (ANSI_STRING){(USHORT)length, (USHORT)(text != NULL ? length + 1 : 0), (PCHAR)text};
}

static USHORT smaller(USHORT a, USHORT b) { return a < b ? a : b; }

/* A NUL behind the text, where there is room for it. */
static void end_unicode(PUNICODE_STRING text) {
  if (text->MaximumLength >= text->Length + sizeof(WCHAR)) {
    text->Buffer[text->Length / sizeof(WCHAR)] = 0;
  }
}

void RtlCopyUnicodeString(PUNICODE_STRING target, PCUNICODE_STRING text) {
  target->Length = text != NULL ? smaller(text->Length, target->MaximumLength & ~1) : 0;
  if (target->Length != 0) {
    memmove(target->Buffer, text->Buffer, target->Length);
  }
  if (target->Buffer != NULL) {
    end_unicode(target);
  }
}

NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING target, PCUNICODE_STRING text) {
  if (target->MaximumLength - target->Length < text->Length) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  memmove((char*)target->Buffer + target->Length, text->Buffer, text->Length);
  target->Length = (USHORT)(target->Length + text->Length);
  end_unicode(target);
  return STATUS_SUCCESS;
}

NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING target, PCWSTR text) {
  UNICODE_STRING counted;
  if (text == NULL) {
    return STATUS_SUCCESS;
  }
  NTSTATUS status = RtlInitUnicodeStringEx(&counted, text);
  return NT_SUCCESS(status) ? RtlAppendUnicodeStringToString(target, &counted)
                            : STATUS_BUFFER_TOO_SMALL;
}

WCHAR RtlUpcaseUnicodeChar(WCHAR character) { return (WCHAR)towupper(character); }
WCHAR RtlDowncaseUnicodeChar(WCHAR character) { return (WCHAR)towlower(character); }

static LONG compare(PCUNICODE_STRING a, PCUNICODE_STRING b, size_t units, BOOLEAN ignore_case) {
  for (size_t i = 0; i < units; ++i) {
    WCHAR one = ignore_case ? RtlUpcaseUnicodeChar(a->Buffer[i]) : a->Buffer[i];
    WCHAR other = ignore_case ? RtlUpcaseUnicodeChar(b->Buffer[i]) : b->Buffer[i];
    if (one != other) {
      return (LONG)one - (LONG)other;
    }
  }
  return 0;
}

LONG RtlCompareUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case) {
  LONG order = compare(a, b, smaller(a->Length, b->Length) / sizeof(WCHAR), ignore_case);
  return order != 0 ? order : (LONG)a->Length - (LONG)b->Length;
}

BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case) {
  return a->Length == b->Length && RtlCompareUnicodeString(a, b, ignore_case) == 0;
}

BOOLEAN RtlPrefixUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case) {
  return a->Length <= b->Length && compare(a, b, a->Length / sizeof(WCHAR), ignore_case) == 0;
}

/* Both conversions: what fits, whole code points only. Returns the bytes that all would need. */
static size_t to_narrow(PCHAR target, size_t size, size_t* written, PCWCH text, size_t units,
                        int* bad) {
  size_t whole = 0;
  int full = 0;
  *written = 0;
  for (size_t at = 0; at < units;) {
    char bytes[4];
    size_t count = (size_t)hookline_encode8(hookline_decode16(text, units, &at, bad), bytes);
    full = full || size - *written < count;
    if (target != NULL && !full) {
      memcpy(target + *written, bytes, count);
      *written += count;
    }
    whole += count;
  }
  return whole;
}

static size_t to_wide(PWCH target, size_t size, size_t* written, PCCH text, size_t length,
                      int* bad) {
  size_t whole = 0;
  int full = 0;
  *written = 0;
  for (size_t at = 0; at < length;) {
    WCHAR units[2];
    size_t count =
        (size_t)hookline_encode16(hookline_decode8(text, length, &at, bad), units) * sizeof(WCHAR);
    full = full || size - *written < count;
    if (target != NULL && !full) {
      memcpy((char*)target + *written, units, count);
      *written += count;
    }
    whole += count;
  }
  return whole;
}

NTSTATUS RtlUnicodeToMultiByteN(PCHAR target, ULONG size, PULONG written, PCWCH text, ULONG bytes) {
  size_t done;
  int bad = 0;
  to_narrow(target, size, &done, text, bytes / sizeof(WCHAR), &bad);
  if (written != NULL) {
    *written = (ULONG)done;
  }
  return STATUS_SUCCESS;
}

NTSTATUS RtlMultiByteToUnicodeN(PWCH target, ULONG size, PULONG written, const CHAR* text,
                                ULONG bytes) {
  size_t done;
  int bad = 0;
  to_wide(target, size, &done, text, bytes, &bad);
  if (written != NULL) {
    *written = (ULONG)done;
  }
  return STATUS_SUCCESS;
}

NTSTATUS RtlUnicodeToMultiByteSize(PULONG bytes_needed, PCWCH text, ULONG bytes) {
  size_t done;
  int bad = 0;
  *bytes_needed = (ULONG)to_narrow(NULL, 0, &done, text, bytes / sizeof(WCHAR), &bad);
  return STATUS_SUCCESS;
}

static NTSTATUS converted(const void* target, PULONG written, size_t whole, size_t done, int bad) {
  *written = (ULONG)(target == NULL ? whole : done);
  return target != NULL && done < whole ? STATUS_BUFFER_TOO_SMALL
         : bad                          ? STATUS_SOME_NOT_MAPPED
                                        : STATUS_SUCCESS;
}

NTSTATUS RtlUnicodeToUTF8N(PCHAR target, ULONG size, PULONG written, PCWCH text, ULONG bytes) {
  size_t done;
  int bad = 0;
  size_t whole = to_narrow(target, size, &done, text, bytes / sizeof(WCHAR), &bad);
  return converted(target, written, whole, done, bad);
}

NTSTATUS RtlUTF8ToUnicodeN(PWSTR target, ULONG size, PULONG written, PCCH text, ULONG bytes) {
  size_t done;
  int bad = 0;
  size_t whole = to_wide(target, size, &done, text, bytes, &bad);
  return converted(target, written, whole, done, bad);
}

/* Room for `bytes` and a NUL of `unit` bytes in a string of either kind. */
static NTSTATUS make_room(PANSI_STRING target, size_t bytes, size_t unit, BOOLEAN allocate) {
  if (bytes + unit > 0xFFFF) {
    return STATUS_INVALID_PARAMETER_2;
  }
  if (!allocate) {
    return bytes + unit > target->MaximumLength ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
  }
  target->Buffer = ExAllocatePoolWithTag(PagedPool, bytes + unit, STRING_TAG);
  target->MaximumLength = (USHORT)(bytes + unit);
  return target->Buffer != NULL ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING target, PCUNICODE_STRING text,
                                      BOOLEAN allocate) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  size_t done;
  int bad = 0;
  size_t units = text->Length / sizeof(WCHAR);
  size_t whole = to_narrow(NULL, 0, &done, text->Buffer, units, &bad);
  NTSTATUS status = make_room(target, whole, 1, allocate);
  if (NT_SUCCESS(status)) {
    to_narrow(target->Buffer, whole, &done, text->Buffer, units, &bad);
    target->Buffer[whole] = '\0';
    target->Length = (USHORT)whole;
  }
  return status;
}

NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING target, PCANSI_STRING text,
                                      BOOLEAN allocate) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  size_t done;
  int bad = 0;
  size_t whole = to_wide(NULL, 0, &done, text->Buffer, text->Length, &bad);
  NTSTATUS status = make_room((PANSI_STRING)(void*)target, whole, sizeof(WCHAR), allocate);
  if (NT_SUCCESS(status)) {
    to_wide(target->Buffer, whole, &done, text->Buffer, text->Length, &bad);
    target->Buffer[whole / sizeof(WCHAR)] = 0;
    target->Length = (USHORT)whole;
  }
  return status;
}

void RtlFreeUnicodeString(PUNICODE_STRING text) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  if (text->Buffer != NULL) {
    ExFreePoolWithTag(text->Buffer, STRING_TAG);
    *text = (UNICODE_STRING){0, 0, NULL};
  }
}

void RtlFreeAnsiString(PANSI_STRING text) { RtlFreeUnicodeString((PUNICODE_STRING)(void*)text); }

char* ddk_narrow(PCUNICODE_STRING text) {
  size_t done;
  int bad = 0;
  size_t units = text->Length / sizeof(WCHAR);
  size_t whole = to_narrow(NULL, 0, &done, text->Buffer, units, &bad);
  char* copy = malloc(whole + 1);
  if (copy != NULL) {
    to_narrow(copy, whole, &done, text->Buffer, units, &bad);
    copy[whole] = '\0';
  }
  return copy;
}

NTSTATUS RtlStringFromGUID(const GUID* guid, PUNICODE_STRING text) {
  DDK_IRQL_MAX(PASSIVE_LEVEL);
  char narrow[40];
  snprintf(narrow, sizeof narrow, "{%08X-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", guid->Data1,
           guid->Data2, guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3],
           guid->Data4[4], guid->Data4[5], guid->Data4[6], guid->Data4[7]);
  ANSI_STRING counted;
  RtlInitAnsiString(&counted, narrow);
  return RtlAnsiStringToUnicodeString(text, &counted, TRUE);
}

NTSTATUS RtlGUIDFromString(PCUNICODE_STRING text, GUID* guid) {
  static const char kForm[] = "{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}";
  unsigned char bytes[16] = {0};
  size_t digits = 0;
  if (text->Length != (sizeof kForm - 1) * sizeof(WCHAR)) {
    return STATUS_INVALID_PARAMETER;
  }
  for (size_t i = 0; kForm[i] != '\0'; ++i) {
    WCHAR c = text->Buffer[i];
    if (kForm[i] != 'x') {
      if (c != (WCHAR)kForm[i]) {
        return STATUS_INVALID_PARAMETER;
      }
      continue;
    }
    if (c > 0x7F || !isxdigit((int)c)) {
      return STATUS_INVALID_PARAMETER;
    }
    unsigned value = (unsigned)(isdigit((int)c) ? c - '0' : (c | 0x20) - 'a' + 10);
    bytes[digits / 2] = (unsigned char)(bytes[digits / 2] << 4 | value);
    ++digits;
  }
  guid->Data1 = (ULONG)bytes[0] << 24 | (ULONG)bytes[1] << 16 | (ULONG)bytes[2] << 8 | bytes[3];
  guid->Data2 = (USHORT)(bytes[4] << 8 | bytes[5]);
  guid->Data3 = (USHORT)(bytes[6] << 8 | bytes[7]);
  memcpy(guid->Data4, bytes + 8, 8);
  return STATUS_SUCCESS;
}
