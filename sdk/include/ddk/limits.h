#pragma once

/* The C library's, found here in any letter case. */

#include_next <limits.h>
