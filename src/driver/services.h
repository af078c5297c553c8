// What a driver's calls are answered by: the server's one engine, its packets and its injections.
#pragma once

#include "filter/engine.h"
#include "inject/injections.h"
#include "inject/lists.h"

namespace hookline::driver {

// All outlive every driver.
struct Services {
  filter::Engine& engine;
  inject::Lists& lists;
  inject::Injections& injections;
};

}  // namespace hookline::driver
