#pragma once

/* Part of windows.h: strings of 16-bit characters, and their conversion. Narrow text is UTF-8.
 *
 * The wcs functions are declared by the C library's <wchar.h> and implemented here for 16 bits.
 * hookline-cc refuses to link one that is not implemented. In the formats of the functions declared
 * here `l` is 32 bits, as on Windows: %ld is for a LONG, %lld and %I64d for a LONGLONG; %s is a
 * string of the function's own kind, %S of the other, %hs narrow, %ls wide. The C library's own
 * printf keeps its own rules: there a DWORD is %u. */

#include <hookline/wintypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>
#include <wctype.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CP_ACP 0
#define CP_OEMCP 1
#define CP_THREAD_ACP 3
#define CP_UTF8 65001
#define MB_PRECOMPOSED 0x00000001
#define MB_ERR_INVALID_CHARS 0x00000008
#define WC_ERR_INVALID_CHARS 0x00000080

/* Every code page above is UTF-8; others are ERROR_INVALID_PARAMETER. */
int WINAPI MultiByteToWideChar(UINT code_page, DWORD flags, LPCSTR text, int bytes, LPWSTR wide,
                               int wide_size);
int WINAPI WideCharToMultiByte(UINT code_page, DWORD flags, LPCWSTR wide, int length, LPSTR text,
                               int size, LPCSTR default_char, LPBOOL used_default_char);

int WINAPI lstrlenA(LPCSTR text);
int WINAPI lstrlenW(LPCWSTR text);
LPSTR WINAPI lstrcpyA(LPSTR target, LPCSTR text);
LPWSTR WINAPI lstrcpyW(LPWSTR target, LPCWSTR text);
LPSTR WINAPI lstrcpynA(LPSTR target, LPCSTR text, int size);
LPWSTR WINAPI lstrcpynW(LPWSTR target, LPCWSTR text, int size);
LPSTR WINAPI lstrcatA(LPSTR target, LPCSTR text);
LPWSTR WINAPI lstrcatW(LPWSTR target, LPCWSTR text);
int WINAPI lstrcmpA(LPCSTR a, LPCSTR b);
int WINAPI lstrcmpW(LPCWSTR a, LPCWSTR b);
int WINAPI lstrcmpiA(LPCSTR a, LPCSTR b);
int WINAPI lstrcmpiW(LPCWSTR a, LPCWSTR b);

/* At most 1024 characters, as on Windows. */
int WINAPIV wsprintfA(LPSTR target, LPCSTR format, ...);
int WINAPIV wsprintfW(LPWSTR target, LPCWSTR format, ...);

/* -1 when there is not room enough. The _s forms then leave an empty string, _snprintf and
 * _snwprintf a cut one, without a NUL, as Microsoft's do. */
int _snprintf(char* target, size_t size, const char* format, ...);
int _vsnprintf(char* target, size_t size, const char* format, va_list arguments);
int _snwprintf(WCHAR* target, size_t size, const WCHAR* format, ...);
int _vsnwprintf(WCHAR* target, size_t size, const WCHAR* format, va_list arguments);
int sprintf_s(char* target, size_t size, const char* format, ...);
int swprintf_s(WCHAR* target, size_t size, const WCHAR* format, ...);

/* 0, or EINVAL or ERANGE with an empty string. */
int strcpy_s(char* target, size_t size, const char* text);
int strcat_s(char* target, size_t size, const char* text);
int wcscpy_s(WCHAR* target, size_t size, const WCHAR* text);
int wcscat_s(WCHAR* target, size_t size, const WCHAR* text);

int _wcsicmp(const WCHAR* a, const WCHAR* b);
int _wcsnicmp(const WCHAR* a, const WCHAR* b, size_t length);
WCHAR* _wcsdup(const WCHAR* text);
int _wtoi(const WCHAR* text);
FILE* _wfopen(const WCHAR* path, const WCHAR* mode);

#define _stricmp strcasecmp
#define _strnicmp strncasecmp
#define stricmp strcasecmp
#define strnicmp strncasecmp
#define _strdup strdup

#ifdef UNICODE
#define lstrlen lstrlenW
#define lstrcpy lstrcpyW
#define lstrcpyn lstrcpynW
#define lstrcat lstrcatW
#define lstrcmp lstrcmpW
#define lstrcmpi lstrcmpiW
#define wsprintf wsprintfW
#else
#define lstrlen lstrlenA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
#define lstrcat lstrcatA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#define wsprintf wsprintfA
#endif

#ifdef __cplusplus
}
#endif
