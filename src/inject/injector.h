// The last stage: datagrams become frames on the wire, and each ends in exactly one Completion that
// carries the errno of its own send.
//
// A reply is an injection like any other: it passes the outbound filter layers, waits in the one
// transmit queue in order with what drivers inject, and completes when its fate is known and nobody
// holds a clone of it any more. Without filters it costs one test more than sending it.
//
// A full interface queue (ENOBUFS) is back-pressure: the datagram waits, in order with the others
// of its interface, until it is sent or kInjectDeadlineNs have passed. A transient error (status.h)
// is tried once more. Every other error completes it. Packet thread only; nothing is allocated
// after the constructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "inject/neighbours.h"
#include "inject/transmit_queue.h"
#include "io/links.h"
#include "io/packet_port.h"
#include "line/counters.h"
#include "line/net_buffers.h"
#include "line/stages.h"

namespace hookline::inject {

struct Outbound;

class Injector final : private TransmitQueue::Owner {
 public:
  // Keeps the references. Counts Counters::sent and send_failures. Without a classifier nothing is
  // classified.
  Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters);
  Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters,
           Classifier& classifier);
  // REQUIRES: in_flight() == 0.
  ~Injector();
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  // How many datagrams submit() takes now.
  size_t room() const { return free_.size(); }
  // Submitted, and their completion not yet taken.
  size_t in_flight() const { return replies_.size() - free_.size(); }
  // Submitted and not sent yet: completions() must be called again soon.
  size_t waiting() const { return waiting_; }
  // Their fate is known, but a callout holds a clone or a reference: completions() must be called
  // again when it has let go.
  size_t held() const { return held_.size(); }

  // Addresses, classifies, frames and sends what the interfaces take. REQUIRES: batch.size() <=
  // room(). Nothing completes on this call's stack: completions() hands that out.
  //
  // The errors a completion may carry, besides those of the interface: ENETUNREACH (no route),
  // EMSGSIZE (larger than the link's MTU; nothing is fragmented), EADDRNOTAVAIL (no address of ours
  // to send from), ENOBUFS (the queue stayed full), EPERM (a filter blocked it). What a callout
  // absorbed has no error, unless a clone of it was injected and failed: then it has that one's.
  void submit(Batch<Datagram> batch, Now now);

  // Retries what waits, then hands out completions in the order in which they came about, at most
  // one batch; call again while the batch is full.
  Batch<Completion> completions(Now now);

  // Ends everything that still waits, with `error`: at shutdown. completions() hands them out. What
  // callouts hold completes when they let go.
  void abandon(int error);
  // Completes also what is held. REQUIRES: no callout runs any more.
  void abandon_held(int error);

  // For whoever else sends: the queue that keeps the order, and where replies went.
  TransmitQueue& queue() { return queue_; }
  const RecentNeighbours& neighbours() const { return neighbours_; }

 private:
  struct Reply {
    std::optional<Datagram> datagram;
    bool shown = false;  // to callouts, by the indication of its place
  };
  struct Done {
    uint32_t place;
    int error;
  };

  Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters,
           Classifier* classifier);
  void enqueue(Datagram datagram, Now now);
  Verdict classify(uint32_t place, const Outbound& out, MutableBytes frame, Now now);
  void transmitted(uint32_t token, int error) override;
  // Its fate is known.
  void settle(uint32_t place, int error);
  bool is_held(uint32_t place) const;
  void release_held();
  void end(uint32_t place, int error);

  io::LinkMonitor& links_;
  Counters& counters_;
  Classifier* classifier_;
  TransmitQueue queue_;
  RecentNeighbours neighbours_;
  std::vector<Reply> replies_;           // kInjectionsMax places
  std::vector<Indication> indications_;  // one for each place, if there is a classifier
  std::vector<uint32_t> free_;           // places
  std::vector<Done> held_;
  std::vector<Done> done_;  // in order of completion
  size_t waiting_ = 0;
};

}  // namespace hookline::inject
