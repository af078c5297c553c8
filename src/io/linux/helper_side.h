// This process as a helper, by the descriptors that LinuxHelpers starts it with.
#pragma once

#include <memory>

#include "base/result.h"
#include "io/helper_side.h"

namespace hookline::io {

Result<std::unique_ptr<HelperSide>> attach_helper();

}  // namespace hookline::io
