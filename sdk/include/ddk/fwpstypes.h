#pragma once

#include <fwptypes.h>
#include <fwpvi.h>
#include <hookline/fwp_callout.h>
