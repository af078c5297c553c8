// This process as a helper, under Wine: the descriptors that it was started with, as handles.
#pragma once

#include <memory>

#include "base/result.h"
#include "io/helper_side.h"

namespace hookline::io {

Result<std::unique_ptr<HelperSide>> attach_helper();

}  // namespace hookline::io
