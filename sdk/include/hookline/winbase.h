#pragma once

/* Part of windows.h: errors, modules, memory, time, threads' identity. */

#include <hookline/wintypes.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ERROR_INVALID_FUNCTION 1
#define ERROR_FILE_NOT_FOUND 2
#define ERROR_PATH_NOT_FOUND 3
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_INVALID_DATA 13
#define ERROR_OUTOFMEMORY 14
#define ERROR_GEN_FAILURE 31
#define ERROR_NOT_SUPPORTED 50
#define ERROR_INVALID_PARAMETER 87
#define ERROR_CALL_NOT_IMPLEMENTED 120
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_INVALID_NAME 123
#define ERROR_MOD_NOT_FOUND 126
#define ERROR_PROC_NOT_FOUND 127
#define ERROR_ALREADY_EXISTS 183
#define ERROR_BAD_EXE_FORMAT 193
#define ERROR_MORE_DATA 234
#define ERROR_NO_MORE_ITEMS 259
#define ERROR_NOT_OWNER 288
#define ERROR_INVALID_FLAGS 1004
#define ERROR_NO_UNICODE_TRANSLATION 1113
#define ERROR_DLL_INIT_FAILED 1114
#define ERROR_NOT_FOUND 1168
#define ERROR_TIMEOUT 1460

#define S_OK ((HRESULT)0)
#define S_FALSE ((HRESULT)1)
#define E_NOTIMPL ((HRESULT)0x80004001)
#define E_POINTER ((HRESULT)0x80004003)
#define E_FAIL ((HRESULT)0x80004005)
#define E_UNEXPECTED ((HRESULT)0x8000FFFF)
#define E_ACCESSDENIED ((HRESULT)0x80070005)
#define E_OUTOFMEMORY ((HRESULT)0x8007000E)
#define E_INVALIDARG ((HRESULT)0x80070057)
#define SUCCEEDED(result) (((HRESULT)(result)) >= 0)
#define FAILED(result) (((HRESULT)(result)) < 0)
#define HRESULT_FROM_WIN32(error) \
  ((HRESULT)(error) <= 0 ? (HRESULT)(error) : (HRESULT)(((error)&0xFFFF) | 0x80070000))

#define MAX_PATH 260
#define INFINITE 0xFFFFFFFF
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)
#define MAXDWORD 0xFFFFFFFF
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define DBG_UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))
#define _countof(array) (sizeof(array) / sizeof((array)[0]))
#define MAKEWORD(low, high) ((WORD)(((BYTE)(low)) | ((WORD)((BYTE)(high))) << 8))
#define MAKELONG(low, high) ((LONG)(((WORD)(low)) | ((DWORD)((WORD)(high))) << 16))
#define LOWORD(value) ((WORD)((DWORD_PTR)(value)&0xFFFF))
#define HIWORD(value) ((WORD)(((DWORD_PTR)(value) >> 16) & 0xFFFF))
#define LOBYTE(value) ((BYTE)((DWORD_PTR)(value)&0xFF))
#define HIBYTE(value) ((BYTE)(((DWORD_PTR)(value) >> 8) & 0xFF))
#define FIELD_OFFSET(type, field) ((LONG)offsetof(type, field))
#define CONTAINING_RECORD(address, type, field) ((type*)((char*)(address)-offsetof(type, field)))
#define TEXT(text) HOOKLINE_TEXT(text)

#ifndef NOMINMAX
#if defined(__cplusplus)
/* Macros of these names would break libstdc++. */
extern "C++" {
template <typename A, typename B>
constexpr auto max(const A& a, const B& b) -> decltype(true ? A(a) : B(b)) {
  return a > b ? a : b;
}
template <typename A, typename B>
constexpr auto min(const A& a, const B& b) -> decltype(true ? A(a) : B(b)) {
  return a < b ? a : b;
}
}
#else
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif

DWORD WINAPI GetLastError(void);
void WINAPI SetLastError(DWORD error);

/* Modules. A Windows path or a bare name goes through the host's path map; otherwise the file is
 * looked for beside the caller's own, with .so for .dll. A path with slashes is taken as it is. */
HMODULE WINAPI LoadLibraryA(LPCSTR name);
HMODULE WINAPI LoadLibraryW(LPCWSTR name);
BOOL WINAPI FreeLibrary(HMODULE module);
FARPROC WINAPI GetProcAddress(HMODULE module, LPCSTR name); /* names only, no ordinals */
DWORD WINAPI GetModuleFileNameA(HMODULE module, LPSTR path, DWORD size);
DWORD WINAPI GetModuleFileNameW(HMODULE module, LPWSTR path, DWORD size);
BOOL WINAPI DisableThreadLibraryCalls(HMODULE module);

/* Defined by the callout, if it wants: called when its library is loaded, after the constructors of
 * static objects, and when it is unloaded. FALSE at load makes the load fail. Threads are not
 * announced: there is no DLL_THREAD_ATTACH. */
#define DLL_PROCESS_DETACH 0
#define DLL_PROCESS_ATTACH 1
#define DLL_THREAD_ATTACH 2
#define DLL_THREAD_DETACH 3
BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, LPVOID reserved);

/* Memory. All heaps are one. */
#define HEAP_NO_SERIALIZE 0x00000001
#define HEAP_ZERO_MEMORY 0x00000008
HANDLE WINAPI GetProcessHeap(void);
LPVOID WINAPI HeapAlloc(HANDLE heap, DWORD flags, SIZE_T bytes);
LPVOID WINAPI HeapReAlloc(HANDLE heap, DWORD flags, LPVOID memory, SIZE_T bytes);
BOOL WINAPI HeapFree(HANDLE heap, DWORD flags, LPVOID memory);
SIZE_T WINAPI HeapSize(HANDLE heap, DWORD flags, LPCVOID memory);

#define LMEM_FIXED 0x0000
#define LMEM_ZEROINIT 0x0040
#define LPTR 0x0040
#define GMEM_FIXED 0x0000
#define GMEM_ZEROINIT 0x0040
#define GPTR 0x0040
HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T bytes);
HLOCAL WINAPI LocalFree(HLOCAL memory); /* NULL: done */
HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T bytes);
HGLOBAL WINAPI GlobalFree(HGLOBAL memory);

#define RtlZeroMemory(target, bytes) memset((target), 0, (bytes))
#define RtlFillMemory(target, bytes, value) memset((target), (value), (bytes))
#define RtlCopyMemory(target, source, bytes) memcpy((target), (source), (bytes))
#define RtlMoveMemory(target, source, bytes) memmove((target), (source), (bytes))
#define RtlEqualMemory(a, b, bytes) (memcmp((a), (b), (bytes)) == 0)
#define ZeroMemory RtlZeroMemory
#define FillMemory RtlFillMemory
#define CopyMemory RtlCopyMemory
#define MoveMemory RtlMoveMemory
PVOID WINAPI SecureZeroMemory(PVOID memory, SIZE_T bytes);

/* Time, since some moment before the process began; it never goes back. */
DWORD WINAPI GetTickCount(void); /* ms, wraps after 49.7 days */
ULONGLONG WINAPI GetTickCount64(void);
BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER* ticks);
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER* ticks_per_second);
void WINAPI Sleep(DWORD milliseconds);

DWORD WINAPI GetCurrentThreadId(void);
DWORD WINAPI GetCurrentProcessId(void);

/* Into the server's log as it is, or to stderr. */
void WINAPI OutputDebugStringA(LPCSTR text);
void WINAPI OutputDebugStringW(LPCWSTR text);

#ifdef UNICODE
#define HOOKLINE_TEXT(text) HOOKLINE_W(text)
typedef WCHAR TCHAR, *PTCHAR;
typedef LPWSTR LPTSTR, PTSTR, LPTCH;
typedef LPCWSTR LPCTSTR, PCTSTR;
#define LoadLibrary LoadLibraryW
#define GetModuleFileName GetModuleFileNameW
#define OutputDebugString OutputDebugStringW
#else
#define HOOKLINE_TEXT(text) text
typedef CHAR TCHAR, *PTCHAR;
typedef LPSTR LPTSTR, PTSTR, LPTCH;
typedef LPCSTR LPCTSTR, PCTSTR;
#define LoadLibrary LoadLibraryA
#define GetModuleFileName GetModuleFileNameA
#define OutputDebugString OutputDebugStringA
#endif

#ifdef __cplusplus
}
#endif
