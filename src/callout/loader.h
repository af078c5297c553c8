// From [callouts] to hosts, in the steps that Microsoft documents: the names in alphabetical order
// (or as listed), one after the other until one loads and its entry point accepts; that one is told
// the names after its own and chains them. Or, for [[callouts.dll]], every one of them by itself.
//
// The callout's code runs from here on, in DllMain and in its entry point: in a helper process, or
// in this one where the configuration says so. One thread at a time; a callout that another loads
// later asks for services from any thread.
#pragma once

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/log.h"
#include "callout/host.h"
#include "callout/load_failure.h"
#include "io/clock.h"
#include "io/helper.h"
#include "io/library.h"
#include "io/memory.h"
#include "line/config.h"

namespace hookline::callout {

class Services;

class Loader {
 public:
  // `slots` is the size of the packet pool. `helpers` null: every callout runs in this process,
  // whatever the configuration says. The references outlive it, and it outlives its hosts.
  Loader(io::Libraries& libraries, io::Clock& clock, io::Memory& memory, Logger& log,
         size_t slots = kPacketsMax, io::Helpers* helpers = nullptr);
  ~Loader();

  struct Loaded {
    Hosts hosts;
    std::vector<std::string> failures;  // "mac.so: no such file", one a callout
  };
  // Never fails as a whole: a callout that can't be loaded is logged (events 1032 and 1034) and
  // passed over. REQUIRES: the hosts of the last load() are gone.
  Loaded load(const CalloutConfig& config) { return finish(prepare(config)); }

  // The same in two steps. First what runs in processes of its own: those start together, and load
  // beside whatever serves. Another thread may use the hosts that there are meanwhile.
  struct Prepared {
    struct Place {
      std::string name;
      std::unique_ptr<Host> host;  // null: not loaded, or not yet
      bool in_process = false;
    };
    CalloutConfig config;
    std::vector<Place> places;
    std::vector<std::string> failed;    // by their names
    std::vector<std::string> failures;  // Loaded::failures
  };
  Prepared prepare(const CalloutConfig& config);
  // Then what runs in this process, where the hosts before have to be gone.
  Loaded finish(Prepared prepared);

  using Attempt = tl::expected<std::unique_ptr<Host>, LoadFailure>;
  // Another host of one callout, `name` as the configuration has it, from the files as they are now
  // and beside the one that serves. Of a chain that DLLs make: of its first, with the whole chain.
  // Another thread may use the hosts that there are meanwhile.
  Attempt load_again(const CalloutConfig& config, const std::string& name);

 private:
  void use(const CalloutConfig& config);
  bool is_isolated(const CalloutHosting& hosting) const;
  Attempt attempt(io::Libraries& libraries, const std::string& name, const std::u16string& chain,
                  const CalloutHosting& hosting);
  Attempt attempt_in_process(io::Libraries& libraries, const std::string& name,
                             const std::u16string& chain);
  // Started, and not waited for.
  tl::expected<std::unique_ptr<class IsolatedHost>, LoadFailure> begin_isolated(
      const std::string& name, const std::u16string& chain, const CalloutHosting& hosting);
  void prepare_each(Prepared& out);
  void finish_each(Prepared& prepared);
  // The first of the chain that loads.
  void load_chain(Prepared& out);
  void report(const std::string& name, const LoadFailure& failure, Prepared& out);

  io::Libraries& libraries_;
  io::Clock& clock_;
  io::Memory& memory_;
  Logger& log_;
  size_t slots_;
  io::Helpers* helpers_;
  // Every one ever made: a library may stay in memory and keep its services although it was
  // unloaded. A load with the same configuration uses the last one again.
  std::vector<std::unique_ptr<Services>> services_;
};

}  // namespace hookline::callout
