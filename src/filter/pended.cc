#include "filter/pended.h"

#include "base/limits.h"

namespace hookline::filter {
namespace {

constexpr uint64_t kPlaces = 2048;
static_assert(kPendedOperationsMax < kPlaces);

}  // namespace

void PendedOperations::reserve() {
  const Lock lock(mutex_);
  if (!records_.empty()) return;
  records_.resize(kPendedOperationsMax);
  for (uint32_t i = kPendedOperationsMax; i-- > 0;) {
    records_[i].number = i;
    records_[i].next = free_;
    free_ = i;
  }
}

// REQUIRES, as all below that are private: the mutex is held.
PendedOperations::Record* PendedOperations::find(uint64_t number, bool is_handle) {
  const uint64_t place = number % kPlaces;
  if (number < kPlaces || place >= records_.size()) return nullptr;
  Record& record = records_[place];
  const bool found = record.number == number && record.state != State::Free && !record.released;
  return found && record.is_handle == is_handle ? &record : nullptr;
}

uint64_t PendedOperations::add(const PendedFlow& flow, bool is_handle) {
  if (free_ == kNone) return 0;
  Record& record = records_[free_];
  free_ = record.next;
  record.number += kPlaces;
  record.state = is_handle ? State::Acquired : State::Pended;
  record.is_handle = is_handle;
  record.released = false;
  record.late.reset();
  record.flow = flow;
  record.next = kNone;
  return record.number;
}

void PendedOperations::free(Record& record) {
  record.state = State::Free;
  record.next = free_;
  free_ = static_cast<uint32_t>(&record - records_.data());
}

// What was pended waits for the packet thread.
void PendedOperations::finish(Record& record) {
  const auto place = static_cast<uint32_t>(&record - records_.data());
  record.state = State::Completed;
  record.next = kNone;
  (last_done_ == kNone ? first_done_ : records_[last_done_].next) = place;
  last_done_ = place;
  pended_.fetch_sub(1, std::memory_order_relaxed);
  due_.store(true, std::memory_order_release);
}

uint64_t PendedOperations::pend(const PendedFlow& flow) {
  const Lock lock(mutex_);
  const uint64_t number = add(flow, false);
  if (number != 0) pended_.fetch_add(1, std::memory_order_relaxed);
  return number;
}

bool PendedOperations::complete(uint64_t context) {
  const Lock lock(mutex_);
  Record* record = find(context, false);
  if (record == nullptr || record->state != State::Pended) return false;
  finish(*record);
  return true;
}

uint64_t PendedOperations::acquire(const PendedFlow& flow) {
  const Lock lock(mutex_);
  return add(flow, true);
}

bool PendedOperations::pend(uint64_t handle, FlowId flow, uint64_t filter) {
  const Lock lock(mutex_);
  Record* record = find(handle, true);
  if (record == nullptr || record->state != State::Acquired) return false;
  if (record->flow.flow != flow || record->flow.filter != filter) return false;
  record->state = State::Pended;
  pended_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool PendedOperations::complete(uint64_t handle, const Answer& answer) {
  const Lock lock(mutex_);
  Record* record = find(handle, true);
  if (record == nullptr || record->state != State::Pended) return false;
  record->late = LateAnswer{record->flow.filter, answer};
  finish(*record);
  return true;
}

PendedOperations::Released PendedOperations::release(uint64_t handle) {
  const Lock lock(mutex_);
  Record* record = find(handle, true);
  if (record == nullptr) return Released::Unknown;
  record->released = true;
  if (record->state == State::Acquired) free(*record);
  if (record->state != State::Pended) return Released::Well;
  finish(*record);
  return Released::WhilePended;
}

PendedOperations::Left PendedOperations::end_all_of(const void* device) {
  const Lock lock(mutex_);
  Left left;
  for (Record& record : records_) {
    if (record.state == State::Free || record.flow.callout.device != device) continue;
    if (record.is_handle && !record.released) ++left.handles;
    record.released = true;
    if (record.state == State::Acquired) free(record);
    if (record.state != State::Pended) continue;
    ++left.pended;
    finish(record);
  }
  return left;
}

std::optional<PendedOperations::Completed> PendedOperations::take() {
  const Lock lock(mutex_);
  if (first_done_ == kNone) {
    due_.store(false, std::memory_order_relaxed);
    return std::nullopt;
  }
  Record& record = records_[first_done_];
  Completed out{record.flow, record.late};
  first_done_ = record.next;
  if (first_done_ == kNone) last_done_ = kNone;
  if (record.is_handle && !record.released) {
    record.state = State::Acquired;
  } else {
    free(record);
  }
  return out;
}

}  // namespace hookline::filter
