#pragma once

/* A small windows.h for DHCP callouts: what a plain callout uses beside the API itself, each with a
 * working implementation (sdk/lib/). What is not here does not compile, by its name. sdk/README.md
 * lists what there is; `hookline-cc --windows` builds against the real one. */

#include <hookline/wintypes.h>

#if !HOOKLINE_SHORT_WCHAR
#error "windows.h needs 16-bit wide characters: compile with hookline-cc"
#endif

#include <ctype.h>
#include <hookline/sal.h>
#include <hookline/winbase.h>
#include <hookline/winreg.h>
#include <hookline/winstr.h>
#include <hookline/winsync.h>
#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#ifndef WIN32_LEAN_AND_MEAN
#include <inaddr.h>
#endif
