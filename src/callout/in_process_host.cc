#include "callout/in_process_host.h"

#include <utility>

namespace hookline::callout {

InProcessHost::InProcessHost(LoadedCallout callout, Options options, io::Clock& clock,
                             io::Memory& memory, Logger& log)
    : callout_(std::move(callout)),
      clock_(clock),
      ledger_(callout_.name, options.slow_ns, clock, log),
      runner_(callout_.table, options.slots, memory, *this) {}

InProcessHost::~InProcessHost() = default;

void InProcessHost::run(std::span<Call> calls) {
  uint64_t before = clock_.ticks();
  for (Call& call : calls) {
    runner_.run(call);
    if ((hooks() & hook_bit(call.hook)) == 0) continue;
    const uint64_t after = clock_.ticks();
    ledger_.took(call.hook, clock_.ns_of(after - before));
    if (call.changed || !call.process_it) ledger_.answered(call);
    before = after;
  }
}

}  // namespace hookline::callout
