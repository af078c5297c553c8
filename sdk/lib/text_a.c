/* The bounded text functions for char. */

#include <errno.h>
#include <strsafe.h>

#include "core.h"

#define UNIT char
#define WIDE 0
#define LENGTH strlen
#define BOUNDED_LENGTH strnlen
#define COPY memcpy
#define NAME_CPY_S strcpy_s
#define NAME_CAT_S strcat_s
#define NAME_VSNPRINTF _vsnprintf
#define NAME_SNPRINTF _snprintf
#define NAME_PRINTF_S sprintf_s
#define NAME_WSPRINTF wsprintfA
#define CCH(name) StringCch##name##A

#include "text_s.h"
