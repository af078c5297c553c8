// This process as a helper, by the descriptors that LinuxHelpers starts it with.
#pragma once

#include <memory>

#include "base/result.h"
#include "io/helper_side.h"

namespace hookline::io {

// The descriptors of a helper. Its standard input is empty; its standard output and error go to
// the pipe of kHelperOutputFd.
inline constexpr int kHelperMemoryFd = 3;
inline constexpr int kHelperWorkFd = 4;      // eventfd: the server wakes the helper
inline constexpr int kHelperCallBackFd = 5;  // eventfd: the helper wakes the server
inline constexpr int kHelperOutputFd = 6;

Result<std::unique_ptr<HelperSide>> attach_helper();

}  // namespace hookline::io
