/* UTF-8 and UTF-16, and Windows' functions between them. */

#include <stdlib.h>

#include "core.h"

uint32_t hookline_decode8(const char* text, size_t length, size_t* position, int* bad) {
  static const uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t at = (*position)++;
  unsigned char first = (unsigned char)text[at];
  if (first < 0x80) {
    return first;
  }
  int units = first >= 0xF0 && first < 0xF8   ? 4
              : first >= 0xE0 && first < 0xF0 ? 3
              : first >= 0xC0 && first < 0xE0 ? 2
                                              : 0;
  if (units != 0 && length - at >= (size_t)units) {
    uint32_t value = first & (0xFFu >> (units + 1));
    int good = 1;
    for (int i = 1; i < units; ++i) {
      unsigned char next = (unsigned char)text[at + (size_t)i];
      good = good && (next & 0xC0) == 0x80;
      value = value << 6 | (next & 0x3F);
    }
    if (good && value >= kLeast[units] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF)) {
      *position = at + (size_t)units;
      return value;
    }
  }
  *bad = 1;
  return 0xFFFD;
}

uint32_t hookline_decode16(const WCHAR* text, size_t length, size_t* position, int* bad) {
  uint32_t first = text[(*position)++];
  if (first < 0xD800 || first > 0xDFFF) {
    return first;
  }
  if (first < 0xDC00 && *position < length && text[*position] >= 0xDC00 &&
      text[*position] <= 0xDFFF) {
    return 0x10000 + ((first - 0xD800) << 10) + (text[(*position)++] - 0xDC00u);
  }
  *bad = 1;
  return 0xFFFD;
}

int hookline_encode8(uint32_t code_point, char out[4]) {
  if (code_point < 0x80) {
    out[0] = (char)code_point;
    return 1;
  }
  int units = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
  for (int i = units - 1; i > 0; --i) {
    out[i] = (char)(0x80 | (code_point & 0x3F));
    code_point >>= 6;
  }
  out[0] = (char)((0xF00 >> units) | code_point);
  return units;
}

int hookline_encode16(uint32_t code_point, WCHAR out[2]) {
  if (code_point < 0x10000) {
    out[0] = (WCHAR)code_point;
    return 1;
  }
  out[0] = (WCHAR)(0xD800 + ((code_point - 0x10000) >> 10));
  out[1] = (WCHAR)(0xDC00 + ((code_point - 0x10000) & 0x3FF));
  return 2;
}

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
