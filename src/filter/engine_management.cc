// Sessions, transactions and objects.
#include <chrono>

#include "base/limits.h"
#include "filter/engine.h"
#include "filter/engine_change.h"

namespace hookline::filter {
namespace {

constexpr uint32_t kTransactionWaitMs = 15'000;

HANDLE handle_of(uint32_t session) { return reinterpret_cast<HANDLE>(uintptr_t{session}); }

// For filters that bring none.
GUID fresh_key(uint64_t id) {
  GUID key = {0x484b4c46, 0x4c54, 0x4552, {}};
  for (int i = 0; i < 8; ++i) key.Data4[i] = static_cast<UCHAR>(id >> (56 - 8 * i));
  return key;
}

}  // namespace

// Inside a callout's function nothing can wait for callouts to be done.
bool Engine::may_not_wait() const {
  return section_.is_mine() || (busy_ && busy_thread_ == std::this_thread::get_id());
}

Engine::Session* Engine::find_session(HANDLE engine, uint32_t* id) {
  const auto number = reinterpret_cast<uintptr_t>(engine);
  const auto found =
      number <= UINT32_MAX ? sessions_.find(static_cast<uint32_t>(number)) : sessions_.end();
  if (found == sessions_.end()) return nullptr;
  if (id != nullptr) *id = found->first;
  return &found->second;
}

bool Engine::wait_until_free(Lock& lock, uint32_t wait_ms, bool for_writing) {
  return changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                           [&] { return !busy_ && (!for_writing || writer_ == 0); });
}

NTSTATUS Engine::FwpmBfeStateSubscribeChanges0(void*, FWPM_SERVICE_STATE_CHANGE_CALLBACK0 callback,
                                               void*, HANDLE* change) {
  if (callback == nullptr || change == nullptr) return STATUS_FWP_NULL_POINTER;
  *change = reinterpret_cast<HANDLE>(uintptr_t{1});
  return STATUS_SUCCESS;
}

NTSTATUS Engine::FwpmBfeStateUnsubscribeChanges0(HANDLE change) {
  return change == nullptr ? STATUS_INVALID_HANDLE : STATUS_SUCCESS;
}

NTSTATUS Engine::FwpmEngineOpen0(const WCHAR*, UINT32, struct _SEC_WINNT_AUTH_IDENTITY_W*,
                                 const FWPM_SESSION0* session, HANDLE* engine) {
  return without_exceptions([&]() -> NTSTATUS {
    if (engine == nullptr) return STATUS_FWP_NULL_POINTER;
    Session fresh;
    fresh.wait_ms = kTransactionWaitMs;
    if (session != nullptr) {
      if ((session->flags & ~UINT32{FWPM_SESSION_FLAG_DYNAMIC}) != 0)
        return STATUS_FWP_INVALID_FLAGS;
      fresh.dynamic = (session->flags & FWPM_SESSION_FLAG_DYNAMIC) != 0;
      fresh.name = utf8(session->displayData.name);
      if (session->txnWaitTimeoutInMSec != 0) fresh.wait_ms = session->txnWaitTimeoutInMSec;
    }
    Lock lock(mutex_);
    if (section_.is_mine()) return STATUS_NOT_SUPPORTED;
    if (sessions_.size() == kFilterSessionsMax) return STATUS_INSUFFICIENT_RESOURCES;
    const uint32_t id = next_session_++;
    sessions_.emplace(id, std::move(fresh));
    *engine = handle_of(id);
    return STATUS_SUCCESS;
  });
}

NTSTATUS Engine::FwpmEngineClose0(HANDLE engine) {
  return without_exceptions([&]() -> NTSTATUS {
    Lock lock(mutex_);
    if (may_not_wait()) return STATUS_NOT_SUPPORTED;
    uint32_t id = 0;
    Session* session = find_session(engine, &id);
    if (session == nullptr) return STATUS_INVALID_HANDLE;
    session->draft.reset();
    if (writer_ == id) writer_ = 0;
    changed_.notify_all();
    if (session->dynamic) {
      if (!wait_until_free(lock, session->wait_ms, true)) return STATUS_FWP_TIMEOUT;
      Objects next = objects_;
      next.remove_session(id);
      if (const NTSTATUS status = commit(lock, std::move(next))) return status;
    }
    sessions_.erase(id);
    return STATUS_SUCCESS;
  });
}

NTSTATUS Engine::FwpmTransactionBegin0(HANDLE engine, UINT32 flags) {
  return without_exceptions([&]() -> NTSTATUS {
    Lock lock(mutex_);
    if (may_not_wait()) return STATUS_NOT_SUPPORTED;
    uint32_t id = 0;
    Session* session = find_session(engine, &id);
    if (session == nullptr) return STATUS_INVALID_HANDLE;
    if ((flags & ~UINT32{FWPM_TXN_READ_ONLY}) != 0) return STATUS_FWP_INVALID_FLAGS;
    if (session->draft) return STATUS_FWP_TXN_IN_PROGRESS;
    const bool writes = (flags & FWPM_TXN_READ_ONLY) == 0;
    if (!wait_until_free(lock, session->wait_ms, writes)) return STATUS_FWP_TIMEOUT;
    session = find_session(engine);
    if (session == nullptr) return STATUS_FWP_SESSION_ABORTED;
    session->draft = objects_;
    session->read_only = !writes;
    if (writes) writer_ = id;
    return STATUS_SUCCESS;
  });
}

NTSTATUS Engine::FwpmTransactionCommit0(HANDLE engine) {
  return without_exceptions([&]() -> NTSTATUS {
    Lock lock(mutex_);
    if (may_not_wait()) return STATUS_NOT_SUPPORTED;
    uint32_t id = 0;
    Session* session = find_session(engine, &id);
    if (session == nullptr) return STATUS_INVALID_HANDLE;
    if (!session->draft) return STATUS_FWP_NO_TXN_IN_PROGRESS;
    Objects next = std::move(*session->draft);
    session->draft.reset();
    if (session->read_only) return STATUS_SUCCESS;
    const uint32_t wait_ms = session->wait_ms;
    const bool is_free = wait_until_free(lock, wait_ms, false);
    writer_ = 0;
    changed_.notify_all();
    return is_free ? commit(lock, std::move(next)) : STATUS_FWP_TIMEOUT;
  });
}

NTSTATUS Engine::FwpmTransactionAbort0(HANDLE engine) {
  Lock lock(mutex_);
  if (may_not_wait()) return STATUS_NOT_SUPPORTED;
  uint32_t id = 0;
  Session* session = find_session(engine, &id);
  if (session == nullptr) return STATUS_INVALID_HANDLE;
  if (!session->draft) return STATUS_FWP_NO_TXN_IN_PROGRESS;
  session->draft.reset();
  if (writer_ == id) writer_ = 0;
  changed_.notify_all();
  return STATUS_SUCCESS;
}

// Inside a transaction the session's draft changes, outside it everybody's objects.
template <class Edit>
NTSTATUS Engine::edit(HANDLE engine, Edit change) {
  return without_exceptions([&]() -> NTSTATUS {
    Lock lock(mutex_);
    if (may_not_wait()) return STATUS_NOT_SUPPORTED;
    uint32_t id = 0;
    Session* session = find_session(engine, &id);
    if (session == nullptr) return STATUS_INVALID_HANDLE;
    const Owner owner{id, session->dynamic};
    if (session->draft) {
      return session->read_only ? STATUS_FWP_INCOMPATIBLE_TXN : change(*session->draft, owner);
    }
    if (!wait_until_free(lock, session->wait_ms, true)) return STATUS_FWP_TIMEOUT;
    if (find_session(engine) == nullptr) return STATUS_FWP_SESSION_ABORTED;
    Objects next = objects_;
    if (const NTSTATUS status = change(next, owner)) return status;
    return commit(lock, std::move(next));
  });
}

NTSTATUS Engine::FwpmCalloutAdd0(HANDLE engine, const FWPM_CALLOUT0* callout, void*, UINT32* id) {
  if (callout == nullptr) return STATUS_FWP_NULL_POINTER;
  UINT32 number = 0;
  const NTSTATUS status = edit(engine, [&](Objects& objects, Owner owner) {
    number = id_of(callout->calloutKey);
    return objects.add_callout(*callout, number, owner);
  });
  if (status == STATUS_SUCCESS && id != nullptr) *id = number;
  return status;
}

NTSTATUS Engine::FwpmCalloutDeleteById0(HANDLE engine, UINT32 id) {
  return edit(engine, [&](Objects& objects, Owner owner) {
    const CalloutObject* callout = objects.find_callout(id);
    return callout == nullptr ? STATUS_FWP_CALLOUT_NOT_FOUND
                              : objects.delete_callout(callout->key, owner);
  });
}

NTSTATUS Engine::FwpmCalloutDeleteByKey0(HANDLE engine, const GUID* key) {
  if (key == nullptr) return STATUS_FWP_NULL_POINTER;
  return edit(engine,
              [&](Objects& objects, Owner owner) { return objects.delete_callout(*key, owner); });
}

NTSTATUS Engine::FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0* sublayer, void*) {
  if (sublayer == nullptr) return STATUS_FWP_NULL_POINTER;
  return edit(engine, [&](Objects& objects, Owner owner) {
    return objects.add_sublayer(*sublayer, owner);
  });
}

NTSTATUS Engine::FwpmSubLayerDeleteByKey0(HANDLE engine, const GUID* key) {
  if (key == nullptr) return STATUS_FWP_NULL_POINTER;
  return edit(engine,
              [&](Objects& objects, Owner owner) { return objects.delete_sublayer(*key, owner); });
}

NTSTATUS Engine::FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0* filter, void*, UINT64* id) {
  if (filter == nullptr) return STATUS_FWP_NULL_POINTER;
  UINT64 number = 0;
  const NTSTATUS status = edit(engine, [&](Objects& objects, Owner owner) {
    number = next_filter_++;
    return objects.add_filter(*filter, number, fresh_key(number), owner);
  });
  if (status == STATUS_SUCCESS && id != nullptr) *id = number;
  return status;
}

NTSTATUS Engine::FwpmFilterDeleteById0(HANDLE engine, UINT64 id) {
  return edit(engine,
              [&](Objects& objects, Owner owner) { return objects.delete_filter(id, owner); });
}

NTSTATUS Engine::FwpmFilterDeleteByKey0(HANDLE engine, const GUID* key) {
  if (key == nullptr) return STATUS_FWP_NULL_POINTER;
  return edit(engine, [&](Objects& objects, Owner owner) {
    const Filter* filter = objects.find_filter(*key);
    return filter == nullptr ? STATUS_FWP_FILTER_NOT_FOUND
                             : objects.delete_filter(filter->id, owner);
  });
}

}  // namespace hookline::filter
