#pragma once

/* The StringCch functions: always a NUL, STRSAFE_E_INSUFFICIENT_BUFFER when the text was cut. */

#include <windows.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STRSAFE_MAX_CCH 2147483647
#define STRSAFE_E_INSUFFICIENT_BUFFER ((HRESULT)0x8007007A)
#define STRSAFE_E_INVALID_PARAMETER ((HRESULT)0x80070057)

HRESULT StringCchCopyA(LPSTR target, size_t size, LPCSTR text);
HRESULT StringCchCopyW(LPWSTR target, size_t size, LPCWSTR text);
HRESULT StringCchCatA(LPSTR target, size_t size, LPCSTR text);
HRESULT StringCchCatW(LPWSTR target, size_t size, LPCWSTR text);
HRESULT StringCchLengthA(LPCSTR text, size_t size, size_t* length);
HRESULT StringCchLengthW(LPCWSTR text, size_t size, size_t* length);
HRESULT StringCchPrintfA(LPSTR target, size_t size, LPCSTR format, ...);
HRESULT StringCchPrintfW(LPWSTR target, size_t size, LPCWSTR format, ...);
HRESULT StringCchVPrintfA(LPSTR target, size_t size, LPCSTR format, va_list arguments);
HRESULT StringCchVPrintfW(LPWSTR target, size_t size, LPCWSTR format, va_list arguments);

#ifdef UNICODE
#define StringCchCopy StringCchCopyW
#define StringCchCat StringCchCatW
#define StringCchLength StringCchLengthW
#define StringCchPrintf StringCchPrintfW
#define StringCchVPrintf StringCchVPrintfW
#else
#define StringCchCopy StringCchCopyA
#define StringCchCat StringCchCatA
#define StringCchLength StringCchLengthA
#define StringCchPrintf StringCchPrintfA
#define StringCchVPrintf StringCchVPrintfA
#endif

#ifdef __cplusplus
}
#endif
