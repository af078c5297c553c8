#include "server/packet_ends.h"

namespace hookline::server {

void PacketEnds::drop(PacketHandle packet, Drop reason) {
  counters_.drops[static_cast<size_t>(reason)].add();
  // What could not be decoded was never asked whether somebody follows it.
  if (traces_.active() && (packet->traced || traces_.follows(*packet))) {
    trace(*packet, reason);
  }
  callouts_.ended(*packet, reason);
  end(std::move(packet));
}

void PacketEnds::trace(const Packet& packet, Drop reason) {
  std::string text(drop_info(reason).text);
  if (reason == Drop::BlockedByFilter || reason == Drop::AbsorbedByFilter) {
    const std::string filter = filters_.blocker();
    if (!filter.empty()) text += ": " + filter;
  }
  traces_.line(packet, "dropped", text);
}

void PacketEnds::drop_frame(Drop reason, uint64_t count) {
  counters_.drops[static_cast<size_t>(reason)].add(count);
}

void PacketEnds::complete(PacketHandle packet) {
  counters_.packets_completed.add();
  callouts_.ended(*packet, std::nullopt);
  end(std::move(packet));
}

void PacketEnds::end(PacketHandle packet) {
  in_flight_.leave(*packet);
  pool_.give_back(std::move(packet));
}

}  // namespace hookline::server
