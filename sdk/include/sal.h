#pragma once

#include <hookline/sal.h>
