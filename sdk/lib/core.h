#pragma once

/* What the files of the SDK's library share. The library is linked into every callout, hidden, so
 * each callout has its own copy of all state here. */

#include <hookline/host.h>
#include <windows.h>

/* The host's services, or what stands for them in a callout that nobody attached. */
void hookline_log(uint32_t severity, const char* source, uint32_t event_id, const char* text);
uint32_t hookline_registry_query(const char* subkey, const char* value, uint32_t* type, void* data,
                                 uint32_t* size);
uint32_t hookline_map_path(const char* windows_path, char* out, uint32_t out_size);
const struct HooklineHost* hookline_host(void); /* may be NULL */
uint32_t hookline_take_host(const struct HooklineHost* host);

/* The callout's own file name without its folder; "callout" before it is known. */
const char* hookline_own_name(void);

/* One code point of UTF-8 or UTF-16. What is malformed gives U+FFFD, sets *bad, and takes one unit.
 * `*position` < `length` is required and grows. */
uint32_t hookline_decode8(const char* text, size_t length, size_t* position, int* bad);
uint32_t hookline_decode16(const WCHAR* text, size_t length, size_t* position, int* bad);
/* Writes 1 to 4 bytes, or 1 to 2 units, and returns how many. */
int hookline_encode8(uint32_t code_point, char out[4]);
int hookline_encode16(uint32_t code_point, WCHAR out[2]);
/* A copy in the other encoding, to be freed by free(); NULL without memory, or of NULL. */
char* hookline_narrow(const WCHAR* text);
WCHAR* hookline_widen(const char* text);

/* printf with Windows' sizes (winstr.h). Writes at most `size` units into `target`, no NUL, and
 * returns how many the whole text has. `wide`: target and format are WCHAR, otherwise char. */
size_t hookline_format(int wide, void* target, size_t size, const void* format, va_list arguments);
