// [leasequery]: who may ask, and where.
#pragma once

#include "config/reader.h"
#include "line/config.h"

namespace hookline::config {

LeaseQueryConfig decode_leasequery(const Reader& reader, Problems& problems);

}  // namespace hookline::config
