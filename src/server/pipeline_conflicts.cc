// Conflict detection on the line: what the engine wants to be asked goes to the parked packets, and
// what comes back goes to the engine and, where an address is in use, to the journal.
#include <fmt/core.h>

#include "server/pipeline.h"

namespace hookline::server {

std::span<const AddressConflict> Pipeline::address_conflicts(Now now) {
  conflict_count_ = 0;
  std::array<LeaseRecord, kProbeAnswersPerTurnMax> quarantined;
  size_t count = 0;
  for (const ProbeResult& result : parked_.poll(now)) {
    const auto record = stages_.engine.probed(result.address, result.in_use, now);
    if (record) quarantined[count++] = *record;
    if (result.in_use) {
      note_conflict(result, now);
      conflicts_[conflict_count_++] = {result.packet, result.address};
    } else if (result.packet->traced) {
      trace(*result.packet, "probed", "nobody uses " + result.address.text());
    }
  }
  quarantine({quarantined.data(), count}, now);
  return {conflicts_.data(), conflict_count_};
}

void Pipeline::note_conflict(const ProbeResult& result, Now now) {
  counters_.leases_conflicted.add();
  const std::string user = result.user ? result.user->text() : "a host beyond the relay";
  trace(*result.packet, "in use", fmt::format("{} by {}", result.address.text(), user));
  if (!conflict_log_.allows(now.boot_ns)) return;
  const Scope* scope = result.packet->grant.scope;
  log_.warning("address in use without a lease: it goes into quarantine",
               {{"address", result.address.text()},
                {"by", user},
                {"scope", scope != nullptr ? scope->id : "-"},
                {"not_logged", conflict_log_.take_suppressed()}});
}

// Before the packets that found it out go on, so that nobody is offered such an address again.
void Pipeline::quarantine(std::span<LeaseRecord> records, Now now) {
  if (records.empty()) return;
  Batch<Proposal> none;
  if (auto committed = stages_.journal.commit(none, records, now); !committed) {
    log_.error("records not committed", {{"why", committed.error().text}});
    for (const LeaseRecord& record : records) stages_.engine.withdraw(record);
    return;
  }
  uint64_t sequence = stages_.journal.sequence() - records.size();
  for (LeaseRecord& record : records) {
    record.sequence = ++sequence;
    stages_.engine.apply(record);
  }
  counters_.commits.add();
  counters_.records_committed.add(records.size());
}

void Pipeline::park(Batch<Request> requests, Now now) {
  for (Request& request : requests) {
    const Packet& packet = request.packet();
    if (packet.traced) {
      const bool joins = parked_.is_asked(packet.grant.address);
      trace(packet, "probing", packet.grant.address.text() + (joins ? " (already)" : ""));
    }
    if (!parked_.park(request, now)) endings_.drop(std::move(request), Drop::NoMemory);
  }
  requests.clear();
}

// A client with a parked packet has no deferred one that came before it.
Batch<Request> Pipeline::take_waiting() {
  Batch<Request> requests;
  parked_.take_ready(requests, kTurnPacketsMax - deferred_.size());
  for (Request& request : deferred_) requests.push(std::move(request));
  deferred_.clear();
  return requests;
}

}  // namespace hookline::server
