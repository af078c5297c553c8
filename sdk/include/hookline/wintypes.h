#pragma once

/* The Windows types on Linux x86-64, and nothing else: no functions, no annotations, no macros that
 * ordinary C or C++ code could mean otherwise. The one core under dhcpssdk.h, windows.h and the
 * headers of the packet callouts (ddk/); the server includes it too.
 *
 * - DWORD, LONG, ULONG and HRESULT have 32 bits, as on Windows: never the `long` of this platform.
 * - WCHAR has 16 bits: `wchar_t` where the compiler was told -fshort-wchar (hookline-cc does), so
 *   that L"" literals match; otherwise `char16_t`. The bytes are the same, so code of either kind
 *   can call the other.
 * - WINAPI and its kin are this platform's own calling convention.
 *
 * Compiles as C11 and later, C++11 and later, with gcc and clang. */

#include <stddef.h>
#include <stdint.h>

/* The one exception: the server's own helper for Windows DLLs, made of the server's sources. */
#if defined(_WIN32) && !defined(HOOKLINE_IS_WINDOWS_HOST)
#error "hookline/wintypes.h stands in for Windows; on Windows include <windows.h> itself"
#endif

#if defined(__cplusplus)
#define HOOKLINE_STATIC_ASSERT(condition, text) static_assert(condition, text)
#define HOOKLINE_EXTERN_C extern "C"
#else
#define HOOKLINE_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#define HOOKLINE_EXTERN_C extern
#endif

#if __SIZEOF_WCHAR_T__ == 2
#define HOOKLINE_SHORT_WCHAR 1
typedef wchar_t WCHAR;
#define HOOKLINE_W(text) L##text
#else
#define HOOKLINE_SHORT_WCHAR 0
#if defined(__cplusplus)
typedef char16_t WCHAR;
#else
typedef __CHAR16_TYPE__ WCHAR;
#endif
#define HOOKLINE_W(text) u##text
#endif

#ifndef VOID
#define VOID void
#endif
#ifndef CONST
#define CONST const
#endif
#ifndef FALSE
#define FALSE 0
#endif
#ifndef TRUE
#define TRUE 1
#endif

#define WINAPI
#define APIENTRY
#define CALLBACK
#define WINAPIV
#define APIPRIVATE
#define PASCAL
#define NTAPI
#define FAR
#define NEAR
#ifndef UNALIGNED
#define UNALIGNED
#endif

typedef char CHAR;
typedef signed char INT8;
typedef unsigned char UCHAR, BYTE, UINT8, BOOLEAN;
typedef int16_t SHORT, INT16;
typedef uint16_t USHORT, WORD, UINT16, ATOM;
typedef int32_t INT, LONG, BOOL, INT32, LONG32, HRESULT, NTSTATUS;
typedef uint32_t UINT, ULONG, DWORD, UINT32, ULONG32, DWORD32;
typedef float FLOAT;
typedef double DOUBLE;
/* `long long` and not int64_t, which is `long` here: printf("%lld") and overloads depend on it. */
typedef long long LONGLONG, INT64, LONG64, LONG_PTR, INT_PTR, SSIZE_T;
typedef unsigned long long ULONGLONG, UINT64, ULONG64, DWORD64, DWORDLONG;
typedef unsigned long long ULONG_PTR, UINT_PTR, DWORD_PTR;
/* SIZE_T is this platform's size_t, so that pointers to it can be exchanged with the C library. */
typedef size_t SIZE_T;

typedef void *PVOID, *LPVOID, *HANDLE, *HLOCAL, *HGLOBAL;
typedef PVOID PVOID64;
typedef const void *LPCVOID, *PCVOID;
typedef HANDLE *PHANDLE, *LPHANDLE;
typedef CHAR *PCHAR, *LPCH, *PCH, *LPSTR, *PSTR, *NPSTR;
typedef const CHAR *LPCCH, *PCCH, *LPCSTR, *PCSTR;
typedef WCHAR *PWCHAR, *LPWCH, *PWCH, *LPWSTR, *PWSTR, *NWPSTR, *PZZWSTR;
typedef const WCHAR *LPCWCH, *PCWCH, *LPCWSTR, *PCWSTR, *PCZZWSTR;
typedef BYTE *PBYTE, *LPBYTE;
typedef UCHAR* PUCHAR;
typedef BOOLEAN* PBOOLEAN;
typedef BOOL *PBOOL, *LPBOOL;
typedef SHORT* PSHORT;
typedef USHORT* PUSHORT;
typedef WORD *PWORD, *LPWORD;
typedef INT *PINT, *LPINT;
typedef UINT *PUINT, *LPUINT;
typedef LONG *PLONG, *LPLONG;
typedef ULONG* PULONG;
typedef DWORD *PDWORD, *LPDWORD;
typedef LONGLONG* PLONGLONG;
typedef ULONGLONG* PULONGLONG;
typedef LONG64* PLONG64;
typedef ULONG64* PULONG64;
typedef UINT32* PUINT32;
typedef UINT64* PUINT64;
typedef SIZE_T* PSIZE_T;
typedef ULONG_PTR* PULONG_PTR;
typedef DWORD_PTR* PDWORD_PTR;

/* Handles of their own kind, so that one is not taken for another in C++. */
#define DECLARE_HANDLE(name) \
  struct name##__ {          \
    int unused;              \
  };                         \
  typedef struct name##__* name
DECLARE_HANDLE(HINSTANCE);
DECLARE_HANDLE(HKEY);
typedef HINSTANCE HMODULE;
typedef HKEY* PHKEY;

typedef int(WINAPI* FARPROC)(void);
typedef int(WINAPI* PROC)(void);

/* `enum X HOOKLINE_AS_INT {…}`: as wide as an int in both languages; in C++ any value of an int may
 * stand in it, since other people's code puts values there. */
#if defined(__cplusplus)
#define HOOKLINE_AS_INT : int
#else
#define HOOKLINE_AS_INT
#endif

#if defined(__GNUC__)
#define HOOKLINE_ANONYMOUS __extension__
#else
#define HOOKLINE_ANONYMOUS
#endif

typedef union _LARGE_INTEGER {
  HOOKLINE_ANONYMOUS struct {
    DWORD LowPart;
    LONG HighPart;
  };
  struct {
    DWORD LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef union _ULARGE_INTEGER {
  HOOKLINE_ANONYMOUS struct {
    DWORD LowPart;
    DWORD HighPart;
  };
  struct {
    DWORD LowPart;
    DWORD HighPart;
  } u;
  ULONGLONG QuadPart;
} ULARGE_INTEGER, *PULARGE_INTEGER;

typedef struct _GUID {
  ULONG Data1;
  USHORT Data2;
  USHORT Data3;
  UCHAR Data4[8];
} GUID, *PGUID, *LPGUID;

typedef struct _LIST_ENTRY {
  struct _LIST_ENTRY* Flink;
  struct _LIST_ENTRY* Blink;
} LIST_ENTRY, *PLIST_ENTRY;

typedef struct _FILETIME {
  DWORD dwLowDateTime;
  DWORD dwHighDateTime;
} FILETIME, *PFILETIME, *LPFILETIME;

#define ERROR_SUCCESS 0
#define NO_ERROR 0

HOOKLINE_STATIC_ASSERT(sizeof(WCHAR) == 2, "WCHAR");
HOOKLINE_STATIC_ASSERT(sizeof(BYTE) == 1 && sizeof(BOOLEAN) == 1, "BYTE");
HOOKLINE_STATIC_ASSERT(sizeof(WORD) == 2 && sizeof(USHORT) == 2, "WORD");
HOOKLINE_STATIC_ASSERT(sizeof(DWORD) == 4 && sizeof(LONG) == 4 && sizeof(ULONG) == 4, "DWORD");
HOOKLINE_STATIC_ASSERT(sizeof(HRESULT) == 4 && sizeof(BOOL) == 4, "HRESULT");
HOOKLINE_STATIC_ASSERT(sizeof(LONGLONG) == 8 && sizeof(LARGE_INTEGER) == 8, "LONGLONG");
HOOKLINE_STATIC_ASSERT(sizeof(LPVOID) == 8 && sizeof(SIZE_T) == 8, "64-bit platforms only");
HOOKLINE_STATIC_ASSERT(sizeof(GUID) == 16, "GUID");
