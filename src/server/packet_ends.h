// The two ends of a packet: completed, or dropped with a reason (invariant 3). Packet thread only.
#pragma once

#include "line/counters.h"
#include "line/stages.h"
#include "server/in_flight.h"
#include "server/trace.h"

namespace hookline::server {

class PacketEnds final : public Endings {
 public:
  PacketEnds(PacketPool& pool, InFlight& in_flight, TraceHub& traces, Counters& counters)
      : pool_(pool), in_flight_(in_flight), traces_(traces), counters_(counters) {}

  void drop(PacketHandle packet, Drop reason) override;
  void drop_frame(Drop reason, uint64_t count) override;
  void complete(PacketHandle packet) override;

 private:
  void end(PacketHandle packet);

  PacketPool& pool_;
  InFlight& in_flight_;
  TraceHub& traces_;
  Counters& counters_;
};

}  // namespace hookline::server
