/* The C library's wcs functions for 16-bit characters, and Windows' lstr family. Compiled with
 * -fno-builtin, so that these loops are not made into calls of themselves. */

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "core.h"

size_t wcslen(const WCHAR* text) {
  const WCHAR* at = text;
  while (*at != 0) {
    ++at;
  }
  return (size_t)(at - text);
}

size_t wcsnlen(const WCHAR* text, size_t size) {
  size_t length = 0;
  while (length < size && text[length] != 0) {
    ++length;
  }
  return length;
}

WCHAR* wmemcpy(WCHAR* target, const WCHAR* text, size_t length) {
  return memcpy(target, text, length * sizeof(WCHAR));
}

WCHAR* wmemmove(WCHAR* target, const WCHAR* text, size_t length) {
  return memmove(target, text, length * sizeof(WCHAR));
}

WCHAR* wmemset(WCHAR* target, WCHAR value, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    target[i] = value;
  }
  return target;
}

int wmemcmp(const WCHAR* a, const WCHAR* b, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (a[i] != b[i]) {
      return a[i] < b[i] ? -1 : 1;
    }
  }
  return 0;
}

WCHAR* wmemchr(const WCHAR* text, WCHAR wanted, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (text[i] == wanted) {
      return (WCHAR*)(text + i);
    }
  }
  return NULL;
}

WCHAR* wcscpy(WCHAR* target, const WCHAR* text) {
  wmemcpy(target, text, wcslen(text) + 1);
  return target;
}

WCHAR* wcsncpy(WCHAR* target, const WCHAR* text, size_t size) {
  size_t length = wcsnlen(text, size);
  wmemcpy(target, text, length);
  wmemset(target + length, 0, size - length);
  return target;
}

WCHAR* wcscat(WCHAR* target, const WCHAR* text) {
  wcscpy(target + wcslen(target), text);
  return target;
}

WCHAR* wcsncat(WCHAR* target, const WCHAR* text, size_t size) {
  WCHAR* end = target + wcslen(target);
  size_t length = wcsnlen(text, size);
  wmemcpy(end, text, length);
  end[length] = 0;
  return target;
}

int wcsncmp(const WCHAR* a, const WCHAR* b, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (a[i] != b[i]) {
      return a[i] < b[i] ? -1 : 1;
    }
    if (a[i] == 0) {
      break;
    }
  }
  return 0;
}

int wcscmp(const WCHAR* a, const WCHAR* b) { return wcsncmp(a, b, SIZE_MAX); }

static WCHAR lower(WCHAR c) { return (WCHAR)towlower(c); }

int _wcsnicmp(const WCHAR* a, const WCHAR* b, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    WCHAR left = lower(a[i]);
    WCHAR right = lower(b[i]);
    if (left != right) {
      return left < right ? -1 : 1;
    }
    if (left == 0) {
      break;
    }
  }
  return 0;
}

int _wcsicmp(const WCHAR* a, const WCHAR* b) { return _wcsnicmp(a, b, SIZE_MAX); }

WCHAR* wcschr(const WCHAR* text, WCHAR wanted) { return wmemchr(text, wanted, wcslen(text) + 1); }

WCHAR* wcsrchr(const WCHAR* text, WCHAR wanted) {
  for (size_t i = wcslen(text) + 1; i-- > 0;) {
    if (text[i] == wanted) {
      return (WCHAR*)(text + i);
    }
  }
  return NULL;
}

WCHAR* wcsstr(const WCHAR* text, const WCHAR* wanted) {
  size_t length = wcslen(wanted);
  for (; length != 0 && *text != 0 && wcsncmp(text, wanted, length) != 0; ++text) {
  }
  return *text != 0 || length == 0 ? (WCHAR*)text : NULL;
}

size_t wcscspn(const WCHAR* text, const WCHAR* stops) {
  size_t length = 0;
  while (text[length] != 0 && wcschr(stops, text[length]) == NULL) {
    ++length;
  }
  return length;
}

size_t wcsspn(const WCHAR* text, const WCHAR* allowed) {
  size_t length = 0;
  while (text[length] != 0 && wcschr(allowed, text[length]) != NULL) {
    ++length;
  }
  return length;
}

WCHAR* wcspbrk(const WCHAR* text, const WCHAR* wanted) {
  size_t length = wcscspn(text, wanted);
  return text[length] != 0 ? (WCHAR*)(text + length) : NULL;
}

WCHAR* wcstok(WCHAR* text, const WCHAR* separators, WCHAR** state) {
  WCHAR* at = text != NULL ? text : *state;
  at += wcsspn(at, separators);
  if (*at == 0) {
    *state = at;
    return NULL;
  }
  WCHAR* end = at + wcscspn(at, separators);
  *state = *end != 0 ? end + 1 : end;
  *end = 0;
  return at;
}

/* Numbers are ASCII: a copy of what can be one, for strtol. */
enum { kNumberMax = 80 };
static size_t number_text(const WCHAR* text, char out[kNumberMax]) {
  size_t length = 0;
  for (; length < kNumberMax - 1 && text[length] != 0 && text[length] < 0x80; ++length) {
    out[length] = (char)text[length];
  }
  out[length] = '\0';
  return length;
}

#define HOOKLINE_NUMBER(Type, name, narrow)             \
  Type name(const WCHAR* text, WCHAR** end, int base) { \
    char copy[kNumberMax];                              \
    char* stop;                                         \
    number_text(text, copy);                            \
    Type value = narrow(copy, &stop, base);             \
    if (end != NULL) {                                  \
      *end = (WCHAR*)(text + (stop - copy));            \
    }                                                   \
    return value;                                       \
  }
HOOKLINE_NUMBER(long, wcstol, strtol)
HOOKLINE_NUMBER(unsigned long, wcstoul, strtoul)
HOOKLINE_NUMBER(long long, wcstoll, strtoll)
HOOKLINE_NUMBER(unsigned long long, wcstoull, strtoull)

int _wtoi(const WCHAR* text) { return (int)wcstol(text, NULL, 10); }

WCHAR* _wcsdup(const WCHAR* text) {
  size_t size = wcslen(text) + 1;
  WCHAR* copy = malloc(size * sizeof(WCHAR));
  return copy != NULL ? wmemcpy(copy, text, size) : NULL;
}

int WINAPI lstrlenA(LPCSTR text) { return text != NULL ? (int)strlen(text) : 0; }
int WINAPI lstrlenW(LPCWSTR text) { return text != NULL ? (int)wcslen(text) : 0; }

LPSTR WINAPI lstrcpyA(LPSTR target, LPCSTR text) { return strcpy(target, text); }
LPWSTR WINAPI lstrcpyW(LPWSTR target, LPCWSTR text) { return wcscpy(target, text); }
LPSTR WINAPI lstrcatA(LPSTR target, LPCSTR text) { return strcat(target, text); }
LPWSTR WINAPI lstrcatW(LPWSTR target, LPCWSTR text) { return wcscat(target, text); }

LPSTR WINAPI lstrcpynA(LPSTR target, LPCSTR text, int size) {
  if (size > 0) {
    size_t length = strnlen(text, (size_t)size - 1);
    memcpy(target, text, length);
    target[length] = '\0';
  }
  return target;
}

LPWSTR WINAPI lstrcpynW(LPWSTR target, LPCWSTR text, int size) {
  if (size > 0) {
    size_t length = wcsnlen(text, (size_t)size - 1);
    wmemcpy(target, text, length);
    target[length] = 0;
  }
  return target;
}

int WINAPI lstrcmpA(LPCSTR a, LPCSTR b) { return strcmp(a, b); }
int WINAPI lstrcmpW(LPCWSTR a, LPCWSTR b) { return wcscmp(a, b); }
int WINAPI lstrcmpiA(LPCSTR a, LPCSTR b) { return strcasecmp(a, b); }
int WINAPI lstrcmpiW(LPCWSTR a, LPCWSTR b) { return _wcsicmp(a, b); }
