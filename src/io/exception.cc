#include "io/exception.h"

#include <fmt/core.h>

#include <string_view>

namespace hookline::io {

std::string exception_text(uint32_t code) {
  struct Known {
    uint32_t code;
    std::string_view name;
  };
  constexpr Known kKnown[] = {{0xC0000005, "access violation"},
                              {0xC0000006, "in-page error"},
                              {0xC000001D, "illegal instruction"},
                              {0xC0000025, "noncontinuable"},
                              {0xC000008C, "array bounds exceeded"},
                              {0xC000008E, "floating-point division by zero"},
                              {0xC0000094, "integer division by zero"},
                              {0xC0000095, "integer overflow"},
                              {0xC0000096, "privileged instruction"},
                              {0xC00000FD, "stack overflow"},
                              {0xC0000374, "heap corruption"},
                              {0xC0000409, "fast fail"},
                              {0xE06D7363, "a C++ exception"},
                              {0x20474343, "a C++ exception"},
                              {0x80000001, "guard page"},
                              {0x80000002, "misaligned data"},
                              {0x80000003, "breakpoint"},
                              {0x80000100, "a function that Wine lacks"},
                              {0x80000101, "aborted"}};
  for (const Known& known : kKnown) {
    if (known.code == code) return fmt::format("exception 0x{:08X} ({})", code, known.name);
  }
  return fmt::format("exception 0x{:08X}", code);
}

}  // namespace hookline::io
