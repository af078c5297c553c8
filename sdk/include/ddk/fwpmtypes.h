#pragma once

#include <fwptypes.h>
#include <fwpvi.h>
#include <hookline/fwp_management.h>
