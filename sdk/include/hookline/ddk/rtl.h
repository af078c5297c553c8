#pragma once

/* Part of wdm.h: memory, counted strings, numbers. Narrow text is UTF-8. */

#include <hookline/ddk/ex.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RtlZeroMemory(target, bytes) memset((target), 0, (bytes))
#define RtlFillMemory(target, bytes, value) memset((target), (value), (bytes))
#define RtlCopyMemory(target, source, bytes) memcpy((target), (source), (bytes))
#define RtlCopyBytes RtlCopyMemory
#define RtlZeroBytes RtlZeroMemory
#define RtlMoveMemory(target, source, bytes) memmove((target), (source), (bytes))
#define RtlEqualMemory(a, b, bytes) (memcmp((a), (b), (bytes)) == 0)
#define RtlCopyMemoryNonTemporal RtlCopyMemory
SIZE_T RtlCompareMemory(const void* a, const void* b, SIZE_T bytes); /* how many are equal */
PVOID RtlSecureZeroMemory(PVOID target, SIZE_T bytes);

#define RtlUshortByteSwap(value) __builtin_bswap16((USHORT)(value))
#define RtlUlongByteSwap(value) ((ULONG)__builtin_bswap32((ULONG)(value)))
#define RtlUlonglongByteSwap(value) ((ULONGLONG)__builtin_bswap64((ULONGLONG)(value)))
#define _byteswap_ushort(value) __builtin_bswap16((USHORT)(value))
#define _byteswap_ulong(value) ((ULONG)__builtin_bswap32((ULONG)(value)))
#define _byteswap_uint64(value) ((ULONGLONG)__builtin_bswap64((ULONGLONG)(value)))

/* 0 to MAXLONG - 1; the seed is the state. */
ULONG RtlRandom(PULONG seed);
ULONG RtlRandomEx(PULONG seed);

void RtlInitUnicodeString(PUNICODE_STRING target, PCWSTR text);
NTSTATUS RtlInitUnicodeStringEx(PUNICODE_STRING target, PCWSTR text);
void RtlInitAnsiString(PANSI_STRING target, PCSTR text);
#define RtlInitString RtlInitAnsiString
static inline void RtlInitEmptyUnicodeString(PUNICODE_STRING target, PWCHAR buffer, USHORT bytes) {
  target->Buffer = buffer;
  target->MaximumLength = bytes;
  target->Length = 0;
}
static inline void RtlInitEmptyAnsiString(PANSI_STRING target, PCHAR buffer, USHORT bytes) {
  target->Buffer = buffer;
  target->MaximumLength = bytes;
  target->Length = 0;
}
void RtlCopyUnicodeString(PUNICODE_STRING target, PCUNICODE_STRING text); /* cut if too long */
NTSTATUS RtlAppendUnicodeToString(PUNICODE_STRING target, PCWSTR text);
NTSTATUS RtlAppendUnicodeStringToString(PUNICODE_STRING target, PCUNICODE_STRING text);
LONG RtlCompareUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case);
BOOLEAN RtlEqualUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case);
BOOLEAN RtlPrefixUnicodeString(PCUNICODE_STRING a, PCUNICODE_STRING b, BOOLEAN ignore_case);
WCHAR RtlUpcaseUnicodeChar(WCHAR character);
WCHAR RtlDowncaseUnicodeChar(WCHAR character);

/* With `allocate` the result's buffer is pool memory, for RtlFree…String. */
NTSTATUS RtlUnicodeStringToAnsiString(PANSI_STRING target, PCUNICODE_STRING text, BOOLEAN allocate);
NTSTATUS RtlAnsiStringToUnicodeString(PUNICODE_STRING target, PCANSI_STRING text, BOOLEAN allocate);
void RtlFreeUnicodeString(PUNICODE_STRING text);
void RtlFreeAnsiString(PANSI_STRING text);

/* What does not fit is cut, between characters. Sizes in bytes. */
NTSTATUS RtlUnicodeToMultiByteN(PCHAR target, ULONG size, PULONG written, PCWCH text, ULONG bytes);
NTSTATUS RtlMultiByteToUnicodeN(PWCH target, ULONG size, PULONG written, const CHAR* text,
                                ULONG bytes);
NTSTATUS RtlUnicodeToMultiByteSize(PULONG bytes_needed, PCWCH text, ULONG bytes);
/* STATUS_BUFFER_TOO_SMALL when it was cut, STATUS_SOME_NOT_MAPPED for malformed text; a NULL target
 * only measures. */
NTSTATUS RtlUnicodeToUTF8N(PCHAR target, ULONG size, PULONG written, PCWCH text, ULONG bytes);
NTSTATUS RtlUTF8ToUnicodeN(PWSTR target, ULONG size, PULONG written, PCCH text, ULONG bytes);

/* `base` 0: as the text says (0x, 0o, 0b), otherwise ten. */
NTSTATUS RtlUnicodeStringToInteger(PCUNICODE_STRING text, ULONG base, PULONG value);
NTSTATUS RtlIntegerToUnicodeString(ULONG value, ULONG base, PUNICODE_STRING target);
NTSTATUS RtlInt64ToUnicodeString(ULONGLONG value, ULONG base, PUNICODE_STRING target);

/* {xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx} */
NTSTATUS RtlStringFromGUID(const GUID* guid, PUNICODE_STRING text); /* RtlFreeUnicodeString */
NTSTATUS RtlGUIDFromString(PCUNICODE_STRING text, GUID* guid);

#ifdef __cplusplus
}
#endif
