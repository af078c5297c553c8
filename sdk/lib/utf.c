/* UTF-8 and UTF-16, one code point at a time. */

#include "text.h"

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
