#pragma once

/* All of it stands in windows.h. */
#include <windows.h>
