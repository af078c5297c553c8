/* The bounded text functions for WCHAR, and the C library's two of the kind. */

#include <errno.h>
#include <strsafe.h>

#include "core.h"

#define UNIT WCHAR
#define WIDE 1
#define LENGTH wcslen
#define BOUNDED_LENGTH wcsnlen
#define COPY wmemcpy
#define NAME_CPY_S wcscpy_s
#define NAME_CAT_S wcscat_s
#define NAME_VSNPRINTF _vsnwprintf
#define NAME_SNPRINTF _snwprintf
#define NAME_PRINTF_S swprintf_s
#define NAME_WSPRINTF wsprintfW
#define CCH(name) StringCch##name##W

#include "text_s.h"

/* As the C standard has them: always a NUL, -1 when cut. */
int vswprintf(WCHAR* target, size_t size, const WCHAR* format, va_list arguments) {
  if (size == 0) {
    return -1;
  }
  size_t length = hookline_format(1, target, size, format, arguments);
  target[length < size ? length : size - 1] = 0;
  return length < size ? (int)length : -1;
}

int swprintf(WCHAR* target, size_t size, const WCHAR* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vswprintf(target, size, format, arguments);
  va_end(arguments);
  return length;
}
