// Why a callout is not loaded.
#pragma once

#include <string>

namespace hookline::callout {

struct LoadFailure {
  bool exception = false;  // it threw, or crashed, at load: event 1032
  std::string text;        // "/d/mac.so: its DllMain refused"
};

}  // namespace hookline::callout
