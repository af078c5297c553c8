#include "server/pipeline.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace hookline::server {
namespace {

constexpr int64_t kInjectRetryNs = 1'000'000;

std::string why_not_sent(int error) {
  return error == EPERM ? "blocked by a filter" : std::strerror(error);
}

}  // namespace

Pipeline::Pipeline(Stages stages, io::Clock& clock, io::LinkMonitor& links, Gate& gate,
                   InFlight& in_flight, Parked& parked, Endings& endings, TraceHub& traces,
                   Counters& counters, Logger& log)
    : stages_(stages),
      clock_(clock),
      links_(links),
      gate_(gate),
      in_flight_(in_flight),
      parked_(parked),
      endings_(endings),
      traces_(traces),
      counters_(counters),
      log_(log) {}

bool Pipeline::turn(Now now) {
  counters_.turns.add();
  follow_links();
  follow_journal(now);
  follow_gate();
  tell_conflicts(address_conflicts(now));
  pump(now);

  Batch<Request> requests = without_too_old(take_waiting(), now);
  admit_new(requests, 0, now);
  lease::Proposed proposed = stages_.engine.propose(std::move(requests), now);
  trace_decisions(proposed.immediate, "decided");
  trace_decisions(proposed.durable, "proposed");
  deferred_ = std::move(proposed.deferred);
  park(std::move(proposed.to_probe), now);

  tell_nacked(proposed.immediate);
  // OFFERs leave while the disk already works.
  const size_t acks = proposed.durable.size();
  const bool committing = begin_commit(proposed.durable, now);
  bool busy = send(stages_.encoder.encode(std::move(proposed.immediate)), now) || committing;
  if (committing) {
    // The next turn's packets: they would only wait for this one's end.
    if (stages_.journal.disk_is_working()) admit_new(deferred_, acks, now);
    Batch<Committed> committed = end_without_reply(finish_commit());
    send(stages_.encoder.encode(std::move(committed)), now);
  }
  busy |= pump(now);
  busy |= finish(stages_.injector.completions(now), now);

  stages_.callouts.turn_ended();
  feed_snapshot();
  return busy || !deferred_.empty() || parked_.has_ready() || stages_.journal.snapshot_open();
}

// What packet callouts have injected. True: there is more, here or for the receiver.
bool Pipeline::pump(Now now) {
  stages_.filter.pump(now);
  stages_.injections.pump(now);
  return stages_.injections.due() || (!holding_ && stages_.injections.waiting() != 0);
}

int64_t Pipeline::idle_until(Now now) const {
  // A full queue does not say when it is over.
  if (stages_.injections.waits())
    return std::min(now.boot_ns + kInjectRetryNs, parked_.next_due_ns());
  const LeaseSeconds expiry = stages_.engine.next_expiry();
  // Once a second whatever happens: the clock is read, a full disk is tried again.
  const bool due = expiry != 0 && expiry <= now.lease_s;
  return std::min(now.boot_ns + (due ? 0 : kNsPerSecond), parked_.next_due_ns());
}

// Appends what came in to `requests`: what waited goes first, so a client's packets keep their
// order. `acks` more packets will be injected before these.
void Pipeline::admit_new(Batch<Request>& requests, size_t acks, Now now) {
  if (holding_) return;
  const size_t free = stages_.injector.room();
  const size_t room =
      std::min(kTurnPacketsMax - requests.size(), free - std::min(free, requests.size() + acks));
  Batch<Frame> frames = stages_.receiver.take(room, links_.table(), now);
  Batch<Admitted> admitted = stages_.filter.admit(std::move(frames));
  if (!stages_.callouts.empty()) admitted = through_callouts(std::move(admitted));
  Batch<Request> fresh = through_gate(stages_.decoder.decode(std::move(admitted)), now);
  stages_.callouts.options(fresh);
  for (Request& request : fresh) requests.push(std::move(request));
  fresh.clear();
}

const Drop* Pipeline::refusal(const Request& request, Now now) const {
  static constexpr Drop kUnauthorized = Drop::Unauthorized;
  static constexpr Drop kPaused = Drop::Paused;
  static constexpr Drop kTooOld = Drop::TooOld;
  if (!gate_.authorized.load(std::memory_order_relaxed)) return &kUnauthorized;
  if (paused_) return &kPaused;
  if (is_too_old(request, now)) return &kTooOld;
  return nullptr;
}

bool Pipeline::is_too_old(const Request& request, Now now) const {
  const int64_t age_max = gate_.max_packet_age_ns.load(std::memory_order_relaxed);
  return age_max != 0 && now.boot_ns - request.packet().ingress.arrived_ns > age_max;
}

// What waits for a slow disk, or for a probe, may be too old when its turn comes.
Batch<Request> Pipeline::without_too_old(Batch<Request> waiting, Now now) {
  const auto too_old = [&](const Request& r) { return is_too_old(r, now); };
  if (std::none_of(waiting.begin(), waiting.end(), too_old)) return waiting;
  Batch<Request> kept;
  for (Request& request : waiting) {
    if (too_old(request)) {
      endings_.drop(std::move(request), Drop::TooOld);
    } else {
      kept.push(std::move(request));
    }
  }
  waiting.clear();
  return kept;
}

Batch<Request> Pipeline::through_gate(Batch<Request> requests, Now now) {
  Batch<Request> passed;
  for (Request& request : requests) {
    Packet& packet = request.packet();
    counters_.received[static_cast<size_t>(packet.message.type)].add();
    if (traces_.active()) {
      const bool shown = packet.traced;
      packet.traced = traces_.follows(packet);
      if (!shown) trace(packet, "received", fmt::format("{} bytes", packet.request_size));
    }
    if (const Drop* reason = refusal(request, now)) {
      endings_.drop(std::move(request), *reason);
    } else if (!in_flight_.enter(packet)) {
      endings_.drop(std::move(request), Drop::Duplicate);
    } else {
      passed.push(std::move(request));
    }
  }
  requests.clear();
  return passed;
}

// Takes the proposals, and the leases that ran out. False: there is nothing to finish.
bool Pipeline::begin_commit(Batch<Proposal>& proposals, Now now) {
  expired_count_ = granting_ ? stages_.engine.take_expired(now, expired_) : 0;
  const std::span<const LeaseRecord> others(expired_.data(), expired_count_);
  if (proposals.empty() && others.empty()) return false;
  commit_began_ns_ = clock_.read().boot_ns;
  auto begun = stages_.journal.begin_commit(proposals, others, now);
  if (!begun) undo_commit(proposals, begun.error());
  return begun.has_value();
}

Batch<Committed> Pipeline::finish_commit() {
  Batch<Proposal> failed;
  Result<Batch<Committed>> committed = stages_.journal.finish_commit(failed);
  counters_.commit_ns.add(static_cast<uint64_t>(clock_.read().boot_ns - commit_began_ns_));
  if (!committed) {
    undo_commit(failed, committed.error());
    return {};
  }
  if (!stages_.callouts.empty()) tell_committed(*committed);
  // The journal numbers the proposals first, then the others.
  uint64_t sequence = stages_.journal.sequence() - expired_count_;
  for (LeaseRecord& record : std::span(expired_.data(), expired_count_)) {
    record.sequence = ++sequence;
    stages_.engine.apply(record);
  }
  counters_.leases_expired.add(expired_count_);
  counters_.commits.add();
  counters_.records_committed.add(committed->size() + expired_count_);
  for (const Committed& c : *committed) stages_.engine.prefetch(c);
  for (const Committed& c : *committed) {
    stages_.engine.apply(c);
    trace(c.packet(), "committed", "record is on disk");
  }
  return std::move(*committed);
}

void Pipeline::undo_commit(Batch<Proposal>& failed, const Error& error) {
  log_.error("records not committed", {{"why", error.text}});
  for (const LeaseRecord& record : std::span(expired_.data(), expired_count_)) {
    stages_.engine.withdraw(record);
  }
  for (Proposal& proposal : failed) {
    stages_.engine.withdraw(proposal.packet());
    endings_.drop(std::move(proposal), Drop::CommitFailed);
  }
  failed.clear();
}

// RELEASE and DECLINE get no reply: they are completely processed once their record is committed.
Batch<Committed> Pipeline::end_without_reply(Batch<Committed> committed) {
  Batch<Committed> with_reply;
  for (Committed& c : committed) {
    const Grant& grant = c.grant();
    if (grant.reply != ReplyKind::None) {
      (grant.renewed ? counters_.leases_renewed : counters_.leases_granted).add();
      with_reply.push(std::move(c));
      continue;
    }
    const bool declined = grant.record.state == LeaseState::Declined;
    (declined ? counters_.leases_declined : counters_.leases_released).add();
    endings_.complete(std::move(c).release());
  }
  committed.clear();
  return with_reply;
}

bool Pipeline::send(Batch<Reply> replies, Now now) {
  if (replies.empty()) return false;
  if (!stages_.callouts.empty()) replies = tell_replies(std::move(replies));
  stages_.injector.submit(stages_.filter.release(std::move(replies)), now);
  finish(stages_.injector.completions(now), now);
  return true;
}

bool Pipeline::finish(Batch<Completion> completions, Now now) {
  if (completions.empty()) return false;
  const int64_t sent_ns = clock_.read().boot_ns;
  for (Completion& completion : completions) {
    const Packet& packet = completion.packet();
    if (completion.error() == 0) {
      counters_.replies.add(sent_ns - packet.ingress.arrived_ns);
      if (packet.traced) {
        trace(packet, "sent",
              fmt::format("{} to {}", message_type_name(packet.reply_type),
                          packet.destination.address.text()));
      }
    } else {
      note_not_sent(packet, completion.error(), now);
    }
    endings_.complete(std::move(completion).release());
  }
  completions.clear();
  return true;
}

void Pipeline::note_not_sent(const Packet& packet, int error, Now now) {
  trace(packet, "failed", why_not_sent(error));
  if (!send_log_.allows(now.boot_ns)) return;
  log_.warning("reply not sent", {{"to", packet.destination.address.text()},
                                  {"why", why_not_sent(error)},
                                  {"not_logged", send_log_.take_suppressed()}});
}

void Pipeline::feed_snapshot() {
  store::Journal& journal = stages_.journal;
  if (!journal.snapshot_open()) {
    if (!journal.wants_snapshot()) return;
    journal.begin_snapshot();
    snapshot_cursor_ = 0;
  }
  if (!journal.snapshot_open() || !journal.snapshot_has_room()) return;
  snapshot_cursor_ =
      stages_.engine.scan(snapshot_cursor_, kSnapshotLeasesPerTurn,
                          [&](const LeaseRecord& record) { journal.add_to_snapshot(record); });
  if (snapshot_cursor_ == lease::kScanDone) journal.end_snapshot();
}

Result<void> Pipeline::commit_record(LeaseRecord record, Now now) {
  Batch<Proposal> none;
  auto committed = stages_.journal.commit(none, {&record, 1}, now);
  if (!committed) {
    stages_.engine.withdraw(record);
    return tl::unexpected(committed.error());
  }
  record.sequence = stages_.journal.sequence();
  tell_deleted(record);
  stages_.callouts.flush();
  stages_.engine.apply(record);
  return {};
}

// A full disk stops granting and goes by itself; a failed one stays until a restart.
void Pipeline::follow_journal(Now now) {
  const bool ready = stages_.journal.ready(now);
  if (ready == granting_) return;
  granting_ = ready;
  stages_.engine.set_granting(ready);
  if (ready) {
    log_.info("granting again: the lease journal has room");
  } else {
    log_.error("granting stopped", {{"why", why_not_granting()}});
  }
}

std::string Pipeline::why_not_granting() const {
  if (granting_) return "";
  if (stages_.journal.failed()) {
    return "the lease journal failed (" + stages_.journal.failure() +
           "): restart the server when the disk is sound";
  }
  return "no space for the lease journal: free some, granting then goes on by itself";
}

// Packets that wait hold a pointer to the link they came in by.
void Pipeline::follow_links() {
  if (!links_.changed()) return;
  const io::LinkTable& table = links_.table();
  Batch<Request> kept;
  for (Request& request : deferred_) {
    Ingress& ingress = request.packet().ingress;
    ingress.link = table.find(ingress.ifindex);
    if (ingress.link == nullptr) {
      endings_.drop(std::move(request), Drop::InterfaceWithdrawn);
    } else {
      kept.push(std::move(request));
    }
  }
  deferred_.clear();
  deferred_ = std::move(kept);
  parked_.links_changed(table, endings_);
  stages_.engine.links_changed(table);
}

void Pipeline::drain(Now now) {
  for (Request& request : deferred_) endings_.drop(std::move(request), Drop::ShuttingDown);
  deferred_.clear();
  parked_.drop_all(endings_, Drop::ShuttingDown);
  stages_.injections.abandon(now);
  finish_all(now);
}

void Pipeline::drain_held(Now now) {
  stages_.injections.abandon_held(now);
  finish_all(now);
}

void Pipeline::finish_all(Now now) {
  while (finish(stages_.injector.completions(now), now)) {
  }
  stages_.callouts.turn_ended();
}

template <class P>
void Pipeline::trace_decisions(const Batch<P>& decided, std::string_view stage) {
  if (!traces_.active()) return;
  for (const P& product : decided) {
    const Grant& grant = product.grant();
    trace(product.packet(), stage,
          fmt::format("{} scope={} ({})",
                      grant.record.address ? grant.record.address.text() : grant.address.text(),
                      grant.scope != nullptr ? grant.scope->id : "-", grant.why));
  }
}

void Pipeline::trace(const Packet& packet, std::string_view stage, std::string_view text) {
  if (packet.traced) traces_.line(packet, stage, text);
}

}  // namespace hookline::server
