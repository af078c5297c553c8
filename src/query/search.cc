#include "query/search.h"

#include <array>

namespace hookline::query {

namespace {

// A client's leases on so many wires are found by the index; on more, by looking at all.
constexpr size_t kWiresOfClient = 128;

}  // namespace

Standing standing_of(const LeaseRecord& r, LeaseSeconds now) {
  using State = wire::QueryState;
  constexpr MessageType kUnassigned = MessageType::LeaseUnassigned;
  switch (r.state) {
    case LeaseState::Active:
      if (r.expiry > now)
        return {MessageType::LeaseActive, State::Active, r.start, r.last_transaction};
      return {kUnassigned, State::Expired, r.expiry, r.expiry};
    case LeaseState::Expired:
      return {kUnassigned, State::Expired, r.expiry, std::max(r.expiry, r.last_transaction)};
    case LeaseState::Released:
      return {kUnassigned, State::Released, r.last_transaction, r.last_transaction};
    case LeaseState::Declined:
      return {kUnassigned, State::Abandoned, r.start, std::max(r.start, r.last_transaction)};
    case LeaseState::Free:
      break;
  }
  return {kUnassigned, State::Available, r.last_transaction, r.last_transaction};
}

void Search::begin_all(LeaseSeconds start) {
  kind_ = QueryKind::All;
  start_ = start;
  end_ = kLeaseTimeInfinite;
  timed_ = true;
  by_scan_ = true;
  done_ = false;
  cursor_ = 0;
}

void Search::begin(const wire::LeaseQuery& query, const lease::Engine& engine) {
  kind_ = query.kind;
  hardware_type_ = query.hardware_type;
  id_.assign(query.id);
  timed_ = query.start || query.end;
  start_ = query.start.value_or(0);
  end_ = query.end.value_or(kLeaseTimeInfinite);
  done_ = false;
  by_scan_ = false;
  cursor_ = 0;
  next_ = 0;
  found_.clear();
  switch (kind_) {
    case QueryKind::Address:
      found_.push_back(query.address);
      return;
    case QueryKind::Hardware:
      return find_hardware(engine);
    case QueryKind::ClientId:
      return find_client(engine);
    case QueryKind::RelayId:
    case QueryKind::RemoteId:
    case QueryKind::All:
      by_scan_ = true;
      return;
  }
}

void Search::find_hardware(const lease::Engine& engine) {
  const bool all =
      engine.visit_hardware(id_.view(), found_.capacity(),
                            [&](const LeaseRecord& record) { found_.push_back(record.address); });
  by_scan_ = !all;
}

void Search::find_client(const lease::Engine& engine) {
  std::array<LeaseRecord, kWiresOfClient> records;
  const size_t count = engine.find_by_client_id(id_.view(), records);
  by_scan_ = count == records.size();
  for (size_t i = 0; i < count; ++i) found_.push_back(records[i].address);
}

bool Search::matches(const LeaseRecord& record, LeaseSeconds now) const {
  if (!matches_id(record)) return false;
  if (!timed_) return true;
  const LeaseSeconds at = standing_of(record, now).changed_at;
  return at >= start_ && at <= end_;
}

bool Search::matches_id(const LeaseRecord& r) const {
  const auto suboption_is = [&](uint8_t code) {
    const Bytes value = wire::relay_suboption_of(r.relay_info, code);
    return !value.empty() && equal(value, id_.view());
  };
  switch (kind_) {
    case QueryKind::Address:
    case QueryKind::All:
      return true;
    case QueryKind::Hardware:
      return r.hardware_type == hardware_type_ && equal(r.hardware_address, id_.view());
    case QueryKind::ClientId:
      return equal(r.client_id, id_.view());
    case QueryKind::RelayId:
      return suboption_is(wire::relay_suboption::kRelayId);
    case QueryKind::RemoteId:
      return suboption_is(wire::relay_suboption::kRemoteId);
  }
  return false;
}

}  // namespace hookline::query
