#pragma once

/* Text, for the library of the DHCP callouts and for that of the drivers. */

#include <hookline/wintypes.h>
#include <stdarg.h>

/* One code point of UTF-8 or UTF-16. What is malformed gives U+FFFD, sets *bad, and takes one unit.
 * `*position` < `length` is required and grows. */
uint32_t hookline_decode8(const char* text, size_t length, size_t* position, int* bad);
uint32_t hookline_decode16(const WCHAR* text, size_t length, size_t* position, int* bad);
/* Writes 1 to 4 bytes, or 1 to 2 units, and returns how many. */
int hookline_encode8(uint32_t code_point, char out[4]);
int hookline_encode16(uint32_t code_point, WCHAR out[2]);
/* printf with Windows' sizes (winstr.h). Writes at most `size` units into `target`, no NUL, and
 * returns how many the whole text has. `wide`: target and format are WCHAR, otherwise char. */
size_t hookline_format(int wide, void* target, size_t size, const void* format, va_list arguments);
