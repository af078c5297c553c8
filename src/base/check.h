// CHECK(condition, "why it must hold"): our own bugs stop the process, in release builds too.
// Never for hostile input (that is a drop) nor for the world failing (that is a Result).
#pragma once

namespace hookline::detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const char* why);
}

#define CHECK(condition, why)                                                \
  do {                                                                       \
    if (__builtin_expect(!(condition), 0)) {                                 \
      ::hookline::detail::check_failed(__FILE__, __LINE__, #condition, why); \
    }                                                                        \
  } while (false)
