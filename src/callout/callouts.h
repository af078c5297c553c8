// The callout stage: tells the hosts' callouts what happens to each packet, at its moment and in
// order (dhcpssdk.h; docs/callout_guide.md has the table of exchanges).
//
// Per packet and host: NewPkt first; then HandleOptions, AddressDel, AddressOffer; then either
// PktSend or PktDrop with a reason, or neither; PktDrop with PROCESSED last. This class sees to it
// whatever the pipeline does: a reason that comes after PktSend is not told; a packet without
// NewPkt gets no hook; nothing is called before start() nor after stop().
//
// A host that refuses a packet ends it: the hosts after it get no hook of it at all. Every host
// has its own copy of the packet; when a later host edits the request, the earlier ones' copies
// are refreshed with their next hook.
//
// Calls that need no answer are queued and reach the hosts with the next call that does, with
// flush(), or when the queue is full; their order stays.
//
// A host may be replaced by another while packets are inside: each packet stays with the host that
// saw its NewPkt.
//
// Packet thread only. Without hosts every method returns at once. Nothing is allocated, but in
// start() and for traced packets.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "callout/host.h"
#include "line/counters.h"
#include "line/stages.h"

namespace hookline::callout {

// Told about the bytes that hooks change, for packets with Packet::traced.
class Observer {
 public:
  virtual void changed(const Packet& packet, Hook hook, std::string_view host, Bytes before,
                       Bytes after) = 0;

 protected:
  ~Observer() = default;
};

class Callouts {
 public:
  // Keeps the references. `observer` may be nullptr. Counts Counters::replies_suppressed.
  Callouts(Endings& endings, Counters& counters, Observer* observer);
  ~Callouts();
  Callouts(const Callouts&) = delete;
  Callouts& operator=(const Callouts&) = delete;

  // Sends START to each in order. REQUIRES: stopped; no packet is inside; at most
  // kCalloutHostsMax hosts.
  void start(Hosts hosts);
  // Another host for a callout, at any time between two turns: it gets START (and PAUSE, where it
  // `is_paused`) and all that comes. The one before gets what its packets still have before them,
  // then STOP, and is unloaded without anybody waiting for it. The others notice nothing.
  // False: kCalloutHostsMax that went before are still there; nothing was done.
  bool replace(size_t index, std::unique_ptr<Host>& host, bool is_paused);
  // Sends STOP and unloads, last host first. REQUIRES: no packet that had NewPkt is inside.
  void stop();
  // The same, but hosts that take their time unload while others serve already.
  void stop_without_waiting();
  // Are there hosts that do?
  bool any_unloading() const { return !leaving_.empty(); }
  // Are there hosts among them whose STOP has not been called yet?
  bool any_stopping() const;
  // PAUSE and CONTINUE.
  void control(Control code);

  bool empty() const { return hosts_.empty(); }
  // Is there anybody to be told? So that callers need not gather what nobody wants.
  bool wants(Hook hook) const { return (wanted_ & hook_bit(hook)) != 0; }

  // NewPkt for each packet. What is refused is dropped as RefusedByCallout or CalloutAway; edited
  // requests have their new bytes and size. REQUIRES: Packet::ingress.link is set.
  Batch<Admitted> new_packets(Batch<Admitted> admitted);
  // HandleOptions for each request.
  void options(Batch<Request>& requests);
  // AddressDel. `address` is the one that could not be given, or is given back.
  void address_deleted(const Packet& packet, Prob why, Ipv4 address);
  // AddressOffer for a committed grant, by packet.grant.
  void address_offered(const Packet& packet);
  // DeleteClient: `binding` is about to leave the active database.
  void client_deleted(const LeaseRecord& binding);
  // PktSend for each reply. Those that a callout suppresses are completed here. Edited replies
  // have their new bytes and size, and Packet::reply_edited: their destination is to be found
  // again.
  Batch<Reply> replies(Batch<Reply> replies);
  // PktDrop: the reason if there is one (and no PktSend before), then PROCESSED. The packet's slot
  // may be used again afterwards.
  void ended(const Packet& packet, std::optional<Drop> reason);

  // What is queued reaches the hosts now.
  void flush();
  // The end of a turn: flush(), and the hosts may wake who works for them.
  void turn_ended();
  // When turn_ended() is due, whether or not there is anything else to do.
  int64_t next_due_ns() const;

  // One per host, in order. Allocates.
  std::vector<HostStats> stats() const;
  // Of all hosts that are loaded, and the last kCalloutFaultsMax of those before. Allocates.
  std::vector<FaultReport> faults() const;

 private:
  // What a packet slot's packet has been through.
  struct SlotState {
    uint8_t hosts = 0;   // how many saw its NewPkt, from the first; 0: none, no hooks
    bool sent = false;   // PktSend was called
    uint16_t stale = 0;  // bit n: host n's copy of the request is not the server's
    uint32_t address = 0;
  };
  // Of a queued call: to how many hosts, and whose copies are stale.
  struct Route {
    uint8_t hosts = 0;
    uint16_t stale = 0;
  };
  struct Before;
  // A host that another has taken the place of, while packets that it has seen are inside.
  struct Former {
    size_t index = 0;
    std::unique_ptr<Host> host;
    std::vector<bool> slots;  // whose packets it has seen
    size_t packets = 0;       // how many those are
  };

  Call packet_call(Hook hook, const Packet& packet) const;
  void queue(const Call& call, Route route);
  void run_queue_of(size_t host);
  void run_on(size_t host, std::span<Call> calls);
  Former* former_of(size_t host, uint32_t slot);
  void retire_idle_formers();
  void find_wanted();
  void remember_faults(const Host& host);
  void queue_packet(Call call, const Packet& packet);
  void new_packets_of(size_t host, Batch<Admitted>& admitted,
                      std::span<std::optional<Drop>> refused);
  void replies_of(size_t host, Batch<Reply>& replies, std::span<bool> suppressed);
  void remember_before(const Packet& packet, size_t index, Bytes bytes);
  void observe(const Packet& packet, size_t index, Hook hook, size_t host, Bytes after);

  Endings& endings_;
  Counters& counters_;
  Observer* observer_;
  Hosts hosts_;
  std::vector<HookSet> hooks_;   // by place: of its host and those before
  HookSet wanted_ = 0;           // of any host
  std::vector<Former> formers_;  // capacity kCalloutHostsMax
  Hosts leaving_;                // unload, and no packet of theirs is inside
  std::deque<FaultReport> past_faults_;
  std::vector<SlotState> slots_;
  std::vector<Call> queue_;    // capacity kCalloutCallsMax
  std::vector<Route> routes_;  // of the calls in queue_
  std::vector<Call> calls_;    // one host's, while it runs them; same capacity
  std::vector<ServerOptions> options_;
  std::vector<Before> before_;  // of the traced packets of one run
};

}  // namespace hookline::callout
