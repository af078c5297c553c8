/* Addresses from text and to text (ip2string.h). One reader and one writer on narrow text; wide
 * text is copied to and from it, since no address has a character beyond ASCII. */

#include <ip2string.h>
#include <stdio.h>
#include <string.h>

/* The longest text of an address: all that is read of a longer one. */
enum { kTextSize = 64 };

/* The value of one digit, or 16. */
static unsigned digit(char c) {
  if (c >= '0' && c <= '9') {
    return (unsigned)(c - '0');
  }
  if (c >= 'a' && c <= 'f') {
    return (unsigned)(c - 'a') + 10;
  }
  return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

/* One part of an IPv4 address up to `limit`; where it ends, or NULL. */
static const char* read_part(const char* text, int strict, ULONGLONG limit, ULONG* value) {
  unsigned base = 10;
  if (!strict && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text += 2;
  } else if (text[0] == '0' && digit(text[1]) < 10) {
    if (strict) {
      return NULL;
    }
    base = 8;
  }
  const char* begin = text;
  ULONGLONG sum = 0;
  while (digit(*text) < base && sum <= limit) {
    sum = sum * base + digit(*text++);
  }
  if (text == begin || sum > limit) {
    return NULL;
  }
  *value = (ULONG)sum;
  return text;
}

/* Where reading ended; *good says whether it was an address. */
static const char* read_v4(const char* text, int strict, UCHAR out[4], int* good) {
  ULONG parts[4] = {0, 0, 0, 0};
  int count = 0;
  *good = 0;
  for (;;) {
    const char* end = read_part(text, strict, 0xffffffff, &parts[count]);
    if (end == NULL) {
      return text;
    }
    text = end;
    ++count;
    if (*text != '.' || count == 4) {
      break;
    }
    ++text;
  }
  if (strict && count != 4) {
    return text;
  }
  /* All but the last are one byte; the last fills what is left. */
  ULONGLONG value = parts[count - 1];
  if (value >> (8 * (5 - count)) != 0) {
    return text;
  }
  for (int i = 0; i < count - 1; ++i) {
    if (parts[i] > 255) {
      return text;
    }
    value |= (ULONGLONG)parts[i] << (24 - 8 * i);
  }
  for (int i = 0; i < 4; ++i) {
    out[i] = (UCHAR)(value >> (24 - 8 * i));
  }
  *good = 1;
  return text;
}

/* Up to four hexadecimal digits; NULL if there is none. */
static const char* read_group(const char* text, unsigned* value) {
  const char* begin = text;
  *value = 0;
  while (text - begin < 4 && digit(*text) < 16) {
    *value = *value * 16 + digit(*text++);
  }
  return text == begin || digit(*text) < 16 ? NULL : text;
}

static const char* read_v6(const char* text, UCHAR out[16], int* good) {
  UCHAR bytes[16] = {0};
  int at = 0;
  int gap = -1;
  *good = 0;
  if (text[0] == ':' && text[1] == ':') {
    gap = 0;
    text += 2;
  }
  while (at < 16) {
    unsigned value;
    const char* end = read_group(text, &value);
    if (end == NULL) {
      if (gap != at || digit(*text) < 16) { /* only the :: may stand at the end */
        return text;
      }
      break;
    }
    if (*end == '.' && at <= 12) {
      int quad;
      end = read_v4(text, 1, bytes + at, &quad);
      if (!quad) {
        return end;
      }
      at += 4;
      text = end;
      break;
    }
    bytes[at++] = (UCHAR)(value >> 8);
    bytes[at++] = (UCHAR)value;
    text = end;
    if (text[0] != ':' || at == 16) {
      break;
    }
    if (text[1] == ':') {
      if (gap >= 0) {
        return text;
      }
      gap = at;
      ++text;
    }
    ++text;
  }
  if (gap < 0 ? at != 16 : at == 16) {
    return text;
  }
  if (gap >= 0) {
    memmove(bytes + 16 - (at - gap), bytes + gap, (size_t)(at - gap));
    memset(bytes + gap, 0, (size_t)(16 - at));
  }
  memcpy(out, bytes, 16);
  *good = 1;
  return text;
}

/* The beginning of wide text as narrow text; what is not ASCII becomes a character of no address.
 */
static void narrow(PCWSTR text, char out[kTextSize]) {
  size_t i = 0;
  while (i < kTextSize - 1 && text[i] != 0) {
    out[i] = text[i] < 0x80 ? (char)text[i] : '?';
    ++i;
  }
  out[i] = '\0';
}

NTSTATUS NTAPI RtlIpv4StringToAddressA(PCSTR text, BOOLEAN strict, PCSTR* terminator,
                                       IN_ADDR* address) {
  UCHAR bytes[4];
  int good;
  *terminator = read_v4(text, strict, bytes, &good);
  if (!good) {
    return STATUS_INVALID_PARAMETER;
  }
  memcpy(address, bytes, sizeof bytes);
  return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlIpv4StringToAddressW(PCWSTR text, BOOLEAN strict, PCWSTR* terminator,
                                       IN_ADDR* address) {
  char copy[kTextSize];
  narrow(text, copy);
  PCSTR end;
  NTSTATUS status = RtlIpv4StringToAddressA(copy, strict, &end, address);
  *terminator = text + (end - copy);
  return status;
}

NTSTATUS NTAPI RtlIpv6StringToAddressA(PCSTR text, PCSTR* terminator, IN6_ADDR* address) {
  UCHAR bytes[16];
  int good;
  *terminator = read_v6(text, bytes, &good);
  if (!good) {
    return STATUS_INVALID_PARAMETER;
  }
  memcpy(address, bytes, sizeof bytes);
  return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlIpv6StringToAddressW(PCWSTR text, PCWSTR* terminator, IN6_ADDR* address) {
  char copy[kTextSize];
  narrow(text, copy);
  PCSTR end;
  NTSTATUS status = RtlIpv6StringToAddressA(copy, &end, address);
  *terminator = text + (end - copy);
  return status;
}

static PWSTR widen(const char* text, PWSTR out) {
  size_t i = 0;
  for (; text[i] != '\0'; ++i) {
    out[i] = (WCHAR)text[i];
  }
  out[i] = 0;
  return out + i;
}

PSTR NTAPI RtlIpv4AddressToStringA(const IN_ADDR* address, PSTR text) {
  const UCHAR* bytes = (const UCHAR*)address;
  return text + sprintf(text, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
}

PWSTR NTAPI RtlIpv4AddressToStringW(const IN_ADDR* address, PWSTR text) {
  char copy[kTextSize];
  RtlIpv4AddressToStringA(address, copy);
  return widen(copy, text);
}

/* The longest run of zero groups, of two at least: *length is 0 without one. */
static int longest_gap(const UCHAR* bytes, int* length) {
  int best = 0;
  *length = 0;
  for (int i = 0; i < 8; ++i) {
    int run = 0;
    while (i + run < 8 && bytes[2 * (i + run)] == 0 && bytes[2 * (i + run) + 1] == 0) {
      ++run;
    }
    if (run > *length && run >= 2) {
      best = i;
      *length = run;
    }
  }
  return best;
}

PSTR NTAPI RtlIpv6AddressToStringA(const IN6_ADDR* address, PSTR text) {
  const UCHAR* bytes = address->u.Byte;
  int length;
  int gap = longest_gap(bytes, &length);
  /* ::a.b.c.d and ::ffff:a.b.c.d */
  int holds_v4 =
      gap == 0 && (length == 6 || (length == 5 && bytes[10] == 0xff && bytes[11] == 0xff));
  char* at = text;
  for (int group = 0; group < 8;) {
    if (length > 0 && group == gap) {
      at += sprintf(at, "::");
      group += length;
      continue;
    }
    if (group != 0 && group != gap + length) {
      *at++ = ':';
    }
    if (holds_v4 && group == 6) {
      IN_ADDR quad;
      memcpy(&quad, bytes + 12, sizeof quad);
      return RtlIpv4AddressToStringA(&quad, at);
    }
    at += sprintf(at, "%x", (unsigned)(bytes[2 * group] << 8 | bytes[2 * group + 1]));
    ++group;
  }
  *at = '\0';
  return at;
}

PWSTR NTAPI RtlIpv6AddressToStringW(const IN6_ADDR* address, PWSTR text) {
  char copy[kTextSize];
  RtlIpv6AddressToStringA(address, copy);
  return widen(copy, text);
}
