#pragma once

/* hookline-cc includes this before every source: the words of Microsoft's compiler that clang does
 * not know on this platform, or takes with a warning. */

#if !defined(_WIN32)
#define __declspec(attribute) HOOKLINE_DECLSPEC_##attribute
#define _declspec(attribute) HOOKLINE_DECLSPEC_##attribute
#define HOOKLINE_DECLSPEC_dllexport __attribute__((visibility("default")))
#define HOOKLINE_DECLSPEC_dllimport
#define HOOKLINE_DECLSPEC_thread __thread
#define HOOKLINE_DECLSPEC_align(bytes) __attribute__((aligned(bytes)))
#define HOOKLINE_DECLSPEC_noinline __attribute__((noinline))
#define HOOKLINE_DECLSPEC_noreturn __attribute__((noreturn))
#define HOOKLINE_DECLSPEC_nothrow __attribute__((nothrow))
#define HOOKLINE_DECLSPEC_novtable
#define HOOKLINE_DECLSPEC_restrict
#define HOOKLINE_DECLSPEC_noalias
#define HOOKLINE_DECLSPEC_selectany __attribute__((weak))
#define HOOKLINE_DECLSPEC_deprecated __attribute__((deprecated))

/* One calling convention on this platform. */
#define __stdcall
#define _stdcall
#define __cdecl
#define _cdecl
#define __fastcall
#define __thiscall
#define __vectorcall

/* Where __except was: its block is kept for the compiler and never runs. */
#define EXCEPTION_EXECUTE_HANDLER 1
#define EXCEPTION_CONTINUE_SEARCH 0
#define EXCEPTION_CONTINUE_EXECUTION (-1)
#define GetExceptionCode() 0u
#define _exception_code() 0u
#define GetExceptionInformation() ((void*)0)
#endif

#if defined(__cplusplus)
#if defined(_WIN32) && !defined(NOMINMAX)
/* mingw-w64 has these two only for C. */
template <typename A, typename B>
constexpr auto max(const A& a, const B& b) -> decltype(true ? A(a) : B(b)) {
  return a > b ? a : b;
}
template <typename A, typename B>
constexpr auto min(const A& a, const B& b) -> decltype(true ? A(a) : B(b)) {
  return a < b ? a : b;
}
#endif

namespace hookline {
/* Runs the block of a __finally when its scope is left, however that happens. */
template <typename Block>
struct Finally {
  Block block;
  ~Finally() noexcept(false) { block(); }
};
template <typename Block>
Finally<Block> at_exit_of_scope(Block block) {
  return Finally<Block>{block};
}
}  // namespace hookline
#endif
