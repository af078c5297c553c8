// The line, turn by turn (ARCHITECTURE.md, docs/life_of_a_packet.md): the only code that knows all
// stages. Packet thread only, but for the few members marked otherwise.
#pragma once

#include <array>
#include <atomic>
#include <string>

#include "base/log.h"
#include "base/log_limit.h"
#include "callout/callouts.h"
#include "filter/filter_engine.h"
#include "inject/injections.h"
#include "inject/injector.h"
#include "io/clock.h"
#include "io/links.h"
#include "lease/engine.h"
#include "lease/lease_clock.h"
#include "line/counters.h"
#include "line/stages.h"
#include "receive/receiver.h"
#include "server/in_flight.h"
#include "server/parked.h"
#include "server/trace.h"
#include "store/journal.h"
#include "wire/decoder.h"
#include "wire/encoder.h"

namespace hookline::server {

// What an operator or the configuration says about serving at all. Written by any thread.
struct Gate {
  std::atomic<bool> paused{false};
  std::atomic<bool> authorized{true};
  std::atomic<int64_t> max_packet_age_ns{0};  // 0: none is too old
};

// The stages, made and owned by Core; all outlive the pipeline.
struct Stages {
  receive::Receiver& receiver;
  filter::FilterEngine& filter;
  callout::Callouts& callouts;
  wire::Decoder& decoder;
  lease::Engine& engine;
  store::Journal& journal;
  wire::Encoder& encoder;
  inject::Injector& injector;
  inject::Injections& injections;
};

// An address that `packet` would have got, and that somebody uses already.
struct AddressConflict {
  Packet* packet = nullptr;
  Ipv4 address;
};

class Pipeline {
 public:
  // `clock` only measures how long commits take; a turn's time is its argument.
  Pipeline(Stages stages, io::Clock& clock, io::LinkMonitor& links, Gate& gate, InFlight& in_flight,
           Parked& parked, Endings& endings, TraceHub& traces, Counters& counters, Logger& log);

  // One batch from the wire to the wire. Never waits, but for the journal's sync. Returns true when
  // it did something: when false, the caller may sleep until idle_until().
  bool turn(Now now);

  // When the next turn has something to do even if no frame comes (Now::boot_ns).
  int64_t idle_until(Now now) const;

  // Commits a record that no packet asked for (an operator's release or delete), then applies it.
  Result<void> commit_record(LeaseRecord record, Now now);

  // Empty while leases are granted; else why not and what helps.
  std::string why_not_granting() const;

  // Whether the callouts were told so.
  bool paused() const { return paused_; }

  // While held, turns take nothing from the wire: what is inside ends, and the rest waits there.
  void hold_receiving(bool hold) { holding_ = hold; }
  bool holds_receiving() const { return holding_; }

  // Ends every packet that is still inside: replies under way complete, the rest is dropped.
  // Injections are cancelled, and none is accepted any more. Replies that a callout holds stay
  // until it is unloaded: drain_held().
  void drain(Now now);
  // REQUIRES: drain(), and no packet callout runs any more.
  void drain_held(Now now);

 private:
  // Conflicts that were found since the last turn. Their addresses are in quarantine; their packets
  // are parked still, and propose again in this turn.
  std::span<const AddressConflict> address_conflicts(Now now);
  void note_conflict(const ProbeResult& result, Now now);
  void quarantine(std::span<LeaseRecord> records, Now now);
  void park(Batch<Request> requests, Now now);
  Batch<Request> take_waiting();
  void admit_new(Batch<Request>& requests, size_t acks, Now now);
  Batch<Admitted> through_callouts(Batch<Admitted> admitted);
  Batch<Request> through_gate(Batch<Request> requests, Now now);
  const Drop* refusal(const Request& request, Now now) const;
  bool is_too_old(const Request& request, Now now) const;
  Batch<Request> without_too_old(Batch<Request> waiting, Now now);
  bool begin_commit(Batch<Proposal>& proposals, Now now);
  Batch<Committed> finish_commit();
  void tell_conflicts(std::span<const AddressConflict> conflicts);
  void tell_nacked(const Batch<Immediate>& immediate);
  void tell_committed(const Batch<Committed>& committed);
  void tell_deleted(const LeaseRecord& next);
  Batch<Reply> tell_replies(Batch<Reply> replies);
  void undo_commit(Batch<Proposal>& failed, const Error& error);
  Batch<Committed> end_without_reply(Batch<Committed> committed);
  bool send(Batch<Reply> replies, Now now);
  bool finish(Batch<Completion> completions, Now now);
  void finish_all(Now now);
  bool pump(Now now);
  void note_not_sent(const Packet& packet, int error, Now now);
  void feed_snapshot();
  void follow_links();
  void follow_gate();
  void follow_journal(Now now);
  template <class P>
  void trace_decisions(const Batch<P>& decided, std::string_view stage);
  void trace(const Packet& packet, std::string_view stage, std::string_view text);

  Stages stages_;
  io::Clock& clock_;
  io::LinkMonitor& links_;
  Gate& gate_;
  InFlight& in_flight_;
  Parked& parked_;
  Endings& endings_;
  TraceHub& traces_;
  Counters& counters_;
  Logger& log_;

  // For the next turn: those that wait for a proposal of their client to be committed, and those
  // that came in while the disk worked.
  Batch<Request> deferred_;
  std::array<LeaseRecord, kExpiriesPerTurnMax> expired_;
  size_t expired_count_ = 0;
  std::array<AddressConflict, kProbeAnswersPerTurnMax> conflicts_;
  size_t conflict_count_ = 0;
  LogLimit conflict_log_{10};
  LogLimit send_log_{10};
  int64_t commit_began_ns_ = 0;
  uint64_t snapshot_cursor_ = 0;
  bool granting_ = true;
  bool paused_ = false;   // as the callouts were told
  bool holding_ = false;  // receives nothing
};

}  // namespace hookline::server
