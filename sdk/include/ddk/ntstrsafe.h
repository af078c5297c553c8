#pragma once

/* Bounded text: always a NUL, STATUS_BUFFER_OVERFLOW when it was cut. Cch counts characters, Cb
 * bytes. Formats have Windows' sizes, as DbgPrint's. */

#include <wdm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NTSTRSAFE_MAX_CCH 2147483647
#define NTSTRSAFE_MAX_LENGTH 2147483646
#define NTSTRSAFE_UNICODE_STRING_MAX_CCH 32767
typedef char *NTSTRSAFE_PSTR, *STRSAFE_LPSTR;
typedef const char *NTSTRSAFE_PCSTR, *STRSAFE_LPCSTR;
typedef WCHAR *NTSTRSAFE_PWSTR, *STRSAFE_LPWSTR;
typedef const WCHAR *NTSTRSAFE_PCWSTR, *STRSAFE_LPCWSTR;

#define HOOKLINE_NTSTRSAFE(Size, A, Unit)                                                          \
  NTSTATUS RtlString##Size##Copy##A(Unit* target, size_t size, const Unit* text);                  \
  NTSTATUS RtlString##Size##CopyN##A(Unit* target, size_t size, const Unit* text, size_t at_most); \
  NTSTATUS RtlString##Size##Cat##A(Unit* target, size_t size, const Unit* text);                   \
  NTSTATUS RtlString##Size##CatN##A(Unit* target, size_t size, const Unit* text, size_t at_most);  \
  NTSTATUS RtlString##Size##Length##A(const Unit* text, size_t size, size_t* length);              \
  NTSTATUS RtlString##Size##Printf##A(Unit* target, size_t size, const Unit* format, ...);         \
  NTSTATUS RtlString##Size##VPrintf##A(Unit* target, size_t size, const Unit* format,              \
                                       va_list arguments);
HOOKLINE_NTSTRSAFE(Cch, A, char)
HOOKLINE_NTSTRSAFE(Cch, W, WCHAR)
HOOKLINE_NTSTRSAFE(Cb, A, char)
HOOKLINE_NTSTRSAFE(Cb, W, WCHAR)
#undef HOOKLINE_NTSTRSAFE

/* The counted strings: no NUL, cut text is STATUS_BUFFER_OVERFLOW. */
NTSTATUS RtlUnicodeStringInit(PUNICODE_STRING target, const WCHAR* text);
NTSTATUS RtlUnicodeStringCopy(PUNICODE_STRING target, PCUNICODE_STRING text);
NTSTATUS RtlUnicodeStringCopyString(PUNICODE_STRING target, const WCHAR* text);
NTSTATUS RtlUnicodeStringCat(PUNICODE_STRING target, PCUNICODE_STRING text);
NTSTATUS RtlUnicodeStringCatString(PUNICODE_STRING target, const WCHAR* text);
NTSTATUS RtlUnicodeStringPrintf(PUNICODE_STRING target, const WCHAR* format, ...);
NTSTATUS RtlUnicodeStringVPrintf(PUNICODE_STRING target, const WCHAR* format, va_list arguments);

#ifdef __cplusplus
}
#endif
