// Loading one callout into this process: the library, its services, its entry point. The callout's
// code runs from here on: in DllMain and in its entry point.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "callout/load_failure.h"
#include "dhcpssdk.h"
#include "io/fault_trap.h"
#include "io/library.h"

namespace hookline::callout {

class Services;

// A callout whose entry point has accepted.
struct LoadedCallout {
  std::string name;  // as configured
  std::string path;
  DHCP_CALLOUT_TABLE table{};
  // Whatever keeps its code in memory; let go when the callout goes.
  std::shared_ptr<void> library;
};

// `chain` is what its entry point gets as ChainDlls. `services` lives as long as the callout.
// `trap`: what its entry point is called through, if there is one.
tl::expected<LoadedCallout, LoadFailure> load_callout(io::Libraries& libraries,
                                                      const Services& services,
                                                      const std::string& name,
                                                      const std::u16string& chain,
                                                      io::FaultTrap* trap = nullptr);

}  // namespace hookline::callout
