#pragma once

/* Callouts and injection for drivers. */

#include <fwpstypes.h>
#include <hookline/fwp_functions.h>
#include <ndis.h>
#include <ws2ipdef.h>
