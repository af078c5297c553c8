#pragma once

/* DHCP options in the raw packet of a hook: find, read, set, append, remove, iterate.
 *
 * For the buffers of DhcpNewPktHook and DhcpPktSendHook, which have room for 4096 bytes whatever
 * *PacketSize says. Header-only, C11 and C++11, no types of Windows; also for --windows. Nothing
 * here reads beyond `size` or writes beyond 4096, whatever the packet contains. Functions that can
 * fail return 1 for done or found and 0 otherwise; one that returns 0 has changed nothing.
 *
 * RFC 2131 and 2132: options stand behind the magic cookie at byte 236, and, when option 52 says
 * so, also in the fields `file` and `sname`. RFC 3396: a long option stands in several pieces. */

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a hook's DWORD *PacketSize points at. */
#if defined(_WIN32)
typedef unsigned long hookline_size;
#else
typedef uint32_t hookline_size;
#endif

enum {
  HOOKLINE_PACKET_CAPACITY = 4096,
  /* Offsets of the fixed fields. */
  HOOKLINE_OP = 0,
  HOOKLINE_HTYPE = 1,
  HOOKLINE_HLEN = 2,
  HOOKLINE_HOPS = 3,
  HOOKLINE_XID = 4,
  HOOKLINE_SECS = 8,
  HOOKLINE_FLAGS = 10,
  HOOKLINE_CIADDR = 12,
  HOOKLINE_YIADDR = 16,
  HOOKLINE_SIADDR = 20,
  HOOKLINE_GIADDR = 24,
  HOOKLINE_CHADDR = 28,
  HOOKLINE_SNAME = 44,
  HOOKLINE_FILE = 108,
  HOOKLINE_COOKIE = 236,
  HOOKLINE_OPTIONS = 240,
  /* The least that a BOOTP packet had: removing an option makes no packet shorter than this. */
  HOOKLINE_BOOTP_SIZE = 300
};

struct hookline_option {
  uint8_t code;
  uint8_t length;
  const uint8_t* value; /* in the packet */
};

/* Where an iteration stands. Valid until the packet is changed. */
struct hookline_options {
  const uint8_t* packet;
  uint32_t at;
  uint32_t end;
  uint8_t overload; /* fields still to visit: 1 file, 2 sname */
};

static inline uint32_t hookline_get32(const uint8_t* bytes) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void hookline_put32(uint8_t* bytes, uint32_t value) {
  bytes[0] = (uint8_t)(value >> 24);
  bytes[1] = (uint8_t)(value >> 16);
  bytes[2] = (uint8_t)(value >> 8);
  bytes[3] = (uint8_t)value;
}

/* Whether the fixed fields are whole and the magic cookie follows. */
static inline int hookline_has_options(const uint8_t* packet, uint32_t size) {
  return size >= HOOKLINE_OPTIONS && size <= HOOKLINE_PACKET_CAPACITY &&
         hookline_get32(packet + HOOKLINE_COOKIE) == 0x63825363u;
}

/* The next option of one field. A malformed one ends the field, as option 255 does. */
static inline int hookline_next_in_field(const uint8_t* packet, uint32_t* at, uint32_t end,
                                         struct hookline_option* option) {
  while (*at < end && packet[*at] == 0) {
    ++*at;
  }
  if (*at >= end || packet[*at] == 255 || end - *at < 2 ||
      end - *at - 2 < (uint32_t)packet[*at + 1]) {
    return 0;
  }
  option->code = packet[*at];
  option->length = packet[*at + 1];
  option->value = packet + *at + 2;
  *at += 2u + option->length;
  return 1;
}

/* Starts an iteration over all options, those in `file` and `sname` included. */
static inline struct hookline_options hookline_options_of(const uint8_t* packet, uint32_t size) {
  struct hookline_options options = {packet, HOOKLINE_OPTIONS, HOOKLINE_OPTIONS, 0};
  struct hookline_option option;
  uint32_t at = HOOKLINE_OPTIONS;
  if (!hookline_has_options(packet, size)) {
    return options;
  }
  options.end = size;
  while (hookline_next_in_field(packet, &at, size, &option)) {
    if (option.code == 52 && option.length == 1) {
      options.overload = option.value[0] & 3;
      break;
    }
  }
  return options;
}

static inline int hookline_option_next(struct hookline_options* options,
                                       struct hookline_option* option) {
  while (!hookline_next_in_field(options->packet, &options->at, options->end, option)) {
    if (options->overload & 1) {
      options->overload &= 2;
      options->at = HOOKLINE_FILE;
      options->end = HOOKLINE_COOKIE;
    } else if (options->overload & 2) {
      options->overload = 0;
      options->at = HOOKLINE_SNAME;
      options->end = HOOKLINE_FILE;
    } else {
      return 0;
    }
  }
  return 1;
}

/* The first option, or first piece of one, with this code. */
static inline int hookline_option_find(const uint8_t* packet, uint32_t size, uint8_t code,
                                       struct hookline_option* option) {
  struct hookline_options options = hookline_options_of(packet, size);
  while (hookline_option_next(&options, option)) {
    if (option->code == code) {
      return 1;
    }
  }
  return 0;
}

/* The whole value, its pieces joined. *length is the room on entry and the value's length on
 * return. 0: absent, or no room (*length then says how much is needed). */
static inline int hookline_option_read(const uint8_t* packet, uint32_t size, uint8_t code,
                                       uint8_t* value, uint32_t* length) {
  struct hookline_options options = hookline_options_of(packet, size);
  struct hookline_option option;
  uint32_t room = *length;
  int found = 0;
  *length = 0;
  while (hookline_option_next(&options, &option)) {
    if (option.code != code) {
      continue;
    }
    found = 1;
    if (*length <= room && room - *length >= option.length && option.length != 0) {
      memcpy(value + *length, option.value, option.length);
    }
    *length += option.length;
  }
  return found && *length <= room;
}

/* Option 53, or 0: BOOTP or malformed. */
static inline uint8_t hookline_message_type(const uint8_t* packet, uint32_t size) {
  struct hookline_option option;
  return hookline_option_find(packet, size, 53, &option) && option.length == 1 ? option.value[0]
                                                                               : 0;
}

/* A sub-option of option 82, or of any option in that form. */
static inline int hookline_suboption_find(const uint8_t* value, uint32_t length, uint8_t code,
                                          struct hookline_option* option) {
  uint32_t at = 0;
  while (length - at >= 2 && length - at - 2 >= value[at + 1]) {
    option->code = value[at];
    option->length = value[at + 1];
    option->value = value + at + 2;
    if (option->code == code) {
      return 1;
    }
    at += 2u + option->length;
  }
  return 0;
}

/* How long the options field is before its end mark, and how many bytes of it `code` takes. */
static inline int hookline_measure(const uint8_t* packet, uint32_t size, uint8_t code,
                                   uint32_t* end, uint32_t* taken) {
  struct hookline_option option;
  uint32_t at = HOOKLINE_OPTIONS;
  *taken = 0;
  if (!hookline_has_options(packet, size)) {
    return 0;
  }
  while (hookline_next_in_field(packet, &at, size, &option)) {
    *taken += option.code == code ? 2u + option.length : 0;
  }
  *end = at;
  return at == size || packet[at] == 255;
}

static inline uint32_t hookline_bytes_for(uint32_t length) {
  return length == 0 ? 2 : length + 2 * ((length + 254) / 255);
}

static inline int hookline_is_inside(const uint8_t* packet, const void* value, uint32_t length) {
  uintptr_t first = (uintptr_t)packet;
  uintptr_t other = (uintptr_t)value;
  return length != 0 && other < first + HOOKLINE_PACKET_CAPACITY && first < other + length;
}

/* Drops every piece of `code` from [at, end) of the packet and zeroes what becomes free there.
 * Returns how many bytes were taken out. */
static inline uint32_t hookline_squeeze(uint8_t* packet, uint32_t at, uint32_t end, uint8_t code) {
  struct hookline_option option;
  uint32_t removed = 0;
  while (hookline_next_in_field(packet, &at, end - removed, &option)) {
    if (option.code == code) {
      uint32_t piece = 2u + option.length;
      at -= piece;
      memmove(packet + at, packet + at + piece, end - removed - at - piece);
      memset(packet + end - removed - piece, 0, piece);
      removed += piece;
    }
  }
  /* What could not be read must not become readable by what was moved. */
  if (removed != 0 && at < end - removed && packet[at] != 255) {
    packet[at] = 255;
  }
  return removed;
}

/* Writes an option at `end`, in pieces of at most 255, then the end mark; grows *size if need be.
 */
static inline void hookline_write_at(uint8_t* packet, hookline_size* size, uint32_t end,
                                     uint8_t code, const uint8_t* value, uint32_t length) {
  do {
    uint32_t piece = length < 255 ? length : 255;
    packet[end] = code;
    packet[end + 1] = (uint8_t)piece;
    if (piece != 0) {
      memcpy(packet + end + 2, value, piece);
      value += piece;
    }
    end += 2 + piece;
    length -= piece;
  } while (length != 0);
  packet[end++] = 255;
  if (*size < end) {
    *size = end;
  }
}

/* Adds an option behind the others. 0: no room in the 4096 bytes, a malformed options field, code 0
 * or 255, or a value inside the packet itself. Mind that a reply beyond the client's maximum
 * message size (option 57; 576 without it) may not reach it. */
static inline int hookline_option_append(uint8_t* packet, hookline_size* size, uint8_t code,
                                         const void* value, uint32_t length) {
  uint32_t end, taken;
  if (code == 0 || code == 255 || length > HOOKLINE_PACKET_CAPACITY ||
      hookline_is_inside(packet, value, length) ||
      !hookline_measure(packet, *size, code, &end, &taken) ||
      end + hookline_bytes_for(length) + 1 > HOOKLINE_PACKET_CAPACITY) {
    return 0;
  }
  hookline_write_at(packet, size, end, code, (const uint8_t*)value, length);
  return 1;
}

/* Removes every piece of an option, also from `file` and `sname`. 0: absent, or malformed. */
static inline int hookline_option_remove(uint8_t* packet, hookline_size* size, uint8_t code) {
  struct hookline_options fields;
  uint32_t end, taken, elsewhere = 0;
  if (code == 0 || code == 255 || !hookline_measure(packet, *size, code, &end, &taken)) {
    return 0;
  }
  fields = hookline_options_of(packet, *size);
  if (fields.overload & 1) {
    elsewhere += hookline_squeeze(packet, HOOKLINE_FILE, HOOKLINE_COOKIE, code);
  }
  if (fields.overload & 2) {
    elsewhere += hookline_squeeze(packet, HOOKLINE_SNAME, HOOKLINE_FILE, code);
  }
  hookline_squeeze(packet, HOOKLINE_OPTIONS, *size, code);
  if (taken != 0 && *size > HOOKLINE_BOOTP_SIZE) {
    *size -= taken;
    if (*size < HOOKLINE_BOOTP_SIZE) {
      *size = HOOKLINE_BOOTP_SIZE;
    }
  }
  return taken + elsewhere != 0;
}

/* Gives an option this value, whether it was there or not. 0 as for append. */
static inline int hookline_option_set(uint8_t* packet, hookline_size* size, uint8_t code,
                                      const void* value, uint32_t length) {
  uint32_t end, taken;
  if (code == 0 || code == 255 || length > HOOKLINE_PACKET_CAPACITY ||
      hookline_is_inside(packet, value, length) ||
      !hookline_measure(packet, *size, code, &end, &taken) ||
      end - taken + hookline_bytes_for(length) + 1 > HOOKLINE_PACKET_CAPACITY) {
    return 0;
  }
  hookline_option_remove(packet, size, code);
  hookline_write_at(packet, size, end - taken, code, (const uint8_t*)value, length);
  return 1;
}

#ifdef __cplusplus
}
#endif
