// Commits and registrations: what callouts are told, and when the packet thread sees it.
#include <algorithm>

#include "base/check.h"
#include "base/limits.h"
#include "filter/engine.h"
#include "filter/engine_change.h"

namespace hookline::filter {
namespace {

constexpr uint32_t kSweepWaitMs = 15'000;

}  // namespace

// The filters of `of` that `but_not` lacks, with their callouts.
Engine::Telling Engine::who_is_told(const Objects& of, const Objects& but_not,
                                    const Registry& registry) const {
  Telling telling;
  for (const std::shared_ptr<Filter>& filter : of.filters()) {
    if (!filter->is_callout()) continue;
    const auto& others = but_not.filters();
    if (std::find(others.begin(), others.end(), filter) != others.end()) continue;
    if (auto callout = registry.find(filter->callout)) telling.push_back({callout, filter});
  }
  return telling;
}

bool Engine::tell(const Told& told, FWPS_CALLOUT_NOTIFY_TYPE type) const {
  const CalloutName name{told.callout->key(), told.callout->id(), told.callout->device()};
  if (watch_ != nullptr) watch_->before(name, CalloutCall::Notify);
  const NTSTATUS status = told.callout->notify(type, told.filter->key, *told.filter->shown);
  if (watch_ != nullptr) watch_->after(name, CalloutCall::Notify);
  return status >= 0;
}

void Engine::tell_all(const Telling& telling, FWPS_CALLOUT_NOTIFY_TYPE type) const {
  for (const Told& told : telling) tell(told, type);
}

// Until one refuses: then those who have been told are told that their filter is gone.
NTSTATUS Engine::tell_added(const Telling& telling) const {
  for (size_t i = 0; i < telling.size(); ++i) {
    if (tell(telling[i], FWPS_CALLOUT_NOTIFY_ADD_FILTER)) continue;
    while (i > 0) tell(telling[--i], FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
    return STATUS_FWP_CALLOUT_NOTIFICATION_FAILED;
  }
  return STATUS_SUCCESS;
}

// Everything that can fail comes before the objects change. A callout hears of a filter before it
// is first called for it, and of its end after it was last called.
NTSTATUS Engine::commit(Lock& lock, Objects next) {
  Change change(*this, lock);
  const uint64_t rules_version = rules_version_;
  auto tables = tables_for(next, registry_);
  const Telling added = who_is_told(next, objects_, registry_);
  const Telling removed = who_is_told(objects_, next, registry_);
  Telling committed;
  for (const Told& told : added) {
    const bool asked = (told.callout->flags() & FWP_CALLOUT_FLAG_ENABLE_COMMIT_ADD_NOTIFY) != 0;
    if (asked) committed.push_back(told);
  }
  {
    Unlocked unlocked(lock);
    if (const NTSTATUS status = tell_added(added)) return status;
  }
  objects_ = std::move(next);
  if (rules_version != rules_version_) tables = tables_for(objects_, registry_);
  publish(lock, std::move(tables));
  Unlocked unlocked(lock);
  tell_all(committed, FWPS_CALLOUT_NOTIFY_ADD_FILTER_POST_COMMIT);
  tell_all(removed, FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
  return STATUS_SUCCESS;
}

uint32_t Engine::id_of(const GUID& key) {
  if (ids_.size() > 4 * kFilterCalloutsMax) {
    ids_.forget_unless([&](const GUID& known) {
      if (same_key(known, key) || registry_.find(known) || objects_.find_callout(known))
        return true;
      return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& session) {
        return session.second.draft && session.second.draft->find_callout(known) != nullptr;
      });
    });
  }
  return ids_.of(key);
}

NTSTATUS Engine::register_callout(void* device, const Callout::Functions& functions, UINT32* id) {
  return without_exceptions([&]() -> NTSTATUS {
    const bool complete =
        std::visit([](const auto& f) { return f.classifyFn != nullptr; }, functions);
    if (!complete) return STATUS_FWP_NULL_POINTER;
    Lock lock(mutex_);
    if (may_not_wait()) return STATUS_NOT_SUPPORTED;
    changed_.wait(lock, [&] { return !busy_; });
    const GUID key = std::visit([](const auto& f) { return f.calloutKey; }, functions);
    if (registry_.find(key) != nullptr) return STATUS_FWP_ALREADY_EXISTS;
    if (registry_.size() == kFilterCalloutsMax) return STATUS_FWP_TOO_MANY_CALLOUTS;
    Change change(*this, lock);
    auto callout = std::make_shared<Callout>(functions, id_of(key), device);
    Registry next = registry_;
    next.add(callout);
    Registry only_it;
    only_it.add(callout);
    const Telling waiting = who_is_told(objects_, Objects(), only_it);
    const uint64_t rules_version = rules_version_;
    auto tables = tables_for(objects_, next);
    {
      Unlocked unlocked(lock);
      tell_all(waiting, FWPS_CALLOUT_NOTIFY_ADD_FILTER);
    }
    if (rules_version != rules_version_) tables = tables_for(objects_, next);
    if (id != nullptr) *id = callout->id();
    registry_ = std::move(next);
    publish(lock, std::move(tables));
    return STATUS_SUCCESS;
  });
}

NTSTATUS Engine::FwpsCalloutRegister0(void* device, const FWPS_CALLOUT0* callout, UINT32* id) {
  return callout == nullptr ? STATUS_FWP_NULL_POINTER : register_callout(device, *callout, id);
}

NTSTATUS Engine::FwpsCalloutRegister1(void* device, const FWPS_CALLOUT1* callout, UINT32* id) {
  return callout == nullptr ? STATUS_FWP_NULL_POINTER : register_callout(device, *callout, id);
}

NTSTATUS Engine::FwpsCalloutRegister2(void* device, const FWPS_CALLOUT2* callout, UINT32* id) {
  return callout == nullptr ? STATUS_FWP_NULL_POINTER : register_callout(device, *callout, id);
}

NTSTATUS Engine::FwpsCalloutRegister3(void* device, const FWPS_CALLOUT3* callout, UINT32* id) {
  return callout == nullptr ? STATUS_FWP_NULL_POINTER : register_callout(device, *callout, id);
}

std::shared_ptr<Callout> Engine::registered(UINT32 id) const {
  const Lock lock(mutex_);
  return registry_.find(id);
}

// When this returns, the packet thread has left the callout for good.
template <class Key>
NTSTATUS Engine::unregister(const Key& key) {
  return without_exceptions([&]() -> NTSTATUS {
    Lock lock(mutex_);
    if (may_not_wait()) return STATUS_NOT_SUPPORTED;
    changed_.wait(lock, [&] { return !busy_; });
    const std::shared_ptr<Callout> callout = registry_.find(key);
    if (callout == nullptr) return STATUS_FWP_CALLOUT_NOT_FOUND;
    Change change(*this, lock);
    {
      // Its flowDeleteFn runs for what it has.
      Unlocked unlocked(lock);
      if (flows_.contexts().end_callout(*callout) != 0) return STATUS_DEVICE_BUSY;
    }
    Registry next = registry_;
    next.remove(callout->id());
    Registry only_it;
    only_it.add(callout);
    const Telling left = who_is_told(objects_, Objects(), only_it);
    auto tables = tables_for(objects_, next);
    registry_ = std::move(next);
    publish(lock, std::move(tables));
    Unlocked unlocked(lock);
    tell_all(left, FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
    return STATUS_SUCCESS;
  });
}

// How many of them were open.
size_t Engine::end_sessions(std::span<const HANDLE> sessions) {
  size_t open = 0;
  for (const HANDLE handle : sessions) {
    uint32_t id = 0;
    if (find_session(handle, &id) == nullptr) continue;
    if (writer_ == id) writer_ = 0;
    sessions_.erase(id);
    ++open;
  }
  changed_.notify_all();
  return open;
}

bool Engine::sweep(const void* device, std::span<const HANDLE> sessions, Swept& swept) {
  Lock lock(mutex_);
  CHECK(!may_not_wait(), "what a driver left is removed outside its functions");
  swept.sessions = end_sessions(sessions);
  // A transaction's draft would bring back what is removed now.
  if (!wait_until_free(lock, kSweepWaitMs, true)) return false;
  Change change(*this, lock);
  std::vector<uint32_t> ids;
  for (const HANDLE handle : sessions) {
    ids.push_back(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(handle)));
  }
  Objects next = objects_;
  const Objects::Removed removed = next.remove_all_of(ids);
  Registry registry;
  for (const auto& callout : registry_.all()) {
    if (callout->device() != device) registry.add(callout);
  }
  swept.callouts = registry_.size() - registry.size();
  for (const auto& callout : registry_.all()) {
    if (callout->device() == device) swept.contexts += flows_.contexts().forget_callout(*callout);
  }
  const PendedOperations::Left left = flows_.end_pended_of(device);
  swept.pended = left.pended;
  swept.handles = left.handles;
  swept.filters = removed.filters;
  swept.objects = removed.others;
  if (removed.filters + removed.others + swept.callouts == 0) return true;
  const Telling others = who_is_told(objects_, next, registry);
  auto tables = tables_for(next, registry);
  objects_ = std::move(next);
  registry_ = std::move(registry);
  publish(lock, std::move(tables));
  Unlocked unlocked(lock);
  tell_all(others, FWPS_CALLOUT_NOTIFY_DELETE_FILTER);
  return true;
}

NTSTATUS Engine::FwpsCalloutUnregisterById0(UINT32 id) { return unregister(id); }

NTSTATUS Engine::FwpsCalloutUnregisterByKey0(const GUID* key) {
  return key == nullptr ? STATUS_FWP_NULL_POINTER : unregister(*key);
}

}  // namespace hookline::filter
