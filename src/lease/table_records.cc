// What is written into slots: records, their bytes, recovery.
#include <algorithm>
#include <cstring>

#include "lease/table_change.h"

namespace hookline::lease {

namespace {

size_t outside_size(const LeaseRecord& r) {
  const bool inside = r.hardware_address.size() + r.client_id.size() <= Slot::kIdBytes;
  return (inside ? 0 : r.client_id.size()) + r.hostname.size() + r.relay_info.size();
}

constexpr uint32_t kNoHead = 0xFFFFFFFF;

}  // namespace

LeaseTable::Room LeaseTable::take_room(uint32_t number, const LeaseRecord& record) {
  const size_t size = outside_size(record);
  const Slot& slot = slots_[number];
  if (size == 0) return {true, 0};
  if (slot.block != 0 && Arena::same_size(slot.outside_size(), size)) return {true, 0};
  const uint32_t block = arena_.take(size);
  return {block != 0, block};
}

void LeaseTable::give_back_room(const LeaseRecord& record, uint32_t block) {
  if (block != 0) arena_.give_back(block, outside_size(record));
}

// The record's views may lead into this very slot: everything is copied before anything is written.
void LeaseTable::store_bytes(Slot& slot, const LeaseRecord& record, uint32_t block) {
  uint8_t inside[Slot::kIdBytes] = {};
  uint8_t outside[Arena::kBlockBytesMax];
  size_t size = 0;
  const auto append = [&](Bytes field) {
    if (!field.empty()) std::memcpy(outside + size, field.data(), field.size());
    size += field.size();
  };
  const Bytes hardware = record.hardware_address;
  if (!hardware.empty()) std::memcpy(inside, hardware.data(), hardware.size());
  if (hardware.size() + record.client_id.size() > Slot::kIdBytes) {
    append(record.client_id);
  } else if (!record.client_id.empty()) {
    std::memcpy(inside + hardware.size(), record.client_id.data(), record.client_id.size());
  }
  append(record.hostname);
  append(record.relay_info);
  CHECK(size == outside_size(record), "what was measured is what is stored");

  const size_t old_size = slot.outside_size();
  const bool reuse = block == 0 && slot.block != 0 && size != 0 && Arena::same_size(old_size, size);
  if (!reuse) {
    if (slot.block != 0) arena_.give_back(slot.block, old_size);
    slot.block = block == 0 && size != 0 ? arena_.take(size) : block;
  }
  std::memcpy(slot.ids, inside, sizeof inside);
  slot.hardware_type = record.hardware_type;
  slot.hardware_size = static_cast<uint8_t>(hardware.size());
  slot.client_id_size = static_cast<uint8_t>(record.client_id.size());
  slot.hostname_size = static_cast<uint8_t>(record.hostname.size());
  slot.relay_info_size = static_cast<uint8_t>(record.relay_info.size());
  if (size == 0) return;
  if (slot.block != 0) {
    std::memcpy(arena_.data(slot.block), outside, size);
    return;
  }
  // Recovery after the configuration lost most of its addresses: the binding counts, not its names.
  if (!slot.client_id_inside()) slot.client_id_size = 0;
  slot.hostname_size = slot.relay_info_size = 0;
}

void LeaseTable::write(uint32_t number, const LeaseRecord& record, uint32_t block) {
  const Change change(*this, number);
  Slot& slot = slots_[number];
  const bool remembers = record.state == LeaseState::Active ||
                         record.state == LeaseState::Released ||
                         record.state == LeaseState::Expired;
  const ClientIdentity client = record.identity();
  const bool stays = slot.has(Slot::kIndexed) && remembers && identity_of(number) == client;
  if (!stays) unindex_client(number);
  if (slot.has(Slot::kCounted)) {
    --declines_[slot.decline_source];
    slot.clear(Slot::kCounted);
  }
  unlist(number);
  slot.clear(Slot::kPending);
  slot.set(Slot::kRecorded);
  record.bootp ? slot.set(Slot::kBootp) : slot.clear(Slot::kBootp);
  // Of the record's own bytes: those of the slot are still on their way to memory when read at
  // once.
  const bool indexes = remembers && !stays && !client.id.empty();
  const uint64_t hash = indexes ? hash_of(client, run_of(number).wire_id) : 0;
  const size_t client_id_size = record.client_id.size();
  const Bytes hardware = record.hardware_address;
  const bool has_head = record.state != LeaseState::Free && !hardware.empty();
  const uint32_t head = has_head ? hardware_head(hardware) : kNoHead;
  const uint32_t head_before =
      has_hardware(slot) ? hardware_head({slot.ids, slot.hardware_size}) : kNoHead;
  store_bytes(slot, record, block);
  const bool ends = record.state == LeaseState::Active || record.state == LeaseState::Declined;
  // A later end is found when the present place in the wheel comes up.
  if (slot.has(Slot::kScheduled) && (!ends || record.expiry < slot.expiry)) wheel_.remove(number);
  slot.state = record.state;
  slot.start = record.start;
  slot.expiry = record.expiry;
  slot.last_transaction = record.last_transaction;
  slot.sequence = record.sequence;
  if (head != head_before) {
    if (head_before != kNoHead) hardware_.erase(head_before, number);
    if (head != kNoHead) hardware_.insert(head, number);
  }
  if (indexes) {
    const bool whole = slot.client_id_size == client_id_size;
    index_client(number, whole ? hash : client_hash(number));
  }
  settle(number);
}

void LeaseTable::mark_counted(uint32_t number, uint16_t source) {
  slots_[number].decline_source = source;
  slots_[number].set(Slot::kCounted);
}

// --- recovery -------------------------------------------------------------------------------

void LeaseTable::restore(const LeaseRecord& record) {
  const Scope* scope = plan_->scope_of(record.address);
  if (scope == nullptr) {
    orphans.put(record);
    return;
  }
  const uint32_t number = place(*scope, record.address);
  const Slot& slot = slots_[number];
  if (slot.has(Slot::kRecorded) && record.sequence < slot.sequence) return;
  restoring_ = true;
  wheel_.start_at(record.last_transaction);
  write(number, record);
}

void LeaseTable::finish_restore() {
  if (!restoring_) return;
  restoring_ = false;
  const auto unused_since = [this](uint32_t number) {
    const Slot& s = slots_[number];
    return s.state == LeaseState::Expired ? s.expiry : s.last_transaction;
  };
  std::ranges::stable_sort(restored_free_, {}, unused_since);
  for (const uint32_t number : restored_free_) settle(number);
  restored_free_ = {};
}

// --- time -----------------------------------------------------------------------------------

std::optional<uint32_t> LeaseTable::take_due(LeaseSeconds now, size_t& budget) {
  while (const auto number = wheel_.take_due(now, budget)) {
    if (!slots_[*number].has(Slot::kPending)) return number;
    wheel_.insert(*number, uint64_t{now} + 1);  // its own record is on the way
  }
  return std::nullopt;
}

void LeaseTable::shift_times(int64_t step_s) {
  wheel_.shift_time(step_s);
  visit_placed(0, static_cast<uint32_t>(slots_.end() - 1), [&](uint32_t number) {
    Slot& slot = slots_[number];
    slot.start = shifted(slot.start, step_s);
    slot.expiry = shifted(slot.expiry, step_s);
    slot.last_transaction = shifted(slot.last_transaction, step_s);
    if (slot.has(Slot::kScheduled)) wheel_.insert(number, uint64_t{slot.expiry} + 1);
  });
  orphans.shift_times(step_s);
}

}  // namespace hookline::lease
