#pragma once

/* The language of a driver's source: words of Microsoft's compiler, annotations, assertions,
 * limits, debug output. First of the parts of wdm.h. Only for sources that `hookline-cc --driver`
 * compiles; the C library's headers that a driver may also include come before the words that break
 * them. */

#include <ctype.h>
#include <hookline/ntdef.h>
#include <hookline/sal.h>
#include <limits.h>
#include <sdkddkver.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <wchar.h>
#include <wctype.h>

#if !HOOKLINE_SHORT_WCHAR
#error "the driver's headers need 16-bit wide characters: compile with hookline-cc --driver"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* In C an inline function of Microsoft's compiler needs no other definition anywhere. */
#ifndef __cplusplus
#undef __inline
#undef __forceinline
#define __inline static __attribute__((unused)) inline
#define __forceinline static __attribute__((unused, always_inline)) inline
#endif
#define FORCEINLINE __forceinline
#define CFORCEINLINE FORCEINLINE
#define DECLSPEC_ALIGN(bytes) __attribute__((aligned(bytes)))
#define DECLSPEC_CACHEALIGN DECLSPEC_ALIGN(64)
#define SYSTEM_CACHE_ALIGNMENT_SIZE 64
#define DECLSPEC_NORETURN __attribute__((noreturn))
#define DECLSPEC_NOINLINE __attribute__((noinline))
#define DECLSPEC_SELECTANY __attribute__((weak))
#define DECLSPEC_IMPORT
#define DECLSPEC_EXPORT
#define MEMORY_ALLOCATION_ALIGNMENT 16
#define EXTERN_C HOOKLINE_EXTERN_C
#ifdef __cplusplus
#define EXTERN_C_START extern "C" {
#define EXTERN_C_END }
#else
#define EXTERN_C_START
#define EXTERN_C_END
#endif
#define STDAPICALLTYPE
#define NTSYSAPI
#define NTKERNELAPI
#define NTHALAPI
#define FASTCALL
#define NTAPI_INLINE
#define INIT_SECTION
#define PASSIVE_SECTION

#define C_ASSERT(condition) HOOKLINE_STATIC_ASSERT(condition, #condition)
#define UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define DBG_UNREFERENCED_PARAMETER(parameter) ((void)(parameter))
#define DBG_UNREFERENCED_LOCAL_VARIABLE(variable) ((void)(variable))
#define RTL_NUMBER_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ARRAYSIZE(array) RTL_NUMBER_OF(array)
#define _countof(array) RTL_NUMBER_OF(array)
#define RTL_FIELD_SIZE(type, field) (sizeof(((type*)0)->field))
#define FIELD_SIZE(type, field) RTL_FIELD_SIZE(type, field)
#define RTL_SIZEOF_THROUGH_FIELD(type, field) (offsetof(type, field) + RTL_FIELD_SIZE(type, field))
#define Add2Ptr(pointer, bytes) ((PVOID)((PUCHAR)(pointer) + (bytes)))
#define ALIGN_DOWN_BY(value, bytes) ((ULONG_PTR)(value) & ~((ULONG_PTR)(bytes)-1))
#define ALIGN_UP_BY(value, bytes) ALIGN_DOWN_BY((ULONG_PTR)(value) + (bytes)-1, bytes)
#define ALIGN_DOWN(value, type) ALIGN_DOWN_BY(value, sizeof(type))
#define ALIGN_UP(value, type) ALIGN_UP_BY(value, sizeof(type))
#define LOWORD(value) ((WORD)((DWORD_PTR)(value)&0xFFFF))
#define HIWORD(value) ((WORD)(((DWORD_PTR)(value) >> 16) & 0xFFFF))
#define LOBYTE(value) ((BYTE)((DWORD_PTR)(value)&0xFF))
#define HIBYTE(value) ((BYTE)(((DWORD_PTR)(value) >> 8) & 0xFF))
#define MAKEWORD(low, high) ((WORD)(((BYTE)(low)) | ((WORD)((BYTE)(high))) << 8))
#define BooleanFlagOn(flags, bits) ((BOOLEAN)(((flags) & (bits)) != 0))
#define FlagOn(flags, bits) ((flags) & (bits))
#define SetFlag(flags, bits) ((flags) |= (bits))
#define ClearFlag(flags, bits) ((flags) &= ~(bits))

#if !defined(__cplusplus) && !defined(NOMINMAX)
#ifndef max
#define max(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef min
#define min(a, b) (((a) < (b)) ? (a) : (b))
#endif
#endif

#define PAGE_SIZE 0x1000
#define PAGE_SHIFT 12L
#define MAXUCHAR 0xff
#define MAXUSHORT 0xffff
#define MAXUINT8 ((UINT8) ~((UINT8)0))
#define MAXUINT16 ((UINT16) ~((UINT16)0))
#define MAXULONG 0xffffffff
#define MAXUINT32 ((UINT32) ~((UINT32)0))
#define MAXDWORD 0xffffffff
#define MAXUINT64 ((UINT64) ~((UINT64)0))
#define MAXULONG64 MAXUINT64
#define MAXULONGLONG MAXUINT64
#define MAXULONG_PTR MAXUINT64
#define MAXUINT_PTR MAXUINT64
#define MAXSIZE_T ((SIZE_T) ~((SIZE_T)0))
#define MAXLONG 0x7fffffff
#define MINLONG 0x80000000
#define MAXLONGLONG 0x7fffffffffffffffLL
#define MAXINT32 0x7fffffff
#define MAXINT64 0x7fffffffffffffffLL

/* Without a leading underscore these are the C library's own. */
#define _stricmp strcasecmp
#define _strnicmp strncasecmp
int _snprintf(char* target, size_t size, const char* format, ...);
int _vsnprintf(char* target, size_t size, const char* format, va_list arguments);
int _snwprintf(WCHAR* target, size_t size, const WCHAR* format, ...);
int _vsnwprintf(WCHAR* target, size_t size, const WCHAR* format, va_list arguments);
int _wcsicmp(const WCHAR* a, const WCHAR* b);
int _wcsnicmp(const WCHAR* a, const WCHAR* b, size_t length);

/* A line of the host's log. Formats have Windows' sizes: %ld is a LONG, %wZ a UNICODE_STRING*, %Z
 * an ANSI_STRING*, %S and %ws wide text. Any interrupt level. */
ULONG DbgPrint(PCSTR format, ...);
ULONG DbgPrintEx(ULONG component, ULONG level, PCSTR format, ...);
ULONG vDbgPrintEx(ULONG component, ULONG level, PCCH format, va_list arguments);
#define DPFLTR_DEFAULT_ID 101
#define DPFLTR_IHVDRIVER_ID 77
#define DPFLTR_IHVNETWORK_ID 79
#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_TRACE_LEVEL 2
#define DPFLTR_INFO_LEVEL 3
#define DPFLTR_MASK 0x80000000

/* A failed assertion is a breach for the host, and the driver goes on. hookline-cc says DBG=1
 * unless it is told --release. */
#ifndef DBG
#define DBG 1
#endif
void hookline_ddk_assertion_failed(const char* text, const char* file, int line);
void hookline_ddk_paged_code(const char* function);
#if DBG
#define HOOKLINE_DDK_ASSERT(condition, text) \
  ((condition) ? TRUE : (hookline_ddk_assertion_failed(text, __FILE__, __LINE__), FALSE))
#define ASSERT(condition) ((void)HOOKLINE_DDK_ASSERT(condition, #condition))
#define ASSERTMSG(message, condition) ((void)HOOKLINE_DDK_ASSERT(condition, message))
#define NT_ASSERT(condition) HOOKLINE_DDK_ASSERT(condition, #condition)
#define NT_ASSERTMSG(message, condition) HOOKLINE_DDK_ASSERT(condition, message)
#define NT_VERIFY(condition) HOOKLINE_DDK_ASSERT(condition, #condition)
#define KdPrint(arguments) DbgPrint arguments
#define KdPrintEx(arguments) DbgPrintEx arguments
#define PAGED_CODE() hookline_ddk_paged_code(__func__)
#else
#define ASSERT(condition) ((void)0)
#define ASSERTMSG(message, condition) ((void)0)
#define NT_ASSERT(condition) ((void)0)
#define NT_ASSERTMSG(message, condition) ((void)0)
#define NT_VERIFY(condition) ((condition) ? TRUE : FALSE)
#define KdPrint(arguments) ((void)0)
#define KdPrintEx(arguments) ((void)0)
#define PAGED_CODE() ((void)0)
#endif

#ifdef __cplusplus
}
#endif
