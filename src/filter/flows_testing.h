// What the tests of flows share: callouts that know their flow contexts, a driver that only counts
// what it is told, and datagrams of any five-tuple.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "filter/flows.h"
#include "filter/testing.h"

namespace hookline::filter::testing {

class FakeDriver final : public Driver {
 public:
  std::string_view name() const override { return "fake"; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view function, std::string_view text) override {
    const std::lock_guard lock(mutex_);
    breaches_.push_back(std::string(function) + ": " + std::string(text));
  }
  size_t breaches() const {
    const std::lock_guard lock(mutex_);
    return breaches_.size();
  }
  std::string last() const {
    const std::lock_guard lock(mutex_);
    return breaches_.empty() ? "" : breaches_.back();
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> breaches_;
};

class FakeWatch final : public CallWatch {
 public:
  void before(const CalloutName&, CalloutCall) override {}
  void after(const CalloutName&, CalloutCall) override {}
  void breach(const CalloutName&, CalloutCall, std::string_view text) override {
    breaches.emplace_back(text);
  }
  std::vector<std::string> breaches;
};

// One call of a classifyFn.
struct Asked {
  const FWPS_INCOMING_VALUES0& values;
  const FWPS_INCOMING_METADATA_VALUES0& metadata;
  NET_BUFFER_LIST* list;
  const void* classify_context;
  const FWPS_FILTER3& filter;
  UINT64 flow_context;
  FWPS_CLASSIFY_OUT0& out;

  UINT64 flow() const {
    const bool has = FWPS_IS_METADATA_FIELD_PRESENT(&metadata, FWPS_METADATA_FIELD_FLOW_HANDLE);
    return has ? metadata.flowHandle : 0;
  }
  HANDLE completion() const {
    const bool has =
        FWPS_IS_METADATA_FIELD_PRESENT(&metadata, FWPS_METADATA_FIELD_COMPLETION_HANDLE);
    return has ? metadata.completionHandle : nullptr;
  }
  // At the ALE_AUTH layers.
  uint32_t flags() const {
    return number(FWPS_FIELD_ALE_AUTH_CONNECT_V4_FLAGS, FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_FLAGS);
  }
  uint32_t reason() const {
    return number(FWPS_FIELD_ALE_AUTH_CONNECT_V4_REAUTHORIZE_REASON,
                  FWPS_FIELD_ALE_AUTH_RECV_ACCEPT_V4_REAUTHORIZE_REASON);
  }
  uint32_t number(size_t of_connect, size_t of_accept) const {
    const bool connect = values.layerId == FWPS_LAYER_ALE_AUTH_CONNECT_V4;
    return values.incomingValue[connect ? of_connect : of_accept].value.uint32;
  }
  bool again() const { return (flags() & FWP_CONDITION_FLAG_IS_REAUTHORIZE) != 0; }
  void permit() const { out.actionType = FWP_ACTION_PERMIT; }
  void block() const { out.actionType = FWP_ACTION_BLOCK; }
  void absorb() const {
    out.actionType = FWP_ACTION_BLOCK;
    out.flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out.rights &= ~UINT32{FWPS_RIGHT_ACTION_WRITE};
  }
};

// A callout with a flowDeleteFn. Known to its C functions by the filter's context, and by its id.
struct FlowCallout {
  std::function<void(const Asked&)> on_classify = [](const Asked&) {};
  std::function<void(UINT64)> on_delete = [](UINT64) {};
  int calls = 0;
  uint32_t id = 0;
  std::mutex mutex;
  std::vector<UINT64> deleted;  // contexts

  size_t deletions() {
    const std::lock_guard lock(mutex);
    return deleted.size();
  }

  static std::map<uint32_t, FlowCallout*>& by_id() {
    static std::map<uint32_t, FlowCallout*> map;
    return map;
  }
  static void NTAPI classify3(const FWPS_INCOMING_VALUES0* values,
                              const FWPS_INCOMING_METADATA_VALUES0* metadata, void* layer_data,
                              const void* context, const FWPS_FILTER3* filter, UINT64 flow_context,
                              FWPS_CLASSIFY_OUT0* out) {
    auto& self = *reinterpret_cast<FlowCallout*>(filter->context);
    ++self.calls;
    self.on_classify({*values, *metadata, static_cast<NET_BUFFER_LIST*>(layer_data), context,
                      *filter, flow_context, *out});
  }
  static void NTAPI deleted0(UINT16, UINT32 id, UINT64 context) {
    FlowCallout& self = *by_id().at(id);
    {
      const std::lock_guard lock(self.mutex);
      self.deleted.push_back(context);
    }
    self.on_delete(context);
  }
};

inline Datagram datagram_of(Direction direction, uint32_t remote, uint16_t remote_port = 68,
                            uint32_t local = 0x0A000001) {
  Datagram out(direction);
  out.traffic.local = Ipv4{local};
  out.traffic.remote = Ipv4{remote};
  out.traffic.remote_port = remote_port;
  return out;
}

class FlowTest : public ::testing::Test {
 protected:
  explicit FlowTest(size_t udp_flows = 64) {
    FlowOptions options;
    options.seed = 7;
    options.udp_flows = udp_flows;
    engine.flows().configure(std::move(options));
  }

  // A callout at one layer, with a filter without conditions. `device` tells drivers apart.
  FlowCallout& add(const GUID& layer, FWP_ACTION_TYPE action = FWP_ACTION_CALLOUT_UNKNOWN,
                   uint32_t flags = 0, bool flow_delete = true, void* device = nullptr) {
    FlowCallout& fake = callouts.emplace_back();
    const GUID its_key = key(++keys);
    FWPS_CALLOUT3 functions{};
    functions.calloutKey = its_key;
    functions.flags = flags;
    functions.classifyFn = &FlowCallout::classify3;
    functions.flowDeleteFn = flow_delete ? &FlowCallout::deleted0 : nullptr;
    EXPECT_EQ(engine.FwpsCalloutRegister3(device, &functions, &fake.id), STATUS_SUCCESS);
    FlowCallout::by_id()[fake.id] = &fake;
    const FWPM_CALLOUT0 object = callout(its_key, layer);
    EXPECT_EQ(engine.FwpmCalloutAdd0(session, &object, nullptr, nullptr), STATUS_SUCCESS);
    FWPM_FILTER0 of_it = filter(layer, action, its_key);
    of_it.rawContext = reinterpret_cast<uintptr_t>(&fake);
    EXPECT_EQ(engine.FwpmFilterAdd0(session, &of_it, nullptr, &last_filter), STATUS_SUCCESS);
    return fake;
  }
  UINT64 add_filter(const GUID& layer, FWP_ACTION_TYPE action) {
    const FWPM_FILTER0 plain = filter(layer, action);
    UINT64 id = 0;
    EXPECT_EQ(engine.FwpmFilterAdd0(session, &plain, nullptr, &id), STATUS_SUCCESS);
    return id;
  }
  Verdict run(Datagram& datagram) {
    const bool in = datagram.traffic.direction == Direction::Inbound;
    return engine.classify(datagram.traffic, &datagram.indication.list,
                           in ? Depth::Mac : Depth::Datagram, in ? Depth::Datagram : Depth::Mac);
  }
  Verdict in(uint32_t remote, uint16_t port = 68) {
    Datagram datagram = datagram_of(Direction::Inbound, remote, port);
    datagram.traffic.now_ns = now_ns;
    return run(datagram);
  }
  Verdict out(uint32_t remote, uint16_t port = 68) {
    Datagram datagram = datagram_of(Direction::Outbound, remote, port);
    datagram.traffic.now_ns = now_ns;
    return run(datagram);
  }
  void pump() { flows.pump(Now{now_ns, 0}); }
  Traffic tcp(uint32_t remote) const {
    Traffic traffic;
    traffic.protocol = 6;
    traffic.local = Ipv4{0x0A000001};
    traffic.remote = Ipv4{remote};
    traffic.local_port = 67;
    traffic.remote_port = 40'000;
    traffic.ifindex = 3;
    return traffic;
  }
  void TearDown() override {
    for (FlowCallout& fake : callouts) {
      fake.on_classify = [](const Asked&) {};
      fake.on_delete = [](UINT64) {};
      while (engine.FwpsCalloutUnregisterById0(fake.id) == STATUS_DEVICE_BUSY) {
      }
    }
  }

  std::deque<FlowCallout> callouts;  // hear of their contexts until the end
  Logger log{stderr, LogLevel::Error};
  FakeWatch watch;
  FakeDriver driver;
  Engine engine{log, &watch};
  Flows& flows = engine.flows();
  HANDLE session = [this] {
    HANDLE handle = nullptr;
    engine.FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &handle);
    return handle;
  }();
  uint32_t keys = 0;
  UINT64 last_filter = 0;
  int64_t now_ns = 1'000'000'000;
};

}  // namespace hookline::filter::testing
