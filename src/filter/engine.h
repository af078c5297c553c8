// The filter engine: sessions with their sublayers, callouts and filters; the callouts that drivers
// register; and the classification of traffic by them. The functions are those of the API under
// their own names, so that a driver's table of functions is filled by forwarding.
//
// Threads:
// - Fwpm… and Fwps… here: any thread but the one that is just inside a callout's function for this
//   engine (its PASSIVE_LEVEL rule); there they give STATUS_NOT_SUPPORTED. A callout's notifyFn is
//   called on the caller's thread, without any lock.
// - classify(): the packet thread. It takes no lock: it reads tables that a change replaces whole.
// A
//   change returns once the packet thread has left the tables before it, so that after
//   FwpsCalloutUnregister… no function of the callout runs or will run, and after a filter's
//   deletion nobody is shown it any more.
// - concerns(), report(): any thread.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "base/log.h"
#include "filter/call_watch.h"
#include "filter/flows.h"
#include "filter/net_buffers.h"
#include "filter/objects.h"
#include "filter/read_section.h"
#include "filter/registry.h"
#include "filter/report.h"
#include "filter/tables.h"
#include "line/classifier.h"

namespace hookline::filter {

struct AleFacts;

class StreamEngine;

class Engine final : public Classifier {
 public:
  // `watch` may be null.
  explicit Engine(Logger& log, CallWatch* watch = nullptr);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // NOLINTBEGIN(readability-identifier-naming): the API's own names.
  // --- management ---------------------------------------------------------------------------
  FWPM_SERVICE_STATE FwpmBfeStateGet0() const { return FWPM_SERVICE_RUNNING; }
  // The engine runs as long as a driver can ask, so `callback` is never called.
  NTSTATUS FwpmBfeStateSubscribeChanges0(void* device, FWPM_SERVICE_STATE_CHANGE_CALLBACK0 callback,
                                         void* context, HANDLE* change);
  NTSTATUS FwpmBfeStateUnsubscribeChanges0(HANDLE change);

  NTSTATUS FwpmEngineOpen0(const WCHAR* server, UINT32 authn_service,
                           struct _SEC_WINNT_AUTH_IDENTITY_W* identity,
                           const FWPM_SESSION0* session, HANDLE* engine);
  // An open transaction is aborted; a dynamic session's objects go.
  NTSTATUS FwpmEngineClose0(HANDLE engine);
  // One transaction writes at a time: others wait for it up to the session's
  // txnWaitTimeoutInMSec (0: 15 s), then get STATUS_FWP_TIMEOUT.
  NTSTATUS FwpmTransactionBegin0(HANDLE engine, UINT32 flags);
  // STATUS_FWP_CALLOUT_NOTIFICATION_FAILED: a callout refused a filter; nothing was changed, and
  // the transaction is over.
  NTSTATUS FwpmTransactionCommit0(HANDLE engine);
  NTSTATUS FwpmTransactionAbort0(HANDLE engine);
  // Outside a transaction each is one of its own. Security descriptors are ignored.
  NTSTATUS FwpmCalloutAdd0(HANDLE engine, const FWPM_CALLOUT0* callout, void* sd, UINT32* id);
  NTSTATUS FwpmCalloutDeleteById0(HANDLE engine, UINT32 id);
  NTSTATUS FwpmCalloutDeleteByKey0(HANDLE engine, const GUID* key);
  NTSTATUS FwpmSubLayerAdd0(HANDLE engine, const FWPM_SUBLAYER0* sublayer, void* sd);
  NTSTATUS FwpmSubLayerDeleteByKey0(HANDLE engine, const GUID* key);
  NTSTATUS FwpmFilterAdd0(HANDLE engine, const FWPM_FILTER0* filter, void* sd, UINT64* id);
  NTSTATUS FwpmFilterDeleteById0(HANDLE engine, UINT64 id);
  NTSTATUS FwpmFilterDeleteByKey0(HANDLE engine, const GUID* key);

  // --- callouts -----------------------------------------------------------------------------
  NTSTATUS FwpsCalloutRegister0(void* device, const FWPS_CALLOUT0* callout, UINT32* id);
  NTSTATUS FwpsCalloutRegister1(void* device, const FWPS_CALLOUT1* callout, UINT32* id);
  NTSTATUS FwpsCalloutRegister2(void* device, const FWPS_CALLOUT2* callout, UINT32* id);
  NTSTATUS FwpsCalloutRegister3(void* device, const FWPS_CALLOUT3* callout, UINT32* id);
  // STATUS_DEVICE_BUSY while flow contexts are left.
  NTSTATUS FwpsCalloutUnregisterById0(UINT32 id);
  NTSTATUS FwpsCalloutUnregisterByKey0(const GUID* key);

  // --- streams (stream_requests.cc) -----------------------------------------------------------
  // STATUS_NOT_FOUND: no such flow (any more), or the callout has no place in it. Any thread.
  NTSTATUS FwpsStreamContinue0(UINT64 flow, UINT32 callout, UINT16 layer, UINT32 stream_flags);
  // NOLINTEND(readability-identifier-naming)

  // --- the server's own ---------------------------------------------------------------------
  // The configuration's rules, in place of those before (filter/rules.h makes them). Waits for no
  // driver, so the packet thread may call it, outside a section.
  void set_rules(std::vector<std::shared_ptr<Filter>> rules);
  // What a driver that is gone has left: its registrations, known by `device`, the sessions that it
  // opened, closed or not, and all that was ever added in them. Its functions are not called: the
  // driver has cleaned up after itself already. False: nothing was done, since another's
  // transaction did not end in time. Not on the packet thread.
  struct Swept {
    size_t sessions = 0;  // that were open
    size_t callouts = 0;  // registered
    size_t filters = 0;
    size_t objects = 0;   // management objects of sublayers and callouts
    size_t contexts = 0;  // of flows
    size_t pended = 0;    // operations
    size_t handles = 0;   // of classifications
  };
  bool sweep(const void* device, std::span<const HANDLE> sessions, Swept& swept);
  // For what hangs on a registration, such as flow contexts; null: there is none with this id.
  std::shared_ptr<Callout> registered(UINT32 id) const;
  // What `hookline filter` shows.
  Report report() const;

  bool concerns(Direction direction, Depth from, Depth to) const override;
  Verdict classify(const Traffic& traffic, NET_BUFFER_LIST* list, Depth first, Depth last) override;
  // Packet thread, for a trace: the name of the filter that stopped the datagram last classified,
  // if one did; empty when it is gone. Slow.
  std::string blocker() const;
  // What of the engine is about flows: the driver's functions for them, TCP, and once a turn
  // pump().
  Flows& flows() { return flows_; }
  const Flows& flows() const { return flows_; }
  // Packet thread: one section around many classifications costs less than one around each.
  ReadSection& section() { return section_; }

  // For the STREAM layer (stream_engine.h). It outlives all drivers; null: there is none.
  void attach(StreamEngine* streams) { streams_ = streams; }
  // Another one whenever other tables are in force; read it before the tables. Any thread.
  uint64_t tables_version() const { return tables_version_.load(std::memory_order_seq_cst); }
  // Packet thread, inside the section.
  const Tables& tables() const { return *active_.load(std::memory_order_seq_cst); }
  CallWatch* watch() const { return watch_; }
  void count_stream(bool blocked, bool absorbed);

 private:
  friend class Flows;
  struct Session {
    std::string name;
    bool dynamic = false;
    uint32_t wait_ms = 0;
    std::optional<Objects> draft;  // a transaction is open
    bool read_only = false;
  };
  using Lock = std::unique_lock<std::mutex>;
  // A filter and the registered callout that has to be told about it.
  struct Told {
    std::shared_ptr<Callout> callout;
    std::shared_ptr<Filter> filter;
  };
  using Telling = std::vector<Told>;
  class Change;

  bool may_not_wait() const;
  Session* find_session(HANDLE engine, uint32_t* id = nullptr);
  bool wait_until_free(Lock& lock, uint32_t wait_ms, bool for_writing);
  size_t end_sessions(std::span<const HANDLE> sessions);
  template <class Edit>
  NTSTATUS edit(HANDLE engine, Edit edit);
  NTSTATUS commit(Lock& lock, Objects next);
  Telling who_is_told(const Objects& of, const Objects& but_not, const Registry& registry) const;
  bool tell(const Told& told, FWPS_CALLOUT_NOTIFY_TYPE type) const;
  void tell_all(const Telling& telling, FWPS_CALLOUT_NOTIFY_TYPE type) const;
  NTSTATUS tell_added(const Telling& telling) const;
  NTSTATUS register_callout(void* device, const Callout::Functions& functions, UINT32* id);
  template <class Key>
  NTSTATUS unregister(const Key& key);
  uint32_t id_of(const GUID& key);
  std::unique_ptr<const Tables> tables_for(const Objects& objects, const Registry& registry);
  void publish(Lock& lock, std::unique_ptr<const Tables> next);
  // Both: the whole way, or what of it is left after a verdict.
  Verdict classify_way(const Tables& tables, const Traffic& traffic, NET_BUFFER_LIST* list,
                       const DataStart& base, Depth first, Depth last);
  Verdict classify_with_flows(const Tables& tables, Traffic traffic, NET_BUFFER_LIST* list,
                              const DataStart& base, Depth first, Depth last);
  Verdict classify_at(const Tables& tables, const Traffic& traffic, NET_BUFFER_LIST* list,
                      const DataStart& base, Depth depth);
  // For Flows: one of the ALE layers. `list` and `authorization` may be null.
  Arbitration ask_ale(const Tables& tables, const Traffic& traffic, const AleFacts& facts,
                      NET_BUFFER_LIST* list, const DataStart& base, Authorization* authorization);

  Logger& log_;
  CallWatch* watch_;

  // Guarded by mutex_. It is held for short; `busy_` keeps others from changing anything while a
  // change calls callouts and waits for the packet thread without it.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool busy_ = false;
  std::thread::id busy_thread_;
  uint32_t writer_ = 0;  // the session whose transaction writes
  std::map<uint32_t, Session> sessions_;
  uint32_t next_session_ = 1;
  uint64_t next_filter_ = 0x10000;
  Objects objects_;
  Registry registry_;
  CalloutIds ids_;
  Rules rules_;
  uint64_t rules_version_ = 0;
  std::unique_ptr<const Tables> tables_;

  // Read by the packet thread.
  std::atomic<const Tables*> active_;
  std::atomic<uint64_t> occupied_{0};
  std::atomic<uint64_t> tables_version_{1};
  std::atomic<StreamEngine*> streams_{nullptr};
  ReadSection section_;

  Flows flows_;

  // Packet thread.
  struct LayerCounts {
    Counter classified, blocked, absorbed;
  };
  std::array<LayerCounts, kLayerCount> layer_counts_;
  Counter vetoes_;
  uint64_t blocker_ = 0;  // filter id
};

}  // namespace hookline::filter
