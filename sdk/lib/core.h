#pragma once

/* What the files of the SDK's library share. The library is linked into every callout, hidden, so
 * each callout has its own copy of all state here. */

#include <hookline/host.h>
#include <windows.h>

#include "text.h"

/* The host's services, or what stands for them in a callout that nobody attached. */
void hookline_log(uint32_t severity, const char* source, uint32_t event_id, const char* text);
uint32_t hookline_registry_query(const char* subkey, const char* value, uint32_t* type, void* data,
                                 uint32_t* size);
uint32_t hookline_map_path(const char* windows_path, char* out, uint32_t out_size);
const struct HooklineHost* hookline_host(void); /* may be NULL */
uint32_t hookline_take_host(const struct HooklineHost* host);

/* The callout's own file name without its folder; "callout" before it is known. */
const char* hookline_own_name(void);

/* A copy in the other encoding, to be freed by free(); NULL without memory, or of NULL. */
char* hookline_narrow(const WCHAR* text);
WCHAR* hookline_widen(const char* text);
