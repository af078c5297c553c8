#include "lease/orphans.h"

#include "lease/slot.h"

namespace hookline::lease {

bool Orphans::ends(const LeaseRecord& record) {
  return (record.state == LeaseState::Active || record.state == LeaseState::Declined) &&
         record.expiry != kLeaseTimeInfinite;
}

LeaseRecord Orphans::view(const Kept& kept) {
  LeaseRecord record = kept.record;
  Bytes rest = kept.bytes;
  for (Bytes* field :
       {&record.hardware_address, &record.client_id, &record.hostname, &record.relay_info}) {
    const size_t size = field->size();
    *field = rest.first(size);
    rest = rest.subspan(size);
  }
  return record;
}

void Orphans::put(const LeaseRecord& record) {
  const uint32_t address = record.address.value;
  Kept kept{record, {}, false};
  for (Bytes field :
       {record.hardware_address, record.client_id, record.hostname, record.relay_info}) {
    kept.bytes.insert(kept.bytes.end(), field.begin(), field.end());
  }
  if (const auto old = kept_.find(address); old != kept_.end()) {
    if (record.sequence < old->second.record.sequence) return;
    forget(record.address);
  }
  if (record.state == LeaseState::Free) return;
  if (ends(record)) times_.insert({record.expiry, address});
  bytes_ += sizeof(Kept) + kept.bytes.size();
  ++counts_[static_cast<size_t>(record.state)];
  kept_.emplace(address, std::move(kept));
}

void Orphans::forget(Ipv4 address) {
  const auto it = kept_.find(address.value);
  if (it == kept_.end()) return;
  times_.erase({it->second.record.expiry, address.value});
  bytes_ -= sizeof(Kept) + it->second.bytes.size();
  --counts_[static_cast<size_t>(it->second.record.state)];
  kept_.erase(it);
}

std::optional<LeaseRecord> Orphans::find(Ipv4 address) const {
  const auto it = kept_.find(address.value);
  return it == kept_.end() ? std::nullopt : std::optional(view(it->second));
}

bool Orphans::set_pending(Ipv4 address, bool pending) {
  const auto it = kept_.find(address.value);
  if (it == kept_.end() || it->second.pending == pending) return false;
  it->second.pending = pending;
  const std::pair<LeaseSeconds, uint32_t> time{it->second.record.expiry, address.value};
  if (pending) {
    times_.erase(time);
  } else if (ends(it->second.record)) {
    times_.insert(time);
  }
  return true;
}

void Orphans::shift_times(int64_t step_s) {
  times_.clear();
  for (auto& [address, kept] : kept_) {
    LeaseRecord& r = kept.record;
    r.start = shifted(r.start, step_s);
    r.expiry = shifted(r.expiry, step_s);
    r.last_transaction = shifted(r.last_transaction, step_s);
    if (ends(r) && !kept.pending) times_.insert({r.expiry, address});
  }
}

std::optional<Ipv4> Orphans::first_over(LeaseSeconds now) const {
  if (times_.empty() || times_.begin()->first >= now) return std::nullopt;
  return Ipv4{times_.begin()->second};
}

}  // namespace hookline::lease
