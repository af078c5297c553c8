// toml++ as this project uses it: the compiled library. Only config/ includes it.
#pragma once

#ifndef TOML_HEADER_ONLY
#define TOML_HEADER_ONLY 0
#endif
#include <toml++/toml.h>
