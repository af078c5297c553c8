#pragma once

#include <hookline/ddk/base.h>
