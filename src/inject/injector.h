// The last stage: datagrams become frames on the wire, and each ends in exactly one Completion that
// carries the errno of its own send.
//
// A full interface queue (ENOBUFS) is back-pressure: the datagram waits, in order with the others
// of its interface, until it is sent or kInjectDeadlineNs have passed. Every other error completes
// it at once. Packet thread only; nothing is allocated after the constructor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/links.h"
#include "io/packet_port.h"
#include "line/counters.h"
#include "line/stages.h"

namespace hookline::inject {

class Injector {
 public:
  // Keeps the references. Counts Counters::sent and send_failures.
  Injector(io::PacketPort& port, io::LinkMonitor& links, Counters& counters);
  // REQUIRES: in_flight() == 0.
  ~Injector();
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;

  // How many datagrams submit() takes now.
  size_t room() const { return kInjectionsMax - in_flight(); }
  // Submitted, and their completion not yet taken.
  size_t in_flight() const { return waiting_.size() + done_.size(); }
  // Submitted and not sent yet: completions() must be called again soon.
  size_t waiting() const { return waiting_.size(); }

  // Addresses, frames and sends what the interfaces take. REQUIRES: batch.size() <= room(). Nothing
  // completes on this call's stack: completions() hands that out.
  //
  // The errors a completion may carry, besides those of the interface: ENETUNREACH (no route),
  // EMSGSIZE (larger than the link's MTU; nothing is fragmented), EADDRNOTAVAIL (no address of ours
  // to send from), ENOBUFS (the queue stayed full).
  void submit(Batch<Datagram> batch, Now now);

  // Retries what waits, then hands out completions in the order in which they came about, at most
  // one batch; call again while the batch is full.
  Batch<Completion> completions(Now now);

  // Ends everything that still waits, with `error`: before the links change (packets keep pointers
  // into the table) and at shutdown. completions() hands them out.
  void abandon(int error);

 private:
  struct Waiting {
    Datagram datagram;
    Bytes frame;  // in the packet's reply_storage; empty: by the port's UDP socket
    uint32_t ifindex;
    Ipv4 source;
    int64_t deadline_ns;
    int error;  // kPending: not sent yet
  };
  struct Done {
    Datagram datagram;
    int error;
  };

  void enqueue(Datagram datagram, Now now);
  // Sends what waits, in order; moves what has ended to done_.
  void flush(Now now);
  void send_frames(size_t count);
  void send_by_socket(Waiting& waiting);
  void settle(Waiting& waiting, int error);
  void collect_ended(Now now);
  void end(Datagram&& datagram, int error);
  bool is_blocked(uint32_t ifindex) const;

  io::PacketPort& port_;
  io::LinkMonitor& links_;
  Counters& counters_;
  std::vector<Waiting> waiting_;   // in order of submission; capacity kInjectionsMax
  std::vector<Done> done_;         // in order of completion; capacity kInjectionsMax
  std::vector<uint32_t> blocked_;  // interfaces whose queue is full, during flush()
  std::array<io::TxFrame, kTurnPacketsMax> frames_;
  std::array<Waiting*, kTurnPacketsMax> frame_owners_;
};

}  // namespace hookline::inject
