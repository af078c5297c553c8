/* One printf for char and WCHAR with Windows' sizes: see winstr.h. */

#include <hookline/ntdef.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "text.h"

struct Output {
  int wide;
  void* target;
  size_t size;
  size_t length; /* of the whole text, written or not */
};

struct Spec {
  char flags[8];
  int flag_count;
  int left;
  int zero;
  int width;
  int precision; /* -1: none */
  int size;      /* bytes of an integer argument: 1, 2, 4, 8 */
  char prefix;   /* 'h', 'l', or 0: what was said of a string's kind */
};

static void put_unit(struct Output* out, uint32_t unit) {
  if (out->length < out->size) {
    if (out->wide) {
      ((WCHAR*)out->target)[out->length] = (WCHAR)unit;
    } else {
      ((char*)out->target)[out->length] = (char)unit;
    }
  }
  ++out->length;
}

static void pad(struct Output* out, int count, char with) {
  for (; count > 0; --count) {
    put_unit(out, (unsigned char)with);
  }
}

static void put_narrow(struct Output* out, const char* text, size_t length) {
  size_t position = 0;
  int bad = 0;
  while (position < length) {
    if (!out->wide) {
      put_unit(out, (unsigned char)text[position++]);
      continue;
    }
    WCHAR units[2];
    int count = hookline_encode16(hookline_decode8(text, length, &position, &bad), units);
    for (int i = 0; i < count; ++i) {
      put_unit(out, units[i]);
    }
  }
}

static void put_wide(struct Output* out, const WCHAR* text, size_t length) {
  size_t position = 0;
  int bad = 0;
  while (position < length) {
    if (out->wide) {
      put_unit(out, text[position++]);
      continue;
    }
    char bytes[4];
    int count = hookline_encode8(hookline_decode16(text, length, &position, &bad), bytes);
    put_narrow(out, bytes, (size_t)count);
  }
}

/* Puts so many units of a text with their padding. `text` is WCHAR or char. */
static void put_counted(struct Output* out, const struct Spec* spec, int wide, const void* text,
                        size_t length) {
  int padding = spec->width > (int)length ? spec->width - (int)length : 0;
  if (!spec->left) {
    pad(out, padding, ' ');
  }
  if (wide) {
    put_wide(out, text, length);
  } else {
    put_narrow(out, text, length);
  }
  if (spec->left) {
    pad(out, padding, ' ');
  }
}

static void put_text(struct Output* out, const struct Spec* spec, int wide, const void* text) {
  size_t most = spec->precision >= 0 ? (size_t)spec->precision : SIZE_MAX;
  if (text == NULL) {
    text = "(null)";
    wide = 0;
  }
  put_counted(out, spec, wide, text, wide ? wcsnlen(text, most) : strnlen(text, most));
}

/* %wZ is a UNICODE_STRING, %Z an ANSI_STRING. */
static void put_string(struct Output* out, const struct Spec* spec, int wide, const void* string) {
  const UNICODE_STRING* text = string; /* both are laid out alike */
  if (text == NULL || text->Buffer == NULL) {
    put_text(out, spec, 0, NULL);
    return;
  }
  size_t length = wide ? text->Length / sizeof(WCHAR) : text->Length;
  size_t most = spec->precision >= 0 ? (size_t)spec->precision : SIZE_MAX;
  put_counted(out, spec, wide, text->Buffer, length < most ? length : most);
}

/* A number by the C library's own printf: it knows the flags. */
static void put_number(struct Output* out, const struct Spec* spec, char conversion,
                       unsigned long long integer, double real) {
  char format[32];
  char text[512];
  char precision[16] = "";
  if (spec->precision >= 0) {
    snprintf(precision, sizeof precision, ".%d", spec->precision < 256 ? spec->precision : 256);
  }
  int is_real = strchr("aAeEfFgG", conversion) != NULL;
  snprintf(format, sizeof format, "%%%.*s%s%s%c", spec->flag_count, spec->flags, precision,
           is_real ? "" : "ll", conversion);
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
  int length = is_real ? snprintf(text, sizeof text, format, real)
                       : snprintf(text, sizeof text, format, integer);
#pragma clang diagnostic pop
  length = length < (int)sizeof text ? length : (int)sizeof text - 1;
  int padding = spec->width > length ? spec->width - length : 0;
  int sign = length > 0 && strchr("+- ", text[0]) != NULL;
  int zeros = spec->zero && !spec->left && (is_real || spec->precision < 0);
  if (!spec->left && !zeros) {
    pad(out, padding, ' ');
  }
  if (zeros) {
    put_narrow(out, text, (size_t)sign);
    pad(out, padding, '0');
  }
  put_narrow(out, text + (zeros ? sign : 0), (size_t)(length - (zeros ? sign : 0)));
  if (spec->left) {
    pad(out, padding, ' ');
  }
}

static uint32_t unit_at(int wide, const void* format, size_t at) {
  return wide ? ((const WCHAR*)format)[at] : ((const unsigned char*)format)[at];
}

/* The characters I64, I32, I, hh, h, ll, l, w, j, z, t. */
static size_t parse_size(struct Spec* spec, int wide, const void* format, size_t at) {
  uint32_t unit = unit_at(wide, format, at);
  uint32_t next = unit != 0 ? unit_at(wide, format, at + 1) : 0;
  if (unit == 'I') {
    uint32_t last = next != 0 ? unit_at(wide, format, at + 2) : 0;
    int is64 = next == '6' && last == '4';
    int is32 = next == '3' && last == '2';
    spec->size = is32 ? 4 : 8;
    return at + (is64 || is32 ? 3 : 1);
  }
  if (unit == 'h' || unit == 'l') {
    int twice = next == unit;
    spec->prefix = (char)unit;
    spec->size = unit == 'h' ? (twice ? 1 : 2) : (twice ? 8 : 4);
    return at + (twice ? 2 : 1);
  }
  if (unit == 'w' || unit == 'j' || unit == 'z' || unit == 't') {
    spec->prefix = unit == 'w' ? 'l' : 0;
    spec->size = unit == 'w' ? 4 : 8;
    return at + 1;
  }
  return at;
}

struct Arguments {
  va_list list;
};

static size_t parse_width(int* value, int wide, const void* format, size_t at,
                          struct Arguments* arguments) {
  if (unit_at(wide, format, at) == '*') {
    *value = va_arg(arguments->list, int);
    return at + 1;
  }
  *value = 0;
  for (uint32_t unit; (unit = unit_at(wide, format, at)) >= '0' && unit <= '9'; ++at) {
    *value = *value < 100000 ? *value * 10 + (int)(unit - '0') : *value;
  }
  return at;
}

static size_t parse_spec(struct Spec* spec, int wide, const void* format, size_t at,
                         struct Arguments* arguments) {
  for (uint32_t unit;
       (unit = unit_at(wide, format, at)) != 0 && unit < 0x80 && strchr("-+ #0", (int)unit) != NULL;
       ++at) {
    spec->left |= unit == '-';
    spec->zero |= unit == '0';
    if (strchr("+ #", (int)unit) != NULL && spec->flag_count < (int)sizeof spec->flags) {
      spec->flags[spec->flag_count++] = (char)unit;
    }
  }
  at = parse_width(&spec->width, wide, format, at, arguments);
  if (spec->width < 0) {
    spec->left = 1;
    spec->width = -spec->width;
  }
  if (unit_at(wide, format, at) == '.') {
    at = parse_width(&spec->precision, wide, format, at + 1, arguments);
  }
  return parse_size(spec, wide, format, at);
}

static void put_signed(struct Output* out, const struct Spec* spec, char conversion,
                       struct Arguments* arguments) {
  long long value =
      spec->size == 8 ? va_arg(arguments->list, long long) : va_arg(arguments->list, int);
  value = spec->size == 2 ? (short)value : spec->size == 1 ? (signed char)value : value;
  put_number(out, spec, conversion, (unsigned long long)value, 0);
}

static void put_unsigned(struct Output* out, const struct Spec* spec, char conversion,
                         struct Arguments* arguments) {
  unsigned long long value = spec->size == 8 ? va_arg(arguments->list, unsigned long long)
                                             : va_arg(arguments->list, unsigned);
  value = spec->size == 2 ? (unsigned short)value : spec->size == 1 ? (unsigned char)value : value;
  put_number(out, spec, conversion, value, 0);
}

static void put_conversion(struct Output* out, struct Spec* spec, uint32_t conversion,
                           struct Arguments* arguments) {
  int same_kind = conversion == 's' || conversion == 'c';
  int wide = spec->prefix != 0 ? spec->prefix == 'l' : out->wide == same_kind;
  WCHAR one[2] = {0, 0};
  switch (conversion) {
    case 's':
    case 'S':
      put_text(out, spec, wide, va_arg(arguments->list, const void*));
      break;
    case 'c':
    case 'C':
      one[0] = (WCHAR)va_arg(arguments->list, int);
      put_text(out, spec, 1, one);
      break;
    case 'Z':
      put_string(out, spec, spec->prefix == 'l', va_arg(arguments->list, const void*));
      break;
    case 'd':
    case 'i':
      put_signed(out, spec, 'd', arguments);
      break;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
      put_unsigned(out, spec, (char)conversion, arguments);
      break;
    case 'p':
      spec->size = 8;
      spec->precision = 16;
      put_unsigned(out, spec, 'X', arguments);
      break;
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
      put_number(out, spec, (char)conversion, 0, va_arg(arguments->list, double));
      break;
    default: /* %% and what nobody knows stand for themselves; %n writes nothing */
      if (conversion != 'n') {
        put_unit(out, conversion);
      }
  }
}

size_t hookline_format(int wide, void* target, size_t size, const void* format, va_list arguments) {
  struct Output out = {wide, target, size, 0};
  struct Arguments copy;
  va_copy(copy.list, arguments);
  for (size_t at = 0; unit_at(wide, format, at) != 0; ++at) {
    if (unit_at(wide, format, at) != '%') {
      put_unit(&out, unit_at(wide, format, at));
      continue;
    }
    struct Spec spec = {.precision = -1, .size = 4};
    at = parse_spec(&spec, wide, format, at + 1, &copy);
    if (unit_at(wide, format, at) == 0) {
      break;
    }
    put_conversion(&out, &spec, unit_at(wide, format, at), &copy);
  }
  va_end(copy.list);
  return out.length;
}
