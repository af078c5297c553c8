// The filter's place in the line: what enters the server and what leaves it passes here. There are
// no layers, filters or callouts to consult yet, so every frame and every reply passes.
// Packet thread only.
#pragma once

#include "line/counters.h"
#include "line/stages.h"

namespace hookline::filter {

class FilterEngine {
 public:
  // Keeps the references; what will be blocked ends in `endings`.
  FilterEngine(Endings& endings, Counters& counters);

  // Inbound, before anything looks into the DHCP message.
  Batch<Admitted> admit(Batch<Frame> frames);
  // Outbound, before the injection.
  Batch<Datagram> release(Batch<Reply> replies);

 private:
  [[maybe_unused]] Endings& endings_;
  [[maybe_unused]] Counters& counters_;
};

}  // namespace hookline::filter
