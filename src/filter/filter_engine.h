// The filter's place in the line: what enters the server passes the engine's inbound layers here,
// from the MAC layer up. What leaves passes the outbound layers in the injector, which has whole
// frames (line/classifier.h); here every reply just becomes a Datagram. Packet thread only; nothing
// is allocated after the constructor.
#pragma once

#include <memory>
#include <vector>

#include "base/time.h"
#include "filter/net_buffers.h"
#include "line/classifier.h"
#include "line/counters.h"
#include "line/injected_frames.h"
#include "line/stages.h"

namespace hookline::filter {

class Engine;

class FilterEngine {
 public:
  // Without an engine everything passes. Keeps the references.
  FilterEngine(Endings& endings, Counters& counters);
  // `pool` is where the packets come from: a slot whose bytes a callout has cloned or referenced is
  // not used again before it has let go.
  FilterEngine(Engine& engine, PacketPool& pool, Endings& endings, Counters& counters);

  // Inbound, before anything looks into the DHCP message. What is blocked or absorbed ends here.
  // Each packet's NET_BUFFER_LIST has Ingress::injection in NdisReserved[0], and enters at
  // Ingress::first_layer.
  Batch<Admitted> admit(Batch<Frame> frames);
  // Who is told what became of packets whose Ingress::injection is set. Null: nobody.
  void report_injected(InjectedFrames* injected) { injected_ = injected; }
  // Once a turn, before the injections are pumped: what drivers have decided about flows.
  void pump(Now now);
  // Outbound, before the injection.
  Batch<Datagram> release(Batch<Reply> replies);

 private:
  Verdict classify(Packet& packet);
  void tell_injected(Packet& packet, Verdict verdict);

  Engine* engine_ = nullptr;
  PacketPool* pool_ = nullptr;
  Endings& endings_;
  [[maybe_unused]] Counters& counters_;
  std::vector<Indication> indications_;  // by the packet's slot
  InjectedFrames* injected_ = nullptr;
};

// The facts of a received packet: REQUIRES the ingress that receive has written.
Traffic inbound_traffic(Packet& packet);

}  // namespace hookline::filter
