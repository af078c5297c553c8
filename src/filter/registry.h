// The callouts that drivers have registered: their functions, whatever version of the API they
// speak.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "filter/call_watch.h"
#include "filter/layers.h"
#include "hookline/fwp.h"
#include "line/counters.h"

namespace hookline::filter {

// One registration. Its functions are called by the packet thread (classify) and by whoever manages
// the engine (notify); it stays alive until both are done with it.
class Callout {
 public:
  using Functions = std::variant<FWPS_CALLOUT0, FWPS_CALLOUT1, FWPS_CALLOUT2, FWPS_CALLOUT3>;

  Callout(const Functions& functions, uint32_t id, void* device);

  const GUID& key() const { return key_; }
  uint32_t id() const { return id_; }
  uint32_t flags() const { return flags_; }  // FWP_CALLOUT_FLAG_…
  void* device() const { return device_; }   // as given at the registration; tells drivers apart
  CalloutName name() const { return {key_, id_, device_}; }

  void classify(const FWPS_INCOMING_VALUES0& values, const FWPS_INCOMING_METADATA_VALUES0& metadata,
                void* layer_data, const void* classify_context, FWPS_FILTER3& filter,
                uint64_t flow_context, FWPS_CLASSIFY_OUT0& out) const;
  // STATUS_SUCCESS where the driver gave no notifyFn.
  NTSTATUS notify(FWPS_CALLOUT_NOTIFY_TYPE type, const GUID& filter_key,
                  FWPS_FILTER3& filter) const;

  bool has_flow_delete() const { return flow_delete_ != nullptr; }
  // REQUIRES: has_flow_delete().
  void flow_deleted(uint16_t layer_id, uint64_t context) const {
    flow_delete_(layer_id, id_, context);
  }

  // Flow contexts that its driver has not got back: a registration with some is busy.
  mutable std::atomic<uint32_t> flow_contexts{0};
  // It is being unregistered: it gets no new flow contexts, and is not asked about flows that have
  // none of its.
  mutable std::atomic<bool> ending{false};

  // Packet thread.
  struct Counts {
    Counter calls;
    Counter permitted;
    Counter blocked;
    Counter absorbed;
    Counter breaches;
  };
  mutable Counts counts;

 private:
  Functions functions_;
  GUID key_;
  uint32_t id_;
  uint32_t flags_;
  FWPS_CALLOUT_FLOW_DELETE_NOTIFY_FN0 flow_delete_ = nullptr;
  void* device_;
};

class Registry {
 public:
  std::shared_ptr<Callout> find(const GUID& key) const;
  std::shared_ptr<Callout> find(uint32_t id) const;
  void add(std::shared_ptr<Callout> callout) { callouts_.push_back(std::move(callout)); }
  void remove(uint32_t id);
  size_t size() const { return callouts_.size(); }
  const std::vector<std::shared_ptr<Callout>>& all() const { return callouts_; }

 private:
  std::vector<std::shared_ptr<Callout>> callouts_;
};

// The run-time identifier of each callout key: the same for the registration and for the management
// object, whichever comes first, and never used again for another key.
class CalloutIds {
 public:
  uint32_t of(const GUID& key);
  size_t size() const { return known_.size(); }
  // Forgets the keys for which `in_use` is false.
  template <class InUse>
  void forget_unless(InUse in_use) {
    std::erase_if(known_, [&](const Known& known) { return !in_use(known.key); });
  }

 private:
  struct Known {
    GUID key;
    uint32_t id;
  };
  std::vector<Known> known_;
  uint32_t next_ = 256;  // below are the platform's own
};

}  // namespace hookline::filter
