// The first stage: frames from the port, checked down to the UDP payload, become Frames.
//
// A frame that is no datagram for port 67 of this server never gets a slot for longer than this
// call: it is counted by its reason (the FRAME_DROPs of line/drop.def). Packet thread only; nothing
// is allocated after the constructor.
#pragma once

#include <array>
#include <cstdint>

#include "io/links.h"
#include "io/packet_port.h"
#include "line/counters.h"
#include "line/injected_frames.h"
#include "line/stages.h"

namespace hookline::receive {

class Receiver {
 public:
  // Keeps the references.
  Receiver(io::PacketPort& port, PacketPool& pool, Endings& endings, Counters& counters);

  // Frames that packet callouts inject are taken besides those of the port. Null: there are none.
  void take_also(InjectedFrames* injected) { injected_ = injected; }

  // One slot in so many is for injected frames alone: a callout that holds what came in must find
  // room to inject it again.
  static constexpr size_t kInjectedShare = 8;

  // At most `max`, kTurnPacketsMax or the pool's free slots, whichever is least, without waiting;
  // what does not fit stays where it is. At most half of them are injected ones, so that a callout
  // can't keep the wire waiting. Fills Packet::ingress, payload_offset and request_size.
  // Ingress::link points into `links`.
  //
  // Accepted destinations: 255.255.255.255, any address of a served link, and the directed
  // broadcast of the arrival link's networks.
  Batch<Frame> take(size_t max, const io::LinkTable& links, Now now);

 private:
  void take_injected(size_t max, const io::LinkTable& links, Now now, Batch<Frame>& batch);
  // How many frames were received into the slots that were offered.
  size_t receive_into_slots(size_t count);
  void count_kernel_drops(Now now);

  io::PacketPort& port_;
  PacketPool& pool_;
  Endings& endings_;
  Counters& counters_;
  InjectedFrames* injected_ = nullptr;
  size_t usual_ = 0;           // how many frames the last call found
  uint64_t kernel_drops_ = 0;  // already counted
  int64_t kernel_drops_read_ns_ = 0;
  std::array<io::RxFrame, kTurnPacketsMax> frames_;
  std::array<PacketHandle, kTurnPacketsMax> slots_;  // empty between calls
};

}  // namespace hookline::receive
