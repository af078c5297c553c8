// The two ends of a packet: completed, or dropped with a reason (invariant 3). Packet thread only.
#pragma once

#include "callout/callouts.h"
#include "filter/engine.h"
#include "line/counters.h"
#include "line/stages.h"
#include "server/in_flight.h"
#include "server/trace.h"

namespace hookline::server {

class PacketEnds final : public Endings {
 public:
  // Keeps the references, and uses none of them yet.
  PacketEnds(PacketPool& pool, InFlight& in_flight, callout::Callouts& callouts, TraceHub& traces,
             const filter::Engine& filters, Counters& counters)
      : pool_(pool),
        in_flight_(in_flight),
        callouts_(callouts),
        traces_(traces),
        filters_(filters),
        counters_(counters) {}

  void drop(PacketHandle packet, Drop reason) override;
  void drop_frame(Drop reason, uint64_t count) override;
  void complete(PacketHandle packet) override;

 private:
  void trace(const Packet& packet, Drop reason);
  void end(PacketHandle packet);

  PacketPool& pool_;
  InFlight& in_flight_;
  callout::Callouts& callouts_;
  TraceHub& traces_;
  const filter::Engine& filters_;
  Counters& counters_;
};

}  // namespace hookline::server
