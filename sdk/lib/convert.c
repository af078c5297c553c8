/* Windows' functions between UTF-8 and UTF-16. */

#include <stdlib.h>

#include "core.h"

static int is_utf8(UINT code_page) {
  return code_page == CP_ACP || code_page == CP_OEMCP || code_page == CP_THREAD_ACP ||
         code_page == CP_UTF8;
}

static int fail(DWORD error) {
  SetLastError(error);
  return 0;
}

int WINAPI MultiByteToWideChar(UINT code_page, DWORD flags, LPCSTR text, int bytes, LPWSTR wide,
                               int wide_size) {
  if (!is_utf8(code_page) || text == NULL || bytes == 0 || bytes < -1 || wide_size < 0 ||
      (wide == NULL && wide_size != 0)) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  size_t length = bytes == -1 ? strlen(text) + 1 : (size_t)bytes;
  size_t position = 0;
  int written = 0;
  int bad = 0;
  while (position < length) {
    WCHAR units[2];
    int count = hookline_encode16(hookline_decode8(text, length, &position, &bad), units);
    if (wide_size != 0) {
      if (wide_size - written < count) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
      }
      memcpy(wide + written, units, (size_t)count * sizeof(WCHAR));
    }
    written += count;
  }
  if (bad && (flags & MB_ERR_INVALID_CHARS) != 0) {
    return fail(ERROR_NO_UNICODE_TRANSLATION);
  }
  return written;
}

int WINAPI WideCharToMultiByte(UINT code_page, DWORD flags, LPCWSTR wide, int length, LPSTR text,
                               int size, LPCSTR default_char, LPBOOL used_default_char) {
  if (!is_utf8(code_page) || wide == NULL || length == 0 || length < -1 || size < 0 ||
      (text == NULL && size != 0)) {
    return fail(ERROR_INVALID_PARAMETER);
  }
  (void)default_char;
  size_t units = length == -1 ? wcslen(wide) + 1 : (size_t)length;
  size_t position = 0;
  int written = 0;
  int bad = 0;
  while (position < units) {
    char bytes[4];
    int count = hookline_encode8(hookline_decode16(wide, units, &position, &bad), bytes);
    if (size != 0) {
      if (size - written < count) {
        return fail(ERROR_INSUFFICIENT_BUFFER);
      }
      memcpy(text + written, bytes, (size_t)count);
    }
    written += count;
  }
  if (bad && (flags & WC_ERR_INVALID_CHARS) != 0) {
    return fail(ERROR_NO_UNICODE_TRANSLATION);
  }
  if (used_default_char != NULL) {
    *used_default_char = bad;
  }
  return written;
}

char* hookline_narrow(const WCHAR* text) {
  if (text == NULL) {
    return NULL;
  }
  int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
  char* copy = malloc((size_t)size);
  if (copy != NULL) {
    WideCharToMultiByte(CP_UTF8, 0, text, -1, copy, size, NULL, NULL);
  }
  return copy;
}

WCHAR* hookline_widen(const char* text) {
  if (text == NULL) {
    return NULL;
  }
  int size = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
  WCHAR* copy = malloc((size_t)size * sizeof(WCHAR));
  if (copy != NULL) {
    MultiByteToWideChar(CP_UTF8, 0, text, -1, copy, size);
  }
  return copy;
}
