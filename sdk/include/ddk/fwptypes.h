#pragma once

#include <hookline/fwp_types.h>
