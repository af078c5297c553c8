// A core over a wire, a disk and time that a test makes, with packet callouts of the test's own.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>

#include "base/inet_frame.h"
#include "config/load.h"
#include "load/packet.h"
#include "server/check_packets.h"
#include "server/check_world.h"
#include "server/core.h"

namespace hookline::server::testing {

inline constexpr const char* kConfig = R"(
[server]
interfaces = ["*"]
[[scope]]
id = "clients"
subnet = "10.77.0.0/16"
ranges = ["10.77.1.0-10.77.1.255"]
)";

class RealClock final : public io::Clock {
 public:
  io::ClockReading read() override { return {1'000'000'000, 1'700'000'000'000'000'000}; }
};

class TestDriver final : public Driver {
 public:
  std::string_view name() const override { return "test"; }
  uint8_t enter(uint8_t) override { return 0; }
  void leave(uint8_t) override {}
  void breach(std::string_view function, std::string_view text) override {
    if (!may_be_told) ADD_FAILURE() << function << ": " << text;
  }
  bool may_be_told = false;  // that it injects nonsense
};

// A driver that takes what its layer shows, and gives it back when and as the test says.
class House {
 public:
  House() {
    const auto loaded = config::load_text(kConfig, "test.toml");
    EXPECT_NE(loaded.config, nullptr) << (loaded.errors.empty() ? "" : loaded.errors[0].text);
    auto core = Core::start({clock, disk, background, wire, wire, log, 1, nullptr}, loaded.config);
    EXPECT_TRUE(core.has_value());
    core_ = std::move(*core);
    run();
    EXPECT_EQ(
        injections().FwpsInjectionHandleCreate0(
            driver, HOOKLINE_AF_UNSPEC,
            FWPS_INJECTION_TYPE_L2 | FWPS_INJECTION_TYPE_NETWORK | FWPS_INJECTION_TYPE_TRANSPORT,
            &handle),
        STATUS_SUCCESS);
  }
  ~House() {
    core_->stop();
    EXPECT_EQ(injections().in_flight(), 0u);
    EXPECT_EQ(core_->packets_in_flight(), 0u);
    injections().FwpsInjectionHandleDestroy0(driver, handle);
    for (const UINT32 id : callouts_) core_->filters().FwpsCalloutUnregisterById0(id);
  }

  Core& core() { return *core_; }
  inject::Injections& injections() { return core_->injections(); }
  inject::Lists& lists() { return core_->lists(); }
  void run() {
    for (bool busy = true; busy;) {
      busy = core_->turn();
      while (background.run_one()) busy = true;
    }
  }
  load::Reply reply() {
    load::Reply out;
    const std::vector<uint8_t> sent = wire.take_reply();
    if (!sent.empty()) {
      EXPECT_EQ(load::read_reply(sent, false, out), "");
    }
    return out;
  }
  void discover(uint32_t number = 1) {
    const check::Client client{number};
    wire.client_sends(check::frame(client, check::message(client, check::typed(1))));
  }

  // What a classifyFn is shown.
  struct Shown {
    const FWPS_INCOMING_VALUES0& values;
    const FWPS_INCOMING_METADATA_VALUES0& metadata;
    NET_BUFFER_LIST* list;
  };
  // `take` says true: absorb. Not asked for what this driver has injected itself, unless it
  // `shows_injected`.
  void install(const GUID& layer, std::function<bool(const Shown&)> take) {
    const uint32_t number = uint32_t(takes_.size()) + 1;
    takes_.push_back({this, std::move(take)});
    const GUID key = {number, 7, 7, {}};
    FWPS_CALLOUT3 functions{};
    functions.calloutKey = key;
    functions.classifyFn = &classify;
    ASSERT_EQ(core_->filters().FwpsCalloutRegister3(nullptr, &functions, &callouts_.emplace_back()),
              STATUS_SUCCESS);
    static char16_t name[] = u"test";
    HANDLE session = nullptr;
    core_->filters().FwpmEngineOpen0(nullptr, 10, nullptr, nullptr, &session);
    FWPM_CALLOUT0 callout{};
    callout.calloutKey = key;
    callout.displayData.name = reinterpret_cast<WCHAR*>(name);
    callout.applicableLayer = layer;
    ASSERT_EQ(core_->filters().FwpmCalloutAdd0(session, &callout, nullptr, nullptr),
              STATUS_SUCCESS);
    FWPM_FILTER0 filter{};
    filter.displayData.name = reinterpret_cast<WCHAR*>(name);
    filter.layerKey = layer;
    filter.action.type = FWP_ACTION_CALLOUT_TERMINATING;
    filter.action.calloutKey = key;
    filter.rawContext = reinterpret_cast<uintptr_t>(&takes_.back());
    ASSERT_EQ(core_->filters().FwpmFilterAdd0(session, &filter, nullptr, nullptr), STATUS_SUCCESS);
  }
  // A clone that begins `bytes` before what is shown; the original is put back.
  NET_BUFFER_LIST* clone(NET_BUFFER_LIST* list, uint32_t bytes) {
    NET_BUFFER* buffer = list->FirstNetBuffer;
    EXPECT_EQ(lists().NdisRetreatNetBufferDataStart(driver, buffer, bytes, 0, nullptr),
              NDIS_STATUS_SUCCESS);
    NET_BUFFER_LIST* out = nullptr;
    EXPECT_EQ(lists().FwpsAllocateCloneNetBufferList0(driver, list, nullptr, nullptr, 0, &out),
              STATUS_SUCCESS);
    lists().NdisAdvanceNetBufferDataStart(driver, buffer, bytes, FALSE, nullptr);
    return out;
  }
  static void NTAPI completion(void* context, NET_BUFFER_LIST* list, BOOLEAN) {
    House& self = *static_cast<House*>(context);
    self.statuses.push_back(list->Status);
    if (list->ParentNetBufferList != nullptr) {
      self.lists().FwpsFreeCloneNetBufferList0(self.driver, list, 0);
    }
  }

  RealClock real;
  check::CheckClock clock{real};
  check::CheckWire wire;
  check::CheckDisk disk;
  check::CheckBackground background;
  Logger log{stderr, LogLevel::Error};
  TestDriver driver;
  HANDLE handle = nullptr;
  std::vector<NTSTATUS> statuses;
  bool shows_injected = false;

 private:
  struct Take {
    House* house;
    std::function<bool(const Shown&)> take;
  };
  static void NTAPI classify(const FWPS_INCOMING_VALUES0* values,
                             const FWPS_INCOMING_METADATA_VALUES0* metadata, void* layer_data,
                             const void*, const FWPS_FILTER3* filter, UINT64,
                             FWPS_CLASSIFY_OUT0* out) {
    Take& self = *reinterpret_cast<Take*>(filter->context);
    auto* list = static_cast<NET_BUFFER_LIST*>(layer_data);
    const auto state = self.house->injections().FwpsQueryPacketInjectionState0(
        self.house->driver, self.house->handle, list, nullptr);
    out->actionType = FWP_ACTION_PERMIT;
    if (!self.house->shows_injected) {
      if (state == FWPS_PACKET_INJECTED_BY_SELF) return;
      EXPECT_EQ(state, FWPS_PACKET_NOT_INJECTED);
    }
    if (!self.take({*values, *metadata, list})) return;
    out->actionType = FWP_ACTION_BLOCK;
    out->flags |= FWPS_CLASSIFY_OUT_FLAG_ABSORB;
    out->rights &= ~FWPS_RIGHT_ACTION_WRITE;
  }

  std::deque<Take> takes_;
  std::deque<UINT32> callouts_;
  std::unique_ptr<Core> core_;
};

}  // namespace hookline::server::testing
